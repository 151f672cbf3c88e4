/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cgroup modules and core say to each other: one neutral set of limits and readings, which
 * MODULES/cgroup/v1.so and v2.so translate to the files of their version of cgroups. A module works
 * on one cgroup directory of one hierarchy at a time and knows nothing of containers; which
 * hierarchy has which controller is core/cgroup/machine.h's. On a hybrid machine both are loaded.
 *
 * Facts of the files: Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst of the kernel.
 */
#ifndef CORE_CGROUP_MODULE_H
#define CORE_CGROUP_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define CGROUP_UNLIMITED UINT64_MAX
#define CGROUP_UNKNOWN UINT64_MAX /* of a reading: this kernel does not tell */
#define CGROUP_CPU_PERIOD_US 100000u

/* Bits, for sets of controllers. Devices and the freezer are controllers in v1 alone; a v2
 * hierarchy has both without a controller's name. CGROUP_SYSTEMD is none at all, but the hierarchy
 * in which a service manager keeps its services apart: one of v1 that has this name, or v2's. */
enum cgroup_controller {
	CGROUP_CPU = 1u << 0,
	CGROUP_CPUACCT = 1u << 1,
	CGROUP_CPUSET = 1u << 2,
	CGROUP_MEMORY = 1u << 3,
	CGROUP_PIDS = 1u << 4,
	CGROUP_IO = 1u << 5,
	CGROUP_HUGETLB = 1u << 6,
	CGROUP_DEVICES = 1u << 7,
	CGROUP_FREEZER = 1u << 8,
	CGROUP_SYSTEMD = 1u << 9,
	CGROUP_LAST = CGROUP_SYSTEMD,
};

/* Limits of one whole disk. 0: none. */
struct cgroup_io {
	uint32_t major, minor;
	uint64_t read_bps, write_bps; /* bytes a second */
	uint64_t read_iops, write_iops;
};

struct cgroup_hugetlb {
	char page[16]; /* as the kernel names the size: "2MB" */
	uint64_t bytes;
};

enum cgroup_access { CGROUP_READ = 1, CGROUP_WRITE = 2, CGROUP_MKNOD = 4 };

/* Devices that a cgroup may use. */
struct cgroup_device {
	char type;            /* 'b' or 'c' */
	int64_t major, minor; /* -1: any */
	unsigned access;      /* enum cgroup_access */
};

/* 0 and NULL everywhere: not limited. */
struct cgroup_limits {
	uint64_t memory_bytes;
	uint64_t memory_reservation_bytes;
	uint64_t memory_swap_bytes; /* memory and swap together; or CGROUP_UNLIMITED */
	bool is_swap_implied;       /* not asked for: passed over where swap is not counted */
	uint64_t cpu_quota_us;      /* in each CGROUP_CPU_PERIOD_US */
	uint64_t cpu_weight;        /* 1 to 10000, or … */
	uint64_t cpu_shares;        /* 2 to 262144: the same in v1's scale; one of both */
	const char *cpuset_cpus, *cpuset_mems;
	uint64_t pids_max;  /* or CGROUP_UNLIMITED */
	uint64_t io_weight; /* 1 to 10000 */
	const struct cgroup_io *io;
	size_t io_count;
	const struct cgroup_hugetlb *hugetlb;
	size_t hugetlb_count;
	const struct cgroup_device *devices; /* NULL: no filter */
	size_t device_count;
};

/* Share of time, of the last 10 seconds, that some task waited; and in all. */
struct cgroup_pressure {
	double some_avg10; /* percent; negative: unknown */
	uint64_t some_total_us;
};

/* Every number CGROUP_UNKNOWN until a module knows it. */
struct cgroup_stats {
	uint64_t cpu_us, cpu_user_us, cpu_system_us;
	uint64_t periods, throttled_periods, throttled_us;
	uint64_t memory_bytes, memory_peak_bytes, memory_limit_bytes, oom_kills;
	uint64_t pids, pids_limit;
	uint64_t read_bytes, write_bytes, read_ops, write_ops;
	struct cgroup_pressure cpu_pressure, memory_pressure, io_pressure;
};

/* A cgroup's directory in one hierarchy. */
struct cgroup_dir {
	int fd;
	const char *path;     /* absolute, for messages */
	uint32_t controllers; /* those of the hierarchy that the container uses */
	/* NULL: the cgroup is new. Else limits that processes live under are changed, and for each
	 * file that limit() writes this gets "FILE TEXT": what writes it back as it was. The last
	 * one is to be written first. */
	struct strv *undo;
};

/* The table that a module exports as stor_cgroup_v1 or stor_cgroup_v2. All return 0, or -1 with err
 * filled, unless said otherwise. */
struct cgroup_module {
	const char *version;
	uint32_t handed_on; /* controllers that hand_on() has something to do for */
	/* Let the children of `dir` use its controllers: once for each directory on the way to a
	 * leaf, from the hierarchy's root on, before the next one is made. `is_ours`: it was just
	 * made. */
	int (*hand_on)(const struct cgroup_dir *dir, bool is_ours, struct stor_err *err);
	/* Apply what concerns the controllers of dir->controllers; a limit that the kernel does not
	 * have, or refuses, is an error that names it. STOR_BUSY: less memory than is in use. */
	int (*limit)(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
	             struct stor_err *err);
	/* Stop all processes of the cgroup, or let them go on; returns once they stand still (at
	 * most 10 s: STOR_BUSY). For the hierarchy with CGROUP_FREEZER. */
	int (*freeze)(const struct cgroup_dir *dir, bool on, struct stor_err *err);
	/* Kill all processes of the cgroup, frozen ones too, so that none escapes by forking.
	 * Returns once there are none, at most 10 s later. */
	int (*kill_all)(const struct cgroup_dir *dir, struct stor_err *err);
	/* Fill in what the hierarchy knows. Never fails: what cannot be read stays unknown. */
	void (*read)(const struct cgroup_dir *dir, struct cgroup_stats *stats);
	/* Of all that read() tells, what the end of each container asks for. For the hierarchy with
	 * CGROUP_MEMORY. CGROUP_UNKNOWN: it cannot be read. */
	uint64_t (*oom_kills)(const struct cgroup_dir *dir);
};

#endif
