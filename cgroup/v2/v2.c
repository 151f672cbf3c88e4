/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control groups of version 2: limits, freezing and killing. Readings are in read.c. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cgroup/common/files.h"
#include "cgroup/v2/v2.h"

#define HANDED_ON                                                                                  \
	(CGROUP_CPU | CGROUP_CPUSET | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO | CGROUP_HUGETLB)

static const struct {
	uint32_t controller;
	const char *name;
} names[] = {
	{ CGROUP_CPU, "cpu" },   { CGROUP_CPUSET, "cpuset" }, { CGROUP_MEMORY, "memory" },
	{ CGROUP_PIDS, "pids" }, { CGROUP_IO, "io" },         { CGROUP_HUGETLB, "hugetlb" },
};

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || at[-1] == ' ') && strchr(" \n", at[length]))
			return true;
	return false;
}

static int hand_on_failed(const struct cgroup_dir *dir, const char *name, struct stor_err *err)
{
	int errnum = errno;

	err_fail(err, STOR_FAILED, errnum, "hand the controller %s on in %s/cgroup.subtree_control",
	         name, dir->path);
	if (errnum == EBUSY)
		err_hint(err,
		         "a cgroup with processes of its own hands nothing on: name another with "
		         "--cgroup-parent");
	else if (errnum == ENOENT)
		err_hint(err,
		         "the cgroup above does not hand it on: enable it there, or name another "
		         "with --cgroup-parent");
	return -1;
}

/* One at a time, so that a failure names its controller; those that are handed on stay. */
static int hand_on(const struct cgroup_dir *dir, bool is_ours, struct stor_err *err)
{
	char text[256];

	(void)is_ours;
	if (!cgroup_read(dir, "cgroup.subtree_control", text, sizeof(text)))
		return err_fail(err, STOR_FAILED, errno, "read %s/cgroup.subtree_control",
		                dir->path);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char word[16];

		if (!(dir->controllers & names[i].controller) || has_word(text, names[i].name))
			continue;
		snprintf(word, sizeof(word), "+%s", names[i].name);
		if (cgroup_write(dir, "cgroup.subtree_control", word) < 0)
			return hand_on_failed(dir, names[i].name, err);
	}
	return 0;
}

static int limit_cpu(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                     struct stor_err *err)
{
	uint64_t weight = limits->cpu_weight;

	if (limits->cpu_shares)
		weight = cgroup_shares_to_weight(limits->cpu_shares);
	if (weight &&
	    cgroup_set(dir, "cpu.weight", limits->cpu_weight ? "--cpu-weight" : "--cpu-shares",
	               NULL, err, "%" PRIu64, weight) < 0)
		return -1;
	if (!limits->cpu_quota_us)
		return 0;
	return cgroup_set(dir, "cpu.max", "--cpus", "it needs CONFIG_CFS_BANDWIDTH", err,
	                  "%" PRIu64 " %u", limits->cpu_quota_us, CGROUP_CPU_PERIOD_US);
}

/* A limit below what is in use kills processes. So first they are held there by the limit that only
 * takes memory back. before: what that was; "": it was not needed. */
static int hold_below(const struct cgroup_dir *dir, uint64_t bytes, char *before, size_t size,
                      struct stor_err *err)
{
	uint64_t used = cgroup_read_u64(dir, "memory.current");
	char text[32];

	*before = '\0';
	if (used == CGROUP_UNKNOWN || used <= bytes)
		return 0;
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	if (!cgroup_read(dir, "memory.high", before, size) ||
	    cgroup_write(dir, "memory.high", text) < 0)
		return err_fail(err, STOR_FAILED, errno, "--memory: write %s/memory.high",
		                dir->path);
	used = cgroup_read_u64(dir, "memory.current");
	if (used <= bytes)
		return 0;
	cgroup_write(dir, "memory.high", before);
	return cgroup_fail_in_use(bytes, used, err);
}

static int limit_memory_alone(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                              struct stor_err *err)
{
	char before[32] = "";
	int result;

	if (!limits->memory_bytes)
		return 0;
	if (dir->undo && hold_below(dir, limits->memory_bytes, before, sizeof(before), err) < 0)
		return -1;
	result = cgroup_set(dir, "memory.max", "--memory", NULL, err, "%" PRIu64,
	                    limits->memory_bytes);
	if (*before)
		cgroup_write(dir, "memory.high", before);
	return result;
}

