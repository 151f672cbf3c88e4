/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the two versions have alike but for names of files. See files.h. */
#include <inttypes.h>
#include <stdio.h>

#include "cgroup/common/files.h"

static int hint(struct stor_err *err, const char *text)
{
	if (!*err->hint)
		err_hint(err, "choose among this machine's %s", text);
	return -1;
}

int cgroup_limit_cpuset(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                        struct stor_err *err)
{
	if (limits->cpuset_cpus && cgroup_set(dir, "cpuset.cpus", "--cpuset-cpus", NULL, err, "%s",
	                                      limits->cpuset_cpus) < 0)
		return hint(err, "processors: see /sys/devices/system/cpu/online");
	if (limits->cpuset_mems && cgroup_set(dir, "cpuset.mems", "--cpuset-mems", NULL, err, "%s",
	                                      limits->cpuset_mems) < 0)
		return hint(err, "memory nodes: see /sys/devices/system/node/online");
	return 0;
}

int cgroup_limit_hugetlb(const struct cgroup_dir *dir, const struct cgroup_limits *limits,
                         const char *file, struct stor_err *err)
{
	for (size_t i = 0; i < limits->hugetlb_count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "hugetlb.%s.%s", limits->hugetlb[i].page, file);
		if (cgroup_set(dir, name, "--hugetlb", "see /sys/kernel/mm/hugepages for the sizes",
		               err, "%" PRIu64, limits->hugetlb[i].bytes) < 0)
			return -1;
	}
	return 0;
}

void cgroup_read_pids(const struct cgroup_dir *dir, struct cgroup_stats *stats)
{
	stats->pids = cgroup_read_u64(dir, "pids.current");
	stats->pids_limit = cgroup_read_u64(dir, "pids.max");
}
