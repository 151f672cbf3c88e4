/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody asks of a container's cgroup, read from the texts of options. Names and units are
 * Docker's. Each cgroup_ask_…() takes one option's value and refuses it with STOR_USAGE; nothing
 * here looks at the machine.
 */
#ifndef CORE_CGROUP_LIMITS_H
#define CORE_CGROUP_LIMITS_H

#include "core/cgroup/module.h"

/* Of one disk; `device` is a path or "root". */
struct cgroup_asked_io {
	char *device;
	struct cgroup_io values; /* without the numbers of the disk */
};

struct cgroup_asked_device {
	char *host, *inside; /* absolute paths; inside is below /dev */
	unsigned access;     /* enum cgroup_access */
};

struct cgroup_asked {
	/* Without what needs the machine: io, devices. Its texts and lists are this struct's. */
	struct cgroup_limits limits;
	struct cgroup_hugetlb *hugetlb;
	struct cgroup_asked_io *io;
	size_t io_count;
	struct cgroup_asked_device *devices;
	size_t device_count;
	const char *weight_option; /* which one gave limits.io_weight, in its own scale */
	char *parent;              /* NULL: the default */
	bool is_ns_host;           /* the container sees the host's cgroup namespace */
	bool is_disabled;          /* no cgroup, and no device filter */
};

void cgroup_asked_free(struct cgroup_asked *asked);

int cgroup_ask_memory(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_memory_reservation(struct cgroup_asked *asked, const char *value,
                                  struct stor_err *err);
int cgroup_ask_memory_swap(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_cpus(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_cpu_weight(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_cpu_shares(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_cpuset_cpus(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_cpuset_mems(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_pids(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_parent(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_cgroups(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_ns(struct cgroup_asked *asked, const char *value, struct stor_err *err);

/* limits_devices.c */
int cgroup_ask_read_bps(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_write_bps(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_read_iops(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_write_iops(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_io_weight(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_blkio_weight(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_hugetlb(struct cgroup_asked *asked, const char *value, struct stor_err *err);
int cgroup_ask_device(struct cgroup_asked *asked, const char *value, struct stor_err *err);

/* What belongs together: swap not below memory and not without it, one scale of CPU weights, no
 * limits without a cgroup. Fills in what follows from other values. */
int cgroup_asked_check(struct cgroup_asked *asked, struct stor_err *err);

/* Controllers (enum cgroup_controller) without which what is asked for cannot be had, and the first
 * option that needs the given one. */
uint32_t cgroup_asked_controllers(const struct cgroup_asked *asked);
const char *cgroup_asked_option(const struct cgroup_asked *asked, uint32_t controller);

#endif
