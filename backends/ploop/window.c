/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of a block device: see window.h. */
#include "ploop/window.h"

#include <errno.h>
#include <stdlib.h>

struct window {
	struct blockdev dev;
	struct blockdev *inner;
	uint64_t offset;
};

static struct window *window_of(struct blockdev *dev)
{
	return (struct window *)dev;
}

static int window_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	struct window *w = window_of(dev);

	return blockdev_pread(w->inner, data, length, w->offset + offset);
}

static int window_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	struct window *w = window_of(dev);

	return blockdev_pwrite(w->inner, data, length, w->offset + offset);
}

static int window_write_back(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	struct window *w = window_of(dev);

	return blockdev_write_back(w->inner, w->offset + offset, length);
}

static int window_flush(struct blockdev *dev)
{
	return blockdev_flush(window_of(dev)->inner);
}

static int window_discard(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	struct window *w = window_of(dev);

	return blockdev_discard(w->inner, w->offset + offset, length);
}

static int window_zero(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	struct window *w = window_of(dev);

	return blockdev_zero(w->inner, w->offset + offset, length);
}

static int window_extent(struct blockdev *dev, uint64_t offset, struct blockdev_extent *extent)
{
	struct window *w = window_of(dev);
	int r = blockdev_extent(w->inner, w->offset + offset, extent);

	extent->offset = offset;
	if (!r && extent->length > dev->size_bytes - offset)
		extent->length = dev->size_bytes - offset;
	return r;
}

static void window_close(struct blockdev *dev)
{
	free(dev);
}

static const struct blockdev_ops window_ops = {
	.pread = window_pread,
	.pwrite = window_pwrite,
	.write_back = window_write_back,
	.flush = window_flush,
	.discard = window_discard,
	.zero = window_zero,
	.extent = window_extent,
	.close = window_close,
};

struct blockdev *window_open(struct blockdev *inner, uint64_t offset, uint64_t size)
{
	struct window *w;

	if (!size || offset > inner->size_bytes || size > inner->size_bytes - offset) {
		errno = EINVAL;
		return NULL;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->dev = (struct blockdev){ .ops = &window_ops,
		                    .size_bytes = size,
		                    .block_bytes = inner->block_bytes };
	w->inner = inner;
	w->offset = offset;
	return &w->dev;
}
