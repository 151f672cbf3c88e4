/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The content of regular files and symbolic links. */
#include "common/ext4_writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/host.h"

/* Files up to this size are read in one call; ext4_room() promises no more. */
#define SMALL_BYTES EXT4_SMALL_CHUNK_BYTES
#define MAX_LOGICAL_BLOCKS UINT32_MAX

static int fail_changed(const char *path, struct stor_err *err)
{
	host->fail(err, STOR_FAILED, 0, "copy %s: its size changed while it was read", path);
	host->hint(err, "copy a tree that nobody writes to");
	return -1;
}

/*
 * Read `bytes` of the file at `offset`. at_end: the file must end there, which one byte more than
 * is wanted tells without another call.
 */
static int read_exactly(int fd, const char *path, unsigned char *data, size_t bytes,
                        uint64_t offset, bool at_end, struct stor_err *err)
{
	size_t got = 0, ask = bytes + (at_end ? 1 : 0);

	while (got < bytes) {
		ssize_t n = pread(fd, data + got, ask - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return host->fail(err, STOR_FAILED, errno, "read %s", path);
		if (!n)
			return fail_changed(path, err);
		got += (size_t)n;
	}
	return got > bytes ? fail_changed(path, err) : 0;
}

struct copy {
	int fd;
	const char *path;
	uint64_t size_bytes;
	uint64_t next; /* logical block that was not looked at yet */
};

/* Fill a run of blocks with the file's content from logical block `logical` on. */
static int copy_run(struct ext4_writer *w, const struct copy *copy, uint64_t logical,
                    uint64_t physical, uint64_t blocks, struct stor_err *err)
{
	uint64_t offset = logical * w->block_bytes, left = blocks * w->block_bytes;

	while (left && !w->is_plan) {
		size_t least = (size_t)(left < SMALL_BYTES ? left : SMALL_BYTES), room, bytes,
		       wanted;
		unsigned char *data = ext4_room(w, physical, least, &room, err);

		if (!data)
			return -1;
		bytes = left < room ? (size_t)left : room;
		wanted = copy->size_bytes - offset < bytes ? (size_t)(copy->size_bytes - offset)
		                                           : bytes;
		if (read_exactly(copy->fd, copy->path, data, wanted, offset,
		                 offset + wanted == copy->size_bytes, err) < 0)
			return -1;
		memset(data + wanted, 0, bytes - wanted);
		ext4_put(w, bytes);
		offset += bytes;
		physical += bytes / w->block_bytes;
		left -= bytes;
	}
	return 0;
}

/* Copy the bytes from `start` to `end`, in whole blocks. */
static int copy_range(struct ext4_writer *w, struct copy *copy, uint64_t start, uint64_t end,
                      struct stor_err *err)
{
	uint64_t logical = start / w->block_bytes;
	uint64_t last = (end + w->block_bytes - 1) / w->block_bytes;

	if (logical < copy->next) /* a hole shorter than a block */
		logical = copy->next;
	while (logical < last) {
		uint64_t physical, count;

		if (ext4_take(w, last - logical, &physical, &count) < 0)
			return -1;
		if (ext4_extents_add(&w->extents, (uint32_t)logical, physical, count) < 0)
			return host->fail(err, STOR_FAILED, errno, "copy %s", copy->path);
		if (copy_run(w, copy, logical, physical, count, err) < 0)
			return -1;
		logical += count;
	}
	if (copy->next < last)
		copy->next = last;
	return 0;
}

/* 1: *start and *end are the next data from `from` on; 0: there is none. */
static int next_data(const struct copy *copy, uint64_t from, uint64_t *start, uint64_t *end,
                     struct stor_err *err)
{
	off_t data = lseek(copy->fd, (off_t)from, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0 && errno == EINVAL) { /* a filesystem that knows no holes */
		*start = from;
		*end = copy->size_bytes;
		return from < copy->size_bytes;
	}
	hole = data < 0 ? -1 : lseek(copy->fd, data, SEEK_HOLE);
	if (hole < 0)
		return host->fail(err, STOR_FAILED, errno, "find the holes of %s", copy->path);
	*start = (uint64_t)data;
	*end = (uint64_t)hole < copy->size_bytes ? (uint64_t)hole : copy->size_bytes;
	return *start < *end;
}

static int copy_sparse(struct ext4_writer *w, struct copy *copy, struct stor_err *err)
{
	uint64_t start = 0, end = 0;
	struct stat st;
	int more;

	while ((more = next_data(copy, end, &start, &end, err)) > 0) {
		if (copy_range(w, copy, start, end, err) < 0)
			return -1;
	}
	if (more < 0)
		return -1;
	/* A file that ends in a hole was not read to its end. */
	if (fstat(copy->fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "read %s", copy->path);
	if ((uint64_t)st.st_size != copy->size_bytes)
		return fail_changed(copy->path, err);
	return 0;
}

int ext4_copy_file(struct ext4_writer *w, int fd, const char *path, uint64_t size_bytes,
                   bool may_have_holes, uint32_t ino, struct ext2_inode_large *inode,
                   struct stor_err *err)
{
	struct copy copy = { fd, path, size_bytes, 0 };
	int result;

	if (size_bytes > (uint64_t)MAX_LOGICAL_BLOCKS * w->block_bytes) {
		host->fail(err, STOR_FAILED, 0,
		           "copy %s: too large for ext4 with blocks of %u bytes", path,
		           w->block_bytes);
		if (w->block_bytes < 4096)
			host->hint(err, "use a block size of 4096");
		return -1;
	}
	if (may_have_holes)
		result = copy_sparse(w, &copy, err);
	else
		result = copy_range(w, &copy, 0, size_bytes, err);
	if (result < 0)
		return -1;
	ext4_inode_set_size(inode, size_bytes);
	return ext4_store_extents(w, ino, inode, err);
}

int ext4_write_symlink(struct ext4_writer *w, const char *target, size_t length, const char *path,
                       uint32_t ino, struct ext2_inode_large *inode, struct stor_err *err)
{
	unsigned char *data;

	ext4_inode_set_size(inode, length);
	if (length < sizeof(inode->i_block)) {
		memcpy(inode->i_block, target, length);
		return 0;
	}
	if (length >= w->block_bytes) {
		host->fail(err, STOR_FAILED, 0,
		           "copy %s: a link of %zu bytes does not fit in a block of %u", path,
		           length, w->block_bytes);
		host->hint(err, "use a block size of 4096");
		return -1;
	}
	if (ext4_take_extents(w, 0, 1, err) < 0)
		return -1;
	data = ext4_put_block(w, w->extents.items[0].physical, err);
	if (!data)
		return -1;
	memcpy(data, target, length);
	return ext4_store_extents(w, ino, inode, err);
}
