/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroup of a container that runs, for the commands that act on it. */
#ifndef CORE_CONTAINER_CGROUP_H
#define CORE_CONTAINER_CGROUP_H

#include "core/base/record.h"
#include "core/cgroup/cgroup.h"
#include "core/store.h"

/*
 * Open the cgroup of running container `name` (name or id). One that was started without, or
 * with one for the device filter alone, gets a whole one now, without limits, and its processes are
 * moved into it: *is_new. *id is malloc'ed. STOR_FAILED:
 * it does not run.
 */
int container_open_cgroup(struct store *store, const char *name, char **id, struct cgroup *cgroup,
                          bool *is_new, struct stor_err *err);

/* The same of container `id`, with the controllers that wish->needed says; the other members but
 * reason and ctx do not matter. STOR_UNSUPPORTED: this machine lacks one of them. */
int container_open_cgroup_with(struct store *store, const char *id, const struct cgroup_wish *wish,
                               struct cgroup *cgroup, bool *is_new, struct stor_err *err);

/*
 * Container `id` has ended, and its cgroup is still there: if its memory limit has killed
 * processes, tell so as an event. cgroup: with its memory, as the caller has it open; NULL: it is
 * looked for, in case that somebody has set a limit while it ran.
 */
void container_note_oom(struct store *store, const char *id, const struct record *record,
                        const struct cgroup *cgroup);

#endif
