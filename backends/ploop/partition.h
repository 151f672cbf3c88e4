/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The partition of a disk whose size has changed. */
#ifndef PLOOP_PARTITION_H
#define PLOOP_PARTITION_H

#include <stor/backend.h>

#include "common/blockdev.h"

/* Lay it anew for a disk of the device's size; one that was there keeps its start. *end_bytes:
 * where it ends; without a partition table: where the disk does. */
int ploop_fit_partition(struct blockdev *disk, uint32_t cluster_sectors, const char *path,
                        uint64_t *end_bytes, struct stor_err *err);

#endif
