/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroups of a room: those below which peers make theirs, and one for the bench itself. */
#ifndef BENCH_ROOM_CGROUP_H
#define BENCH_ROOM_CGROUP_H

#include "bench/measure/room.h"

/* Processor time of all that was ever in the room's cgroup, in seconds; 0 where nothing was. */
double room_cpu_seconds(const struct room *room);

/* The file by which a process joins the room's cgroup of that name, which is made; malloc'ed. It
 * counts processor time, and limits nothing. NULL with err filled. */
char *room_add_cgroup(const struct room *room, const char *name, struct stor_err *err);

/* This process moves to a cgroup of its own, below the one that it is in, in the hierarchies
 * without limits: what a peer makes beside it is removed with it. 0, or -1 with err filled. */
int room_settle(struct room *room, struct stor_err *err);

/* What is still alive in the room's cgroups is killed, and they are removed; what cannot be is told
 * on standard error. */
void room_cgroups_end(struct room *room);

#endif
