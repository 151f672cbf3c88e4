/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kill points of the container's first process (see <stor/kill_point.h>): what is killed is stor,
 * its parent, which it cannot signal across pid namespaces; so it writes to a pipe whose owner the
 * kernel sends SIGKILL for it. Then it goes on, to show that it notices.
 */
#ifndef CONTAINER_CHILD_KILL_H
#define CONTAINER_CHILD_KILL_H

#include "core/container/child.h"

#ifdef STOR_KILL_POINTS

/* Descriptors above stay open for these points until the command is executed. */
#define CHILD_LAST_FD 899

/* In the parent: open what the points need. */
void child_kill_prepare(void);
void child_kill_point(struct child *child, const char *name);

#else

#define CHILD_LAST_FD ~0u
#define child_kill_prepare() ((void)0)
#define child_kill_point(child, name) ((void)0)

#endif
#endif
