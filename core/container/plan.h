/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that the container's first process needs, made beforehand: texts, numbers and descriptors of
 * host-side objects, so that the child only acts. The child shares the parent's memory until it
 * executes (CLONE_VM | CLONE_VFORK) and may call nothing that allocates or locks.
 */
#ifndef CONTAINER_PLAN_H
#define CONTAINER_PLAN_H

#include <linux/filter.h>
#include <sys/ioctl.h>

#include "core/container/cgroup.h"
#include "core/container/config.h"
#include "core/container/net.h"
#include "core/container/users.h"
#include "core/store.h"
#include "core/volume.h"

struct plan_mount {
	int fd; /* detached mount */
	const char *target;
	bool is_file;
	bool is_optional; /* no place for it: left out */
};

struct plan {
	const struct container_config *config;
	const char *state_path;

	bool is_overlay;
	int base_fd, upper_fd; /* detached mounts, borrowed from struct root */
	bool keeps_mounts;     /* the parent gets hold of the container's mounts: see start.h */

	struct plan_mount *mounts; /* parents before what lies in them */
	size_t mount_count;
	char *shm_options;

	const char *hostname;
	char **argv;
	char **env; /* ends with an empty place for HOME when the user gave none */
	size_t env_count;
	char home[PATH_MAX]; /* "HOME=…" */
	struct strv exec_paths;
	char **init_argv; /* stor-init, PATH (set by the child), the command's words */
	int init_fd;      /* stor-init, on a read-only mount; -1: the command is process 1 */

	struct plan_cgroup cgroup;

	struct user_spec user;
	struct sock_fprog seccomp; /* len 0: unconfined */
	struct sock_filter *owned_filter;

	unsigned long clone_flags; /* of the first process: its namespaces, and what it shares */
	int join_pidfd; /* of a container to join instead of making one; borrowed; or -1 */
	int net_fd;     /* network namespace that it joins, borrowed; -1: none */
	bool outlives;  /* it does not die with the parent */
	int parent_pidfd;
	int record_fd; /* the container's record, to append to, where it outlives stor; or -1 */
	int stdin_fd;  /* -1: stor's own; so are the other two */
	int stdout_fd, stderr_fd;
	int console_fd; /* where the terminal's master goes; -1: no terminal */
	struct winsize window;
};

#define PLAN_INIT                                                                                  \
	{                                                                                          \
		.join_pidfd = -1, .base_fd = -1, .upper_fd = -1, .init_fd = -1, .net_fd = -1,      \
		.parent_pidfd = -1, .stdin_fd = -1, .console_fd = -1, .cgroup = PLAN_CGROUP_INIT,  \
		.record_fd = -1, .stdout_fd = -1, .stderr_fd = -1                                  \
	}

/* A stor volume mounted beside the root; plan_open_volumes() makes them. */
struct plan_volume {
	struct volume volume;
	struct attached attached;
};

struct plan_volumes {
	struct plan_volume *items; /* parallel to the configuration's mounts; others are empty */
	size_t count;
};

/* plan_mounts.c: open everything that the configuration mounts, detached. */
int plan_make_mounts(struct plan *plan, struct plan_volumes *volumes,
                     const struct container_net *net, struct stor_err *err);

/* Attach the volumes that the configuration's mounts name, making those that do not exist yet. */
int plan_open_volumes(struct store *store, const struct container_config *config,
                      struct plan_volumes *volumes, struct stor_err *err);
/* Let all of them go; the first failure is reported. */
int plan_release_volumes(struct plan_volumes *volumes, struct stor_err *err);

/* Fill an empty plan (PLAN_INIT). hostname: used when the configuration has none. All arguments
 * outlive the plan. */
int plan_make(struct plan *plan, struct store *store, const struct container_config *config,
              struct root *root, struct plan_volumes *volumes, const struct container_net *net,
              const char *hostname, struct stor_err *err);
/* The same for a command that joins a container: what it needs from clone to exec. */
int plan_make_exec(struct plan *plan, const struct container_config *config, struct stor_err *err);
void plan_free(struct plan *plan);
#define cleanup_plan __attribute__((cleanup(plan_free)))

#endif
