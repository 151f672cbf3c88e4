/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The calls that every block device answers, with the defaults for what an implementation lacks. */
#include "common/blockdev.h"

#include <errno.h>
#include <stdbool.h>

#define ZEROS_BYTES (64u << 10)

static bool in_range(const struct blockdev *dev, uint64_t offset, uint64_t length)
{
	return offset <= dev->size_bytes && length <= dev->size_bytes - offset;
}

int blockdev_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	if (!in_range(dev, offset, length))
		return -EINVAL;
	return length ? dev->ops->pread(dev, data, length, offset) : 0;
}

int blockdev_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	if (!in_range(dev, offset, length))
		return -EINVAL;
	return length ? dev->ops->pwrite(dev, data, length, offset) : 0;
}

int blockdev_write_back(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	if (!in_range(dev, offset, length))
		return -EINVAL;
	return dev->ops->write_back && length ? dev->ops->write_back(dev, offset, length) : 0;
}

int blockdev_flush(struct blockdev *dev)
{
	return dev->ops->flush(dev);
}

int blockdev_discard(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	if (!in_range(dev, offset, length))
		return -EINVAL;
	return dev->ops->discard && length ? dev->ops->discard(dev, offset, length) : 0;
}

int blockdev_write_zeros(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	static const unsigned char zeros[ZEROS_BYTES] __attribute__((aligned(4096)));

	if (!in_range(dev, offset, length))
		return -EINVAL;
	while (length) {
		size_t n = length < ZEROS_BYTES ? (size_t)length : ZEROS_BYTES;
		int error = dev->ops->pwrite(dev, zeros, n, offset);

		if (error)
			return error;
		offset += n;
		length -= n;
	}
	return 0;
}

int blockdev_zero(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	if (!in_range(dev, offset, length))
		return -EINVAL;
	if (!length)
		return 0;
	return dev->ops->zero ? dev->ops->zero(dev, offset, length)
	                      : blockdev_write_zeros(dev, offset, length);
}

int blockdev_extent(struct blockdev *dev, uint64_t offset, struct blockdev_extent *extent)
{
	if (offset >= dev->size_bytes)
		return -EINVAL;
	if (dev->ops->extent)
		return dev->ops->extent(dev, offset, extent);
	*extent = (struct blockdev_extent){ BLOCKDEV_DATA, offset, dev->size_bytes - offset };
	return 0;
}

void blockdev_close(struct blockdev *dev)
{
	if (dev)
		dev->ops->close(dev);
}
