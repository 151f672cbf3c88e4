/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run's cgroup: whether it needs one, its limits in terms of this machine, and what the first
 * process does with it. */
#ifndef CONTAINER_CGROUP_H
#define CONTAINER_CGROUP_H

#include <sys/types.h>

#include "core/cgroup/cgroup.h"

struct container_config;
struct plan;
struct plan_volumes;
struct root;

/* A device to make on /dev. */
struct plan_device {
	const char *path; /* relative to /dev */
	mode_t mode;      /* with its type */
	uid_t uid;
	gid_t gid;
	dev_t number;
};

/* A hierarchy of version 1, mounted below /sys/fs/cgroup. */
struct plan_cgroup_mount {
	char *name; /* "cpu,cpuacct": the controllers; "name=systemd" */
	const char *folder;
	bool is_writable;
};

struct plan_cgroup {
	bool is_used, is_ns_private;
	bool is_shown;             /* mounted at /sys/fs/cgroup */
	bool is_delegated;         /* what a service manager needs of it can be written */
	struct cgroup_entry entry; /* into_fd: of version 2 alone; beside others it is joined */
	int delegated_fd;          /* of version 2: below the payload; -1: the payload itself */
	bool mounts_v2;            /* version 2 alone is at /sys/fs/cgroup itself */
	struct plan_cgroup_mount mounts[CGROUP_HIERARCHIES_MAX];
	size_t mount_count;
	struct plan_device *devices;
	size_t device_count;
};

#define PLAN_CGROUP_INIT                                                                           \
	{                                                                                          \
		.entry = CGROUP_ENTRY_INIT, .delegated_fd = -1                                     \
	}

/*
 * Make the container's cgroup, with the device filter and the limits of the configuration, but for
 * those of the root's disk: it is made first, so that servers of volumes can be born in it. Where
 * this machine can make none, and nothing that needs one was asked for, the run goes on without;
 * that is said once in the life of a STATE. Then, and where cgroups are disabled, *cgroup stays
 * empty. container_end() removes it.
 */
int container_make_cgroup(struct store *store, const char *id,
                          const struct container_config *config, struct cgroup *cgroup,
                          struct stor_err *err);

/* What waits for the root and the volumes: limits of the root's disk, and servers that a backend
 * has not started by stor's service, which are moved. Nothing without container_make_cgroup(), or
 * when only the device filter was asked for. */
int container_complete_cgroup(const struct container_config *config, const struct root *root,
                              const struct plan_volumes *volumes, struct cgroup *cgroup,
                              struct stor_err *err);

/* The disk that the root's writes go to; 0: it lies on no single one. */
dev_t container_root_disk(const struct root *root);

/*
 * Change the limits of running container `id`: those that are set in `changes`, whose limits are
 * checked. A cgroup that it has not yet, or one without the controllers, is made, and its processes
 * are moved into it. root_disk: as container_root_disk() had it. *cgroup and *undo, both empty
 * before, are for cgroup_update_undo(). On failure all limits are as they were.
 */
int container_update_cgroup(struct store *store, const char *id,
                            const struct container_config *changes, dev_t root_disk,
                            struct cgroup *cgroup, struct cgroup_undo *undo, struct stor_err *err);

/* Put it, and the devices, into a plan that is otherwise made. */
int plan_use_cgroup(struct plan *plan, const struct cgroup *cgroup, struct stor_err *err);
/* Let the plan's process join it, as it is, beside the container's first process; none is fine. */
int plan_join_cgroup(struct plan *plan, const struct cgroup *cgroup, pid_t first,
                     struct stor_err *err);
void plan_cgroup_free(struct plan_cgroup *plan);

#endif
