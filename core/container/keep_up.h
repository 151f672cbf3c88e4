/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Restart policies: a monitor starts its container again when it has ended. */
#ifndef CONTAINER_KEEP_UP_H
#define CONTAINER_KEEP_UP_H

#include "core/container/config.h"
#include "core/base/record.h"
#include "core/store.h"

/*
 * Container `id` has just ended with this exit code (negative: not known), after having run for
 * run_ms. While its policy says so, and nobody has stopped, started or removed it, wait a while,
 * run it again as a detached one, and so on. Returns when that is over; or when this process was
 * told to end, with the container: then it is not started while a machine is shut down, and the
 * next stor command, if there is one, goes on as for a monitor that was killed. For the same reason
 * this is not called for one that was told to end while it ran the container first.
 */
void container_keep_up(struct store *store, struct container_config *config, const char *id,
                       int exit_code, int64_t run_ms);

/*
 * Say in STATE that this process keeps `id` up, where its policy asks for that: so that it is not
 * forgotten when the process is killed while the container does not run. container_keep_up() takes
 * the mark away.
 */
void container_keep_mark(struct store *store, const struct container_config *config,
                         const char *id);

/* The exit code that a container's record tells; -1: it is not known. */
int container_recorded_code(const struct record *record);

/* Is the container, by its record, one that has ended and that a monitor starts again? */
bool container_is_kept(const struct container_config *config, const struct record *record);

/* Add the ids of the containers that a living monitor keeps up, or is about to let go of. */
int container_list_kept(struct store *store, struct strv *ids, struct stor_err *err);

/* As container_keep_up(), going on from where a killed monitor was: `text` of its mark. */
void container_keep_up_again(struct store *store, struct container_config *config, const char *id,
                             int exit_code, const char *text);

#endif
