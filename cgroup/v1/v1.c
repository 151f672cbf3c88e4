/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups of version 1: limits, freezing and killing. Readings are in read.c. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "cgroup/common/files.h"
#include "cgroup/v1/v1.h"

/* A new cpuset is empty, and takes no process; it begins with all that its parent has. */
static int hand_on(const struct cgroup_dir *dir, bool is_ours, struct stor_err *err)
{
	static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
	char text[256], up[32];

	if (!(dir->controllers & CGROUP_CPUSET) || !is_ours)
		return 0;
	for (size_t i = 0; i < 2; i++) {
		snprintf(up, sizeof(up), "../%s", names[i]);
		if (!cgroup_read(dir, up, text, sizeof(text)) ||
		    cgroup_write(dir, names[i], text) < 0)
			return err_fail(err, STOR_FAILED, errno, "fill %s/%s", dir->path, names[i]);
	}
	return 0;
}

static int limit_cpu(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                     struct stor_err *err)
{
	uint64_t shares = limits->cpu_shares;

	if (limits->cpu_weight)
		shares = cgroup_weight_to_shares(limits->cpu_weight);
	if (shares &&
	    cgroup_set(dir, "cpu.shares", limits->cpu_weight ? "--cpu-weight" : "--cpu-shares",
	               NULL, err, "%" PRIu64, shares) < 0)
		return -1;
	if (!limits->cpu_quota_us)
		return 0;
	if (cgroup_set(dir, "cpu.cfs_period_us", "--cpus", "it needs CONFIG_CFS_BANDWIDTH", err,
	               "%u", CGROUP_CPU_PERIOD_US) < 0)
		return -1;
	return cgroup_set(dir, "cpu.cfs_quota_us", "--cpus", NULL, err, "%" PRIu64,
	                  limits->cpu_quota_us);
}

static const char swap_file[] = "memory.memsw.limit_in_bytes";

static int limit_memory_alone(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                              struct stor_err *err)
{
	if (!limits->memory_bytes || cgroup_set(dir, "memory.limit_in_bytes", "--memory", NULL, err,
	                                        "%" PRIu64, limits->memory_bytes) == 0)
		return 0;
	if (err->status != STOR_BUSY)
		return -1;
	err_clear(err);
	return cgroup_fail_in_use(limits->memory_bytes,
	                          cgroup_read_u64(dir, "memory.usage_in_bytes"), err);
}

/* With memory. */
static int limit_swap(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                      struct stor_err *err)
{
	char ignored[2];

	if (!limits->memory_swap_bytes ||
	    (limits->is_swap_implied && !cgroup_read(dir, swap_file, ignored, sizeof(ignored))))
		return 0;
	return cgroup_set(dir, swap_file, "--memory-swap", "boot the kernel with swapaccount=1",
	                  err, "%" PRId64,
	                  limits->memory_swap_bytes == CGROUP_UNLIMITED
	                          ? -1
	                          : (int64_t)limits->memory_swap_bytes);
}

/* The kernel never lets the limit of memory be above that of memory and swap. */
static int limit_memory(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                        struct stor_err *err)
{
	bool swap_first = dir->undo && limits->memory_bytes > cgroup_read_u64(dir, swap_file);

	if (swap_first && limit_swap(dir, limits, err) < 0)
		return -1;
	if (limit_memory_alone(dir, limits, err) < 0)
		return -1;
	if (limits->memory_reservation_bytes &&
	    cgroup_set(dir, "memory.soft_limit_in_bytes", "--memory-reservation", NULL, err,
	               "%" PRIu64, limits->memory_reservation_bytes) < 0)
		return -1;
	return swap_first ? 0 : limit_swap(dir, limits, err);
}

static int limit_pids(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                      struct stor_err *err)
{
	if (!limits->pids_max)
		return 0;
	if (limits->pids_max == CGROUP_UNLIMITED)
		return cgroup_set(dir, "pids.max", "--pids-limit", NULL, err, "max");
	return cgroup_set(dir, "pids.max", "--pids-limit", NULL, err, "%" PRIu64, limits->pids_max);
}

