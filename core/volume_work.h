/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume being made in tmp/, which gets its name when it is whole. */
#ifndef CORE_VOLUME_WORK_H
#define CORE_VOLUME_WORK_H

#include "core/volume.h"

/* Removed at the end of its scope with what is in it, unless it was published. */
struct volume_work {
	struct store *store;
	char *dir; /* below STORE; NULL: nothing is to be removed */
};

void volume_work_end(struct volume_work *work);
#define cleanup_volume_work __attribute__((cleanup(volume_work_end)))

/* Make the folder of a volume that will be called `name`, with its empty data/. */
int volume_work_begin(struct volume_work *work, const char *name, const struct backend *backend,
                      struct volume *volume, struct stor_err *err);

/* Write the volume's record, and move it to its place, where nothing is. */
int volume_work_publish(struct volume_work *work, struct volume *volume, struct stor_err *err);

/* The same where a volume is, which is in the work's folder afterwards. */
int volume_work_exchange(struct volume_work *work, struct volume *volume, struct stor_err *err);

/* Let the backend of `volume`, which is in the work's folder now, remove what it keeps. */
int volume_work_destroy(struct volume_work *work, const struct volume *volume,
                        struct stor_err *err);

#endif
