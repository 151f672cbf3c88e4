/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings of control groups of version 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup/common/files.h"
#include "cgroup/v1/v1.h"

/* Limits that nobody set are the largest multiple of a page. */
#define NO_LIMIT (UINT64_C(1) << 62)

static uint64_t read_limit(const struct cgroup_dir *dir, const char *name)
{
	uint64_t value = cgroup_read_u64(dir, name);

	return value >= NO_LIMIT ? CGROUP_UNLIMITED : value;
}

static uint64_t in_us(uint64_t ns)
{
	return ns == CGROUP_UNKNOWN ? ns : ns / 1000;
}

static void read_cpu(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	char text[512];

	if (!cgroup_read(dir, "cpu.stat", text, sizeof(text)))
		return;
	stats->periods = cgroup_key(text, "nr_periods");
	stats->throttled_periods = cgroup_key(text, "nr_throttled");
	stats->throttled_us = in_us(cgroup_key(text, "throttled_time"));
}

/* User and system time in clock ticks, the sum in nanoseconds. */
static void read_cpuacct(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	char text[128];

	stats->cpu_us = in_us(cgroup_read_u64(dir, "cpuacct.usage"));
	if (!cgroup_read(dir, "cpuacct.stat", text, sizeof(text)))
		return;
	stats->cpu_user_us = cgroup_key(text, "user") * tick_us;
	stats->cpu_system_us = cgroup_key(text, "system") * tick_us;
}

uint64_t v1_oom_kills(const struct cgroup_dir *dir)
{
	char text[256];

	return cgroup_read(dir, "memory.oom_control", text, sizeof(text))
	               ? cgroup_key(text, "oom_kill")
	               : CGROUP_UNKNOWN;
}

static void read_memory(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	stats->memory_bytes = cgroup_read_u64(dir, "memory.usage_in_bytes");
	stats->memory_peak_bytes = cgroup_read_u64(dir, "memory.max_usage_in_bytes");
	stats->memory_limit_bytes = read_limit(dir, "memory.limit_in_bytes");
	stats->oom_kills = v1_oom_kills(dir);
}

/* Lines "8:0 Read 4096", of all disks. Since Linux 6.10 there are none of a disk for which nobody
 * has set a limit, whatever was read and written. */
static void sum_io(const char *text, uint64_t *reads, uint64_t *writes)
{
	if (!strchr(text, ':'))
		return;
	*reads = *writes = 0;
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		unsigned long long value;
		char kind[16];

		line += *line == '\n';
		if (sscanf(line, "%*u:%*u %15s %llu", kind, &value) != 2)
			continue;
		if (!strcmp(kind, "Read"))
			*reads += value;
		else if (!strcmp(kind, "Write"))
			*writes += value;
	}
}

static void read_io(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	char text[16384];

	if (cgroup_read(dir, "blkio.throttle.io_service_bytes", text, sizeof(text)))
		sum_io(text, &stats->read_bytes, &stats->write_bytes);
	if (cgroup_read(dir, "blkio.throttle.io_serviced", text, sizeof(text)))
		sum_io(text, &stats->read_ops, &stats->write_ops);
}

void v1_read(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	if (dir->controllers & CGROUP_CPU)
		read_cpu(dir, stats);
	if (dir->controllers & CGROUP_CPUACCT)
		read_cpuacct(dir, stats);
	if (dir->controllers & CGROUP_MEMORY)
		read_memory(dir, stats);
	if (dir->controllers & CGROUP_PIDS)
		cgroup_read_pids(dir, stats);
	if (dir->controllers & CGROUP_IO)
		read_io(dir, stats);
}
