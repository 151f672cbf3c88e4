/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A raw file or block device as a block device in user space. A descriptor opened with O_DIRECT
 * works with any buffer, offset and length: what is not aligned goes through a buffer of its own.
 */
#include "common/blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#define BOUNCE_BYTES (1u << 20)

struct file_dev {
	struct blockdev dev;
	int fd;
	/* Of memory, offset and length, for direct I/O; 1 otherwise. */
	uint32_t align;
	/* Keeps two writers from reading, changing and writing back one unit at the same time. */
	pthread_mutex_t partial_lock;
};

static struct file_dev *to_file(struct blockdev *dev)
{
	return (struct file_dev *)(void *)dev;
}

static bool is_aligned(const struct file_dev *file, const void *data, size_t length,
                       uint64_t offset)
{
	return !(((uintptr_t)data | length | offset) & (file->align - 1));
}

static int read_all(const struct file_dev *file, void *data, size_t length, uint64_t offset)
{
	ssize_t got = pread_all(file->fd, data, length, offset);

	if (got < 0)
		return -errno;
	/* The file became shorter behind our back; its end reads as zeros, as a hole would. */
	memset((char *)data + got, 0, length - (size_t)got);
	return 0;
}

static int write_all(const struct file_dev *file, const void *data, size_t length, uint64_t offset)
{
	return pwrite_all(file->fd, data, length, offset) < 0 ? -errno : 0;
}

/* One aligned piece of at most BOUNCE_BYTES that covers the beginning of a range. */
struct piece {
	uint64_t start;
	size_t length, skip, take;
};

static struct piece piece_of(const struct file_dev *file, size_t length, uint64_t offset)
{
	struct piece piece;

	piece.start = offset & ~(uint64_t)(file->align - 1);
	piece.skip = (size_t)(offset - piece.start);
	piece.take = length < BOUNCE_BYTES - piece.skip ? length : BOUNCE_BYTES - piece.skip;
	piece.length = (piece.skip + piece.take + file->align - 1) & ~(size_t)(file->align - 1);
	return piece;
}

static int file_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	struct file_dev *file = to_file(dev);
	cleanup_free void *bounce = NULL;

	if (is_aligned(file, data, length, offset))
		return read_all(file, data, length, offset);
	if (posix_memalign(&bounce, file->align, BOUNCE_BYTES))
		return -ENOMEM;
	while (length) {
		struct piece piece = piece_of(file, length, offset);
		int error = read_all(file, bounce, piece.length, piece.start);

		if (error)
			return error;
		memcpy(data, (char *)bounce + piece.skip, piece.take);
		data = (char *)data + piece.take;
		offset += piece.take;
		length -= piece.take;
	}
	return 0;
}

static int write_pieces(struct file_dev *file, void *bounce, const void *data, size_t length,
                        uint64_t offset)
{
	while (length) {
		struct piece piece = piece_of(file, length, offset);
		int error = 0;

		if (piece.take != piece.length)
			error = read_all(file, bounce, piece.length, piece.start);
		memcpy((char *)bounce + piece.skip, data, piece.take);
		if (!error)
			error = write_all(file, bounce, piece.length, piece.start);
		if (error)
			return error;
		data = (const char *)data + piece.take;
		offset += piece.take;
		length -= piece.take;
	}
	return 0;
}

static int file_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	struct file_dev *file = to_file(dev);
	cleanup_free void *bounce = NULL;
	int error;

	if (is_aligned(file, data, length, offset))
		return write_all(file, data, length, offset);
	if (posix_memalign(&bounce, file->align, BOUNCE_BYTES))
		return -ENOMEM;
	pthread_mutex_lock(&file->partial_lock);
	error = write_pieces(file, bounce, data, length, offset);
	pthread_mutex_unlock(&file->partial_lock);
	return error;
}

/* EINVAL and the like: a file that cannot; the flush reports what matters. */
static int file_write_back(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	int result = sync_file_range(to_file(dev)->fd, (off_t)offset, (off_t)length,
	                             SYNC_FILE_RANGE_WRITE);

	return result < 0 && (errno == EIO || errno == ENOSPC) ? -errno : 0;
}

