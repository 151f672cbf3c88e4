/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting the container's first process by a plan, and staying with it until it ends. */
#ifndef CONTAINER_START_H
#define CONTAINER_START_H

#include <signal.h>
#include <sys/types.h>

#include "core/container/plan.h"

struct process {
	pid_t pid;
	int pidfd;
	int master_fd; /* of its terminal; -1: none */
	/* Its mount namespace, where the plan keeps the mounts: so they outlive the process, and
	 * whoever closes this unmounts them. -1: they go with the process. */
	int mounts_fd;
};

#define PROCESS_INIT                                                                               \
	{                                                                                          \
		.pidfd = -1, .master_fd = -1, .mounts_fd = -1                                      \
	}

/* Take the terminal's master, which the child has sent before it executed. -1 with errno. */
int process_receive_master(int socket_fd);

/* Block the signals that monitor_wait() hands on, and make sure that children are waited for;
 * *old receives the mask to restore. Before start_process(). */
void monitor_prepare(sigset_t *old);

/*
 * Returns 0 when the command was executed; else the exit status that the failure deserves (125, 126
 * or 127) with err filled, and no process is left.
 */
int start_process(struct plan *plan, struct process *process, struct stor_err *err);

/*
 * Wait until the process has ended, handing signals on to it and copying its terminal. The third
 * SIGINT or SIGTERM kills it. Returns its exit status, or -1 with err filled. Closes the process's
 * descriptors but mounts_fd.
 */
int monitor_wait(struct process *process, const struct container_config *config,
                 struct stor_err *err);

#endif
