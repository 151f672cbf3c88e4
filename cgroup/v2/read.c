/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings of control groups of version 2. */
#include <stdlib.h>
#include <string.h>

#include "cgroup/common/files.h"
#include "cgroup/v2/v2.h"

static void read_cpu(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	char text[1024];

	if (!cgroup_read(dir, "cpu.stat", text, sizeof(text)))
		return;
	stats->cpu_us = cgroup_key(text, "usage_usec");
	stats->cpu_user_us = cgroup_key(text, "user_usec");
	stats->cpu_system_us = cgroup_key(text, "system_usec");
	stats->periods = cgroup_key(text, "nr_periods");
	stats->throttled_periods = cgroup_key(text, "nr_throttled");
	stats->throttled_us = cgroup_key(text, "throttled_usec");
}

uint64_t v2_oom_kills(const struct cgroup_dir *dir)
{
	char text[512];

	return cgroup_read(dir, "memory.events", text, sizeof(text)) ? cgroup_key(text, "oom_kill")
	                                                             : CGROUP_UNKNOWN;
}

/* The peak is known since Linux 5.19. */
static void read_memory(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	stats->memory_bytes = cgroup_read_u64(dir, "memory.current");
	stats->memory_peak_bytes = cgroup_read_u64(dir, "memory.peak");
	stats->memory_limit_bytes = cgroup_read_u64(dir, "memory.max");
	stats->oom_kills = v2_oom_kills(dir);
}

static uint64_t sum_of(const char *text, const char *key)
{
	uint64_t sum = 0;

	for (const char *at = strstr(text, key); at; at = strstr(at + 1, key))
		sum += strtoull(at + strlen(key), NULL, 10);
	return sum;
}

/* A line for each disk: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6" */
static void read_io(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	char text[16384];

	if (!cgroup_read(dir, "io.stat", text, sizeof(text)))
		return;
	stats->read_bytes = sum_of(text, " rbytes=");
	stats->write_bytes = sum_of(text, " wbytes=");
	stats->read_ops = sum_of(text, " rios=");
	stats->write_ops = sum_of(text, " wios=");
}

void v2_read(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	if (dir->controllers & CGROUP_CPU)
		read_cpu(dir, stats);
	if (dir->controllers & CGROUP_MEMORY)
		read_memory(dir, stats);
	if (dir->controllers & CGROUP_PIDS)
		cgroup_read_pids(dir, stats);
	if (dir->controllers & CGROUP_IO)
		read_io(dir, stats);
	cgroup_read_pressure(dir, "cpu.pressure", &stats->cpu_pressure);
	cgroup_read_pressure(dir, "memory.pressure", &stats->memory_pressure);
	cgroup_read_pressure(dir, "io.pressure", &stats->io_pressure);
}
