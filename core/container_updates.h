/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `stor update` has changed of a container's options: lines "change=OPTION=VALUE" of the
 * record containers/ID/updates, which is replaced as a whole, so that all of them are changed or
 * none. It counts when the container's own record says updated=yes; whoever reads that gets the
 * changes in their places.
 */
#ifndef CORE_CONTAINER_UPDATES_H
#define CORE_CONTAINER_UPDATES_H

#include "core/base/record.h"
#include "core/store.h"

#define CONTAINER_KEY_UPDATED "updated"

/* Put what was updated in the place of the options and labels in a record just read; once more is
 * nothing. */
int container_fold_updates(struct store *store, const char *id, struct record *record,
                           struct stor_err *err);

/* The same with these "OPTION=VALUE" alone: one takes the place of what it contradicts. */
void container_fold_options(struct record *record, const struct strv *given);

/* Record these, too. The container may run. */
int container_record_updates(struct store *store, const char *id, const struct strv *given,
                             struct stor_err *err);

/* Has anybody ever updated it? Quick, without reading its record. */
bool container_is_updated(struct store *store, const char *id);

/* The container's folder will be another's. */
void container_forget_updates(struct store *store, const char *id, const struct record *record);

#endif
