/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers that live on when stor returns. Each has a monitor: a process forked from the stor
 * that started it, in a session of its own, which runs the container as the foreground does, writes
 * its log, and records its end. There is no daemon.
 */
#ifndef CONTAINER_DETACH_H
#define CONTAINER_DETACH_H

#include "core/container/config.h"
#include "core/store.h"

/*
 * Start a container with a monitor of its own: a new one (id NULL), or one that exists and does not
 * run. Returns 0 once its command runs, with *started_id (malloc'ed); else the exit status that the
 * failure deserves, with err filled. hold_fd may be NULL; else it gets a descriptor, and a
 * container that removes itself keeps its record, once it has ended, until that is closed (at most
 * 10 s).
 */
int container_detach(struct store *store, struct container_config *config, const char *id,
                     char **started_id, int *hold_fd, struct stor_err *err);

#endif
