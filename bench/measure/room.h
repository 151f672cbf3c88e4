/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where peers do their work, so that an experiment leaves nothing of theirs on the machine: a mount
 * namespace in which /run, /dev/shm and what is written to /etc, /opt and /var/lib is the
 * experiment's own, and a cgroup below which they make theirs. Only this process holds the
 * namespace: it ends with it.
 */
#ifndef BENCH_ROOM_H
#define BENCH_ROOM_H

#include "core/base/err.h"
#include "core/base/str.h"

struct room {
	int mounts_fd;     /* the namespace; -1: there is no room */
	int home_fd;       /* that of the bench */
	int folder_fd;     /* the bench's working directory */
	struct strv homes; /* cgroups that the bench left; see room_settle() */
	char *cgroup;      /* its name, in each hierarchy: "peers.stor-bench-AbCdEf" */
};

#define ROOM_INIT                                                                                  \
	{                                                                                          \
		.mounts_fd = -1, .home_fd = -1, .folder_fd = -1                                    \
	}

/* Folders of the experiment (at most 4, then NULL) are there what they are outside. Returns 0, or
 * -1 with err filled; the room is to be ended in both cases. */
int room_make(struct room *room, const char *name, const char *const *folders,
              struct stor_err *err);

/* This process goes into the room and comes back, as around the start of a program that is to run
 * there. Return 0, or -1 with err filled. */
int room_enter(const struct room *room, struct stor_err *err);
int room_leave(const struct room *room, struct stor_err *err);

/* What is still alive in its cgroups is killed, and they are removed; what cannot be is told on
 * standard error. */
void room_end(struct room *room);

#endif