static int limit_memory(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                        struct stor_err *err)
{
	char ignored[2];

	if (limit_memory_alone(dir, limits, err) < 0)
		return -1;
	if (limits->memory_reservation_bytes &&
	    cgroup_set(dir, "memory.low", "--memory-reservation", NULL, err, "%" PRIu64,
	               limits->memory_reservation_bytes) < 0)
		return -1;
	if (!limits->memory_swap_bytes ||
	    (limits->is_swap_implied &&
	     !cgroup_read(dir, "memory.swap.max", ignored, sizeof(ignored))))
		return 0;
	if (limits->memory_swap_bytes == CGROUP_UNLIMITED)
		return cgroup_set(dir, "memory.swap.max", "--memory-swap", "it needs CONFIG_SWAP",
		                  err, "max");
	return cgroup_set(dir, "memory.swap.max", "--memory-swap", "it needs CONFIG_SWAP", err,
	                  "%" PRIu64, limits->memory_swap_bytes - limits->memory_bytes);
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
		const char *key, *option;
		uint64_t value;
	} values[] = {
		{ "rbps", "--device-read-bps", io->read_bps },
		{ "wbps", "--device-write-bps", io->write_bps },
		{ "riops", "--device-read-iops", io->read_iops },
		{ "wiops", "--device-write-iops", io->write_iops },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		if (values[i].value &&
		    cgroup_set(dir, "io.max", values[i].option,
		               "it needs CONFIG_BLK_DEV_THROTTLING", err, "%u:%u %s=%" PRIu64,
		               io->major, io->minor, values[i].key, values[i].value) < 0)
			return -1;
	return 0;
}

/* BFQ has a file of its own, with v1's range; the other one is iocost's. Some disks may have the
 * one, and some the other. */
static int limit_io_weight(const struct cgroup_dir *dir, uint64_t weight, struct stor_err *err)
{
	char ignored[2];
	bool has_bfq = cgroup_read(dir, "io.bfq.weight", ignored, sizeof(ignored));

	if (has_bfq && cgroup_set(dir, "io.bfq.weight", "--io-weight", NULL, err, "%" PRIu64,
	                          1 + (weight - 1) * 999 / 9999) < 0)
		return -1;
	if (has_bfq && !cgroup_read(dir, "io.weight", ignored, sizeof(ignored)))
		return 0;
	return cgroup_set(dir, "io.weight", "--io-weight",
	                  "weights need the I/O scheduler BFQ, or CONFIG_BLK_CGROUP_IOCOST", err,
	                  "default %" PRIu64, weight);
}

static int limit_io(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                    struct stor_err *err)
{
	if (limits->io_weight && limit_io_weight(dir, limits->io_weight, err) < 0)
		return -1;
	for (size_t i = 0; i < limits->io_count; i++)
		if (limit_device_io(dir, &limits->io[i], err) < 0)
			return -1;
	return 0;
}

static int limit_hugetlb(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                         struct stor_err *err)
{
	return cgroup_limit_hugetlb(dir, limits, "max", err);
}

static int limit_devices(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                         struct stor_err *err)
{
	return limits->devices ? v2_filter_devices(dir, limits->devices, limits->device_count, err)
	                       : 0;
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
	char text[128];

	return cgroup_read(dir, "cgroup.events", text, sizeof(text)) &&
	       cgroup_key(text, "frozen") == 1;
}

static int freeze(const struct cgroup_dir *dir, bool on, struct stor_err *err)
{
	if (cgroup_write(dir, "cgroup.freeze", on ? "1" : "0") < 0)
		return err_fail(err, STOR_FAILED, errno, "write %s/cgroup.freeze", dir->path);
	if (!on || cgroup_wait(dir, is_frozen))
		return 0;
	cgroup_write(dir, "cgroup.freeze", "0");
	return err_fail(err, STOR_BUSY, 0, "a process of %s cannot be frozen", dir->path);
}

static int kill_all(const struct cgroup_dir *dir, struct stor_err *err)
{
	if (cgroup_write(dir, "cgroup.kill", "1") < 0)
		return err_fail(err, STOR_FAILED, errno, "write %s/cgroup.kill", dir->path);
	if (cgroup_wait(dir, cgroup_is_empty))
		return 0;
	return err_fail(err, STOR_BUSY, 0, "a process of %s does not end", dir->path);
}

__attribute__((visibility("default"))) extern const struct cgroup_module stor_cgroup_v2;
const struct cgroup_module stor_cgroup_v2 = {
	.version = STOR_VERSION,
	.handed_on = HANDED_ON,
	.hand_on = hand_on,
	.limit = limit,
	.freeze = freeze,
	.kill_all = kill_all,
	.read = v2_read,
	.oom_kills = v2_oom_kills,
};
