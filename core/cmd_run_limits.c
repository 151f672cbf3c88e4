/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cmd_run_limits.h. */
#include "core/cmd_run_limits.h"

#include "core/cgroup/limits.h"
#include "core/container/config.h"

#define SETTER(option, ask)                                                                        \
	int run_##option(void *target, const char *value, struct stor_err *err)                    \
	{                                                                                          \
		struct container_config *config = target;                                          \
                                                                                                   \
		return ask(&config->cgroup, value, err);                                           \
	}

SETTER(cgroup_ns, cgroup_ask_ns)
SETTER(cgroup_parent, cgroup_ask_parent)
SETTER(cgroups, cgroup_ask_cgroups)
SETTER(cpu_shares, cgroup_ask_cpu_shares)
SETTER(cpu_weight, cgroup_ask_cpu_weight)
SETTER(cpus, cgroup_ask_cpus)
SETTER(cpuset_cpus, cgroup_ask_cpuset_cpus)
SETTER(cpuset_mems, cgroup_ask_cpuset_mems)
SETTER(device, cgroup_ask_device)
SETTER(read_bps, cgroup_ask_read_bps)
SETTER(read_iops, cgroup_ask_read_iops)
SETTER(write_bps, cgroup_ask_write_bps)
SETTER(write_iops, cgroup_ask_write_iops)
SETTER(blkio_weight, cgroup_ask_blkio_weight)
SETTER(io_weight, cgroup_ask_io_weight)
SETTER(hugetlb, cgroup_ask_hugetlb)
SETTER(memory, cgroup_ask_memory)
SETTER(memory_reservation, cgroup_ask_memory_reservation)
SETTER(memory_swap, cgroup_ask_memory_swap)
SETTER(pids_limit, cgroup_ask_pids)
