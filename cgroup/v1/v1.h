/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the cgroup module v1. */
#ifndef CGROUP_V1_H
#define CGROUP_V1_H

#include "core/cgroup/module.h"

/* struct cgroup_module's read. */
void v1_read(const struct cgroup_dir *dir, struct cgroup_stats *stats);
uint64_t v1_oom_kills(const struct cgroup_dir *dir);

#endif
