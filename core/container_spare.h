/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spare container folders: making and removing directories is a good part of what a short run
 * costs, on a filesystem that discards freed blocks at once most of what stor itself adds. So the
 * folder of a container whose ephemeral volume left it empty is kept in STORE/spare for the next.
 */
#ifndef CORE_CONTAINER_SPARE_H
#define CORE_CONTAINER_SPARE_H

#include "core/store.h"

/* Make a spare folder that of container `id`. False: there is none. */
bool container_take_spare(struct store *store, const char *id);

/* Keep the folder of container `id`, in which nothing but an empty data/ is left. False: there are
 * enough; it is still where it was. */
bool container_keep_spare(struct store *store, const char *id);

#endif
