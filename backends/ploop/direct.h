/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that are plain disks but for what stands before them: raw ones, and bases in which every
 * cluster has its place and they lie in order. A loop device serves those at full speed. It knows
 * nothing of the in-use mark, which is therefore set here before, and taken back after.
 */
#ifndef PLOOP_DIRECT_H
#define PLOOP_DIRECT_H

#include <stdint.h>

#include <stor/backend.h>

#include "ploop/volume.h"

/* Where the disk lies in the chain's one file, in bytes. NULL, or why it is not so (a static
 * string). */
const char *ploop_direct_place(const struct ploop_volume *pv, uint64_t *offset, uint64_t *size);

/* The same as a block device; offset as above. The file stays open while it is. */
struct blockdev *ploop_direct_blockdev(const struct ploop_volume *pv, uint64_t offset,
                                       uint64_t size, struct blockdev **file_dev);

/* Set the in-use mark, durably; nothing for a raw image. */
int ploop_direct_mark(struct ploop_volume *pv, struct stor_err *err);

/* Take it back from an image that nobody has any more; the chain is open for writing, and locked.
 * Success too when it is not set, or the image is none that `direct` can have left. */
int ploop_direct_unmark(struct ploop_volume *pv, struct stor_err *err);

#endif