static int file_flush(struct blockdev *dev)
{
	return fdatasync(to_file(dev)->fd) < 0 ? -errno : 0;
}

static int change_range(struct file_dev *file, int mode, uint64_t offset, uint64_t length)
{
	int result;

	do
		result = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		                   (off_t)length);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : 0;
}

/* EINVAL: a block device that only takes whole sectors. */
static bool is_refusal(int error)
{
	return error == -EOPNOTSUPP || error == -EINVAL || error == -ENODEV;
}

static int file_discard(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	int error = change_range(to_file(dev), FALLOC_FL_PUNCH_HOLE, offset, length);

	return is_refusal(error) ? 0 : error;
}

static int file_zero(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	struct file_dev *file = to_file(dev);
	int error = change_range(file, FALLOC_FL_PUNCH_HOLE, offset, length);

	if (is_refusal(error))
		error = change_range(file, FALLOC_FL_ZERO_RANGE, offset, length);
	return is_refusal(error) ? blockdev_write_zeros(dev, offset, length) : error;
}

/* lseek() moves the descriptor's offset, which nothing here uses. */
static int file_extent(struct blockdev *dev, uint64_t offset, struct blockdev_extent *extent)
{
	struct file_dev *file = to_file(dev);
	uint64_t end = dev->size_bytes;
	off_t data = lseek(file->fd, (off_t)offset, SEEK_DATA), hole = -1;

	extent->offset = offset;
	extent->kind = BLOCKDEV_DATA;
	if (data < 0 && errno == ENXIO)
		data = (off_t)end;
	else if (data < 0 && errno != EINVAL && errno != EOPNOTSUPP)
		return -errno;
	if (data > (off_t)offset) {
		extent->kind = BLOCKDEV_HOLE;
		if ((uint64_t)data < end)
			end = (uint64_t)data;
	} else if (data >= 0) {
		hole = lseek(file->fd, data, SEEK_HOLE);
		if (hole > (off_t)offset && (uint64_t)hole < end)
			end = (uint64_t)hole;
	}
	extent->length = end - offset;
	return 0;
}

static void file_close(struct blockdev *dev)
{
	struct file_dev *file = to_file(dev);

	pthread_mutex_destroy(&file->partial_lock);
	free(file);
}

static const struct blockdev_ops file_ops = {
	.pread = file_pread,
	.pwrite = file_pwrite,
	.write_back = file_write_back,
	.flush = file_flush,
	.discard = file_discard,
	.zero = file_zero,
	.extent = file_extent,
	.close = file_close,
};

/* Alignment of direct I/O on fd; 1 when its I/O is buffered. Whole pages suit every filesystem; an
 * image that ends amid a page needs one that takes sectors. */
static uint32_t io_align(int fd, bool is_file, uint64_t size_bytes, uint32_t sector_bytes)
{
	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return 1;
	return is_file && size_bytes % sector_bytes ? 512 : sector_bytes;
}

struct blockdev *blockdev_open_file(int fd)
{
	struct file_dev *file;
	uint32_t sector_bytes = 4096;
	uint64_t size_bytes;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	size_bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode)) {
		int logical = 0;

		if (ioctl(fd, BLKGETSIZE64, &size_bytes) < 0 || ioctl(fd, BLKSSZGET, &logical) < 0)
			return NULL;
		sector_bytes = (uint32_t)logical;
	} else if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->dev.ops = &file_ops;
	file->dev.size_bytes = size_bytes;
	file->fd = fd;
	file->align = io_align(fd, S_ISREG(st.st_mode), size_bytes, sector_bytes);
	file->dev.block_bytes = file->align > 1 ? file->align : sector_bytes;
	if (size_bytes % file->align) {
		free(file);
		errno = EINVAL;
		return NULL;
	}
	pthread_mutex_init(&file->partial_lock, NULL);
	return &file->dev;
}
