/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setters of the options of `run` that concern its cgroup, for the table of cmd_run.c; the values
 * are core/cgroup/limits.h's. target: a struct container_config. */
#ifndef CORE_CMD_RUN_LIMITS_H
#define CORE_CMD_RUN_LIMITS_H

#include "core/base/err.h"

int run_cgroup_ns(void *target, const char *value, struct stor_err *err);
int run_cgroup_parent(void *target, const char *value, struct stor_err *err);
int run_cgroups(void *target, const char *value, struct stor_err *err);
int run_cpu_shares(void *target, const char *value, struct stor_err *err);
int run_cpu_weight(void *target, const char *value, struct stor_err *err);
int run_cpus(void *target, const char *value, struct stor_err *err);
int run_cpuset_cpus(void *target, const char *value, struct stor_err *err);
int run_cpuset_mems(void *target, const char *value, struct stor_err *err);
int run_device(void *target, const char *value, struct stor_err *err);
int run_read_bps(void *target, const char *value, struct stor_err *err);
int run_read_iops(void *target, const char *value, struct stor_err *err);
int run_write_bps(void *target, const char *value, struct stor_err *err);
int run_write_iops(void *target, const char *value, struct stor_err *err);
int run_blkio_weight(void *target, const char *value, struct stor_err *err);
int run_io_weight(void *target, const char *value, struct stor_err *err);
int run_hugetlb(void *target, const char *value, struct stor_err *err);
int run_memory(void *target, const char *value, struct stor_err *err);
int run_memory_reservation(void *target, const char *value, struct stor_err *err);
int run_memory_swap(void *target, const char *value, struct stor_err *err);
int run_pids_limit(void *target, const char *value, struct stor_err *err);

#endif