static int limit_device_io(const struct cgroup_dir *dir, const struct cgroup_io *io,
                           struct stor_err *err)
{
	const struct {
		const char *file, *option;
		uint64_t value;
	} values[] = {
		{ "blkio.throttle.read_bps_device", "--device-read-bps", io->read_bps },
		{ "blkio.throttle.write_bps_device", "--device-write-bps", io->write_bps },
		{ "blkio.throttle.read_iops_device", "--device-read-iops", io->read_iops },
		{ "blkio.throttle.write_iops_device", "--device-write-iops", io->write_iops },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (values[i].value &&
		    cgroup_set(dir, values[i].file, values[i].option,
		               "it needs CONFIG_BLK_DEV_THROTTLING", err, "%u:%u %" PRIu64,
		               io->major, io->minor, values[i].value) < 0)
			return -1;
	return 0;
}

/* v1's scale is 10 to 1000. */
static int limit_io(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                    struct stor_err *err)
{
	char ignored[2];

	if (limits->io_weight &&
	    cgroup_set(dir,
	               cgroup_read(dir, "blkio.weight", ignored, sizeof(ignored))
	                       ? "blkio.weight"
	                       : "blkio.bfq.weight",
	               "--io-weight",
	               "only the I/O scheduler BFQ knows weights: choose it in "
	               "/sys/block/DISK/queue/scheduler",
	               err, "%" PRIu64, 10 + (limits->io_weight - 1) * 990 / 9999) < 0)
		return -1;
	for (size_t i = 0; i < limits->io_count; i++)
		if (limit_device_io(dir, &limits->io[i], err) < 0)
			return -1;
	return 0;
}

static int limit_hugetlb(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                         struct stor_err *err)
{
	return cgroup_limit_hugetlb(dir, limits, "limit_in_bytes", err);
}

/* Returns -1 with errno. */
static int allow_device(int allow_fd, const struct cgroup_device *device)
{
	char major[24] = "*", minor[24] = "*", text[64];
	int length;

	if (device->major >= 0)
		snprintf(major, sizeof(major), "%" PRId64, device->major);
	if (device->minor >= 0)
		snprintf(minor, sizeof(minor), "%" PRId64, device->minor);
	length = snprintf(text, sizeof(text), "%c %s:%s %s%s%s", device->type, major, minor,
	                  device->access & CGROUP_READ ? "r" : "",
	                  device->access & CGROUP_WRITE ? "w" : "",
	                  device->access & CGROUP_MKNOD ? "m" : "");
	return write(allow_fd, text, (size_t)length) == length ? 0 : -1;
}

static int limit_devices(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                         struct stor_err *err)
{
	cleanup_close int allow_fd = -1;

	if (!limits->devices)
		return 0;
	if (cgroup_set(dir, "devices.deny", "the device filter", NULL, err, "a") < 0)
		return -1;
	allow_fd = openat(dir->fd, "devices.allow", O_WRONLY | O_CLOEXEC);
	for (size_t i = 0; i < limits->device_count; i++)
		if (allow_fd < 0 || allow_device(allow_fd, &limits->devices[i]) < 0)
			return err_fail(err, STOR_FAILED, errno,
			                "the device filter: write to %s/devices.allow", dir->path);
	return 0;
}

static int limit(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                 struct stor_err *err)
{
	static const struct {
		uint32_t controller;
		int (*apply)(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
		             struct stor_err *err);
	} steps[] = {
		{ CGROUP_CPU, limit_cpu },         { CGROUP_CPUSET, cgroup_limit_cpuset },
		{ CGROUP_MEMORY, limit_memory },   { CGROUP_PIDS, limit_pids },
		{ CGROUP_IO, limit_io },           { CGROUP_HUGETLB, limit_hugetlb },
		{ CGROUP_DEVICES, limit_devices },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (dir->controllers & steps[i].controller && steps[i].apply(dir, limits, err) < 0)
			return -1;
	return 0;
}

static bool is_frozen(const struct cgroup_dir *dir)
{
	char text[16];

	/* What forked meanwhile is frozen by saying it again. */
	cgroup_write(dir, "freezer.state", "FROZEN");
	return cgroup_read(dir, "freezer.state", text, sizeof(text)) && !strncmp(text, "FROZEN", 6);
}

static int freeze(const struct cgroup_dir *dir, bool on, struct stor_err *err)
{
	if (cgroup_write(dir, "freezer.state", on ? "FROZEN" : "THAWED") < 0)
		return err_fail(err, STOR_FAILED, errno, "write %s/freezer.state", dir->path);
	if (!on || cgroup_wait(dir, is_frozen))
		return 0;
	cgroup_write(dir, "freezer.state", "THAWED");
	return err_fail(err, STOR_BUSY, 0, "a process of %s cannot be frozen", dir->path);
}

static bool is_killed(const struct cgroup_dir *dir)
{
	cgroup_signal_all(dir);
	cgroup_write(dir, "freezer.state", "THAWED");
	return cgroup_is_empty(dir);
}

/* Frozen, none can fork while the others are told; thawed, all die at once. */
static int kill_all(const struct cgroup_dir *dir, struct stor_err *err)
{
	struct stor_err ignored = STOR_ERR_INIT;

	freeze(dir, true, &ignored);
	if (cgroup_wait(dir, is_killed))
		return 0;
	return err_fail(err, STOR_BUSY, 0, "a process of %s does not end", dir->path);
}

__attribute__((visibility("default"))) extern const struct cgroup_module stor_cgroup_v1;
const struct cgroup_module stor_cgroup_v1 = {
	.version = STOR_VERSION,
	.handed_on = CGROUP_CPUSET,
	.hand_on = hand_on,
	.limit = limit,
	.freeze = freeze,
	.kill_all = kill_all,
	.read = v1_read,
	.oom_kills = v1_oom_kills,
};
