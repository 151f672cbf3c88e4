/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another command in a container that runs. */
#ifndef CONTAINER_EXEC_H
#define CONTAINER_EXEC_H

#include "core/cgroup/cgroup.h"
#include "core/container/config.h"

/*
 * Run config->args in all namespaces of the container, and in its cgroup, with the privileges and
 * limits of the configuration: that of the container, with what the caller has changed. pidfd and
 * first: its first process. cgroup: open, or empty. With config->is_detached the command outlives
 * this process, and 0 is returned once it runs; else its exit status. With err filled: 125, 126 or
 * 127.
 */
int container_exec(const struct container_config *config, int pidfd, pid_t first,
                   const struct cgroup *cgroup, struct stor_err *err);

#endif
