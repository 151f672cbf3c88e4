/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block device in user space: what the ext4 writer writes to, what an export serves, what convert
 * and send read. Implementations: a raw file (blockdev_open_file()), and image formats in their
 * backends. Several threads may call one device at the same time, close() excepted.
 */
#ifndef COMMON_BLOCKDEV_H
#define COMMON_BLOCKDEV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct blockdev;

enum blockdev_extent_kind {
	BLOCKDEV_HOLE,      /* reads as zeros, takes no space */
	BLOCKDEV_DATA,      /* held by this image itself */
	BLOCKDEV_INHERITED, /* held by an image below it */
};

struct blockdev_extent {
	enum blockdev_extent_kind kind;
	uint64_t offset, length; /* bytes */
};

/* Every operation returns 0, or a negative errno value. Ranges lie within the size. */
struct blockdev_ops {
	int (*pread)(struct blockdev *dev, void *data, size_t length, uint64_t offset);
	int (*pwrite)(struct blockdev *dev, const void *data, size_t length, uint64_t offset);
	/* Begin to make what was written there durable, and return: a flush will follow, and has
	 * less to wait for then. NULL: a no-op. */
	int (*write_back)(struct blockdev *dev, uint64_t offset, uint64_t length);
	/* Everything written before is durable when it returns. */
	int (*flush)(struct blockdev *dev);
	/* The content no longer matters; reads as zeros or as before. NULL: a no-op. */
	int (*discard)(struct blockdev *dev, uint64_t offset, uint64_t length);
	/* Reads as zeros afterwards, taking no space where possible. NULL: zeros are written. */
	int (*zero)(struct blockdev *dev, uint64_t offset, uint64_t length);
	/* The extent that begins at `offset`. NULL: everything is data. */
	int (*extent)(struct blockdev *dev, uint64_t offset, struct blockdev_extent *extent);
	/* Ends the device. What was written and not flushed may be lost. */
	void (*close)(struct blockdev *dev);
};

struct blockdev {
	const struct blockdev_ops *ops;
	uint64_t size_bytes;
	uint32_t block_bytes; /* smallest unit of I/O that needs no read before write */
};

/*
 * A raw file or block device: keeps fd (which must stay open) and closes nothing but itself. fd may
 * have been opened with O_DIRECT: what the caller does not align is copied. NULL with errno;
 * EINVAL: neither a file nor a block device, or O_DIRECT on a file whose size is not a multiple of
 * the alignment.
 */
struct blockdev *blockdev_open_file(int fd);

/* Wrappers with the documented defaults; -EINVAL for a range beyond the size. */
int blockdev_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset);
int blockdev_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset);
int blockdev_write_back(struct blockdev *dev, uint64_t offset, uint64_t length);
int blockdev_flush(struct blockdev *dev);
int blockdev_discard(struct blockdev *dev, uint64_t offset, uint64_t length);
int blockdev_zero(struct blockdev *dev, uint64_t offset, uint64_t length);
/* What blockdev_zero() does where an implementation knows nothing better. */
int blockdev_write_zeros(struct blockdev *dev, uint64_t offset, uint64_t length);
int blockdev_extent(struct blockdev *dev, uint64_t offset, struct blockdev_extent *extent);
void blockdev_close(struct blockdev *dev);

#endif
