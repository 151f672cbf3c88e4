/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a volume: one file STATE/users/PID.START.N.KEY for each process that has a named or
 * foreign volume attached, and 0.MOUNTID.N.KEY for each mount made by `stor volume mount`. The
 * backend's lock decides who may have a volume; these records say who it is, lead an online resize
 * to the mount, and keep the token of a driver that needs one.
 *
 * Keys of a record: volume, user ("container web"), access (ro, rw), snapshot (its id, when that is
 * what it reads), root-fd and control-fd (in that process), device and inode (of the root
 * directory), block (yes: a filesystem of its own, on a block device), mount-point, server and
 * server-start (of a mount: the process that serves it), token.
 */
#ifndef CORE_VOLUME_USERS_H
#define CORE_VOLUME_USERS_H

#include "core/volume.h"

struct volume_user {
	char *file; /* its name in STATE/users */
	pid_t pid;  /* 0: a mount on the host */
	uint64_t start_time;
	struct record record;
};

struct volume_users {
	struct volume_user *list;
	size_t count;
};

#define VOLUME_USERS_INIT                                                                          \
	{                                                                                          \
		.list = NULL                                                                       \
	}

void volume_users_free(struct volume_users *users);
#define cleanup_users __attribute__((cleanup(volume_users_free)))

/* The living users of a volume. What the dead ones left is taken away: their records, and through
 * backend_detach() what their tokens name. */
int volume_users_load(struct store *store, const struct volume *volume, struct volume_users *users,
                      struct stor_err *err);

/* volume_users_load() for its effect on the dead. */
int volume_end_dead_users(struct store *store, const struct volume *volume, struct stor_err *err);

/* The user that excludes another one which wants to read only, or to write; NULL: none. */
const struct volume_user *volume_users_conflict(const struct volume_users *users, bool read_only);

/* The same among those that have the live state: a snapshot's reader excludes nobody from it. */
const struct volume_user *volume_users_live_conflict(const struct volume_users *users,
                                                     bool read_only);

/* Open the root directory of a volume that `user` has, and the way to its server (-1: it has none).
 * 0, or -1 with err filled. */
int volume_user_reach(const struct volume *volume, const struct volume_user *user, int *root_fd,
                      int *control_fd, struct stor_err *err);

/* Who it is, for people: "container web", "mounted at /mnt". Borrowed from buf. */
const char *volume_user_name(const struct volume_user *user, char *buf, size_t size);

/* STOR_BUSY, saying who has it. Returns -1. */
int volume_fail_busy(const struct volume *volume, const struct volume_user *user,
                     struct stor_err *err);

/* A name for a record of this process (mount_id 0) or of a mount; malloc'ed, below STATE. */
char *volume_user_path(struct store *store, const struct volume *volume, uint64_t mount_id);

/* Is this mount still there? dir: where it was put. */
bool volume_mount_exists(uint64_t mount_id, const char *dir);

/* Remove records of dead users whose volume nobody asks for any more, and of mounts that are gone,
 * but for those that have a token: of these, the dead processes' are added to `tokens`, as paths
 * below STATE. Goes on after a failure. For sweep.c. */
int volume_users_sweep(struct store *store, const struct sweep_opts *opts, struct strv *tokens,
                       struct stor_err *err);

#endif
