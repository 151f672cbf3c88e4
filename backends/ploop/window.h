/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of a block device, as one of its own: a partition, or the data area of an image. */
#ifndef PLOOP_WINDOW_H
#define PLOOP_WINDOW_H

#include "common/blockdev.h"

/* [offset, offset + size) of `inner`, which must outlive it: closing closes the window alone. NULL
 * with errno; EINVAL: beyond the inner one's end. */
struct blockdev *window_open(struct blockdev *inner, uint64_t offset, uint64_t size);

#endif
