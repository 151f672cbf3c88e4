/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a filesystem, and how large it has to be: see ext4.h. */
#include "common/ext4.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/ext4_writer.h"
#include "common/host.h"

#define MIB ((uint64_t)1 << 20)
#define MIN_BYTES (16 * MIB)
#define RESERVED_INODES (EXT2_GOOD_OLD_FIRST_INO - 1)

/* What a tree needs besides a filesystem's own structures. */
struct needs {
	uint64_t blocks;
	uint32_t inodes;
};

static int count_needs(int source_fd, const char *source_path, const struct ext4_params *params,
                       struct needs *needs, struct stor_err *err)
{
	struct ext4_writer *w = calloc(1, sizeof(*w));
	int result;

	if (!w)
		return host->fail(err, STOR_FAILED, ENOMEM, "read %s", source_path);
	result = ext4_writer_open_plan(w, params, err);
	if (!result)
		result = ext4_populate(w, source_fd, source_path, err);
	needs->blocks = w->out.taken_blocks;
	needs->inodes = w->next_ino - 1;
	if (result < 0 && w->exhausted)
		host->fail(err, STOR_FAILED, 0, "read %s: more files than ext4 can hold",
		           source_path);
	ext4_writer_close(w);
	free(w);
	return result;
}

/* --- a device that is not there -------------------------------------------------------------- */

static int nowhere_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	(void)dev;
	(void)offset;
	memset(data, 0, length);
	return 0;
}

static int nowhere_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	(void)dev;
	(void)data;
	(void)length;
	(void)offset;
	return 0;
}

static const struct blockdev_ops nowhere_ops = {
	.pread = nowhere_pread,
	.pwrite = nowhere_pwrite,
};

/* What a filesystem of that size has left when its own structures are laid out. */
static int count_room(const struct ext4_params *params, uint64_t size_bytes, struct needs *room,
                      uint64_t *gaps, struct stor_err *err)
{
	struct blockdev nowhere = { &nowhere_ops, size_bytes, 4096 };
	struct ext4_writer *w = calloc(1, sizeof(*w));
	int result;

	if (!w)
		return host->fail(err, STOR_FAILED, ENOMEM, "lay out ext4 filesystem");
	result = ext4_writer_open(w, &nowhere, params, err);
	if (!result)
		result = ext4_make_reserved(w, err);
	if (result < 0 && w->exhausted)
		result = 0; /* too small for its own journal: no room at all */
	if (!result) {
		ext4_out_settle(&w->out);
		room->blocks = w->exhausted ? 0 : ext2fs_free_blocks_count(w->fs->super);
		room->inodes = w->inode_count;
		*gaps = w->fs->group_desc_count;
	}
	ext4_writer_close(w);
	free(w);
	return result;
}

/* --- the interface --------------------------------------------------------------------------- */

int ext4_estimate(int source_fd, const char *source_path, const struct ext4_params *params,
                  uint64_t *size_bytes, struct stor_err *err)
{
	uint32_t block_bytes, ratio = params->bytes_per_inode ? params->bytes_per_inode : 16384;
	uint64_t size = MIN_BYTES, gaps = 0, missing;
	struct needs needs = { 0, 0 }, room = { 0, 0 };

	if (ext4_check_params(params, &block_bytes, err) < 0 ||
	    count_needs(source_fd, source_path, params, &needs, err) < 0)
		return -1;
	if (size < needs.blocks * block_bytes)
		size = needs.blocks * block_bytes;
	/* From below, so that the first size that fits is the least, but for the rounding. */
	for (;;) {
		size = (size + MIB - 1) / MIB * MIB;
		if (count_room(params, size, &room, &gaps, err) < 0)
			return -1;
		/* Each gap between runs of free blocks may make one file need one more block of
		 * extents than the plan, which knows no gaps, gave it. */
		missing = room.blocks < needs.blocks + gaps
		                  ? (needs.blocks + gaps - room.blocks) * block_bytes
		                  : 0;
		if (room.inodes < needs.inodes &&
		    missing < (uint64_t)(needs.inodes - room.inodes) * ratio)
			missing = (uint64_t)(needs.inodes - room.inodes) * ratio;
		if (!missing)
			break;
		size += missing < MIB ? MIB : missing;
	}
	*size_bytes = size;
	return 0;
}

/* "does not fit", with what would. */
static int fail_exhausted(const struct ext4_writer *w, const struct blockdev *dev, int source_fd,
                          const char *source_path, struct stor_err *err)
{
	unsigned long long has = (dev->size_bytes + MIB - 1) / MIB;
	uint64_t size_bytes;

	if (source_fd < 0)
		return host->fail(err, STOR_FAILED, 0, "an ext4 filesystem does not fit in %lluM",
		                  has);
	if (ext4_estimate(source_fd, source_path, w->params, &size_bytes, err) < 0)
		return -1;
	if (w->exhausted == EXT4_EXHAUSTED_INODES) {
		host->fail(err, STOR_FAILED, 0,
		           "%s does not fit: it has more files than the %u inodes of %lluM",
		           source_path, w->inode_count - RESERVED_INODES, has);
		host->hint(err, "give a --size of at least %lluM, or a lower inode ratio",
		           (unsigned long long)(size_bytes / MIB));
		return -1;
	}
	/* A tree that grew meanwhile, or an estimate on its edge. */
	if (size_bytes <= dev->size_bytes)
		size_bytes = dev->size_bytes + dev->size_bytes / 20 + MIB;
	host->fail(err, STOR_FAILED, 0, "%s does not fit: it needs %lluM, the filesystem has %lluM",
	           source_path, (unsigned long long)(size_bytes / MIB), has);
	host->hint(err, "give a --size of at least %lluM", (unsigned long long)(size_bytes / MIB));
	return -1;
}

int ext4_make(struct blockdev *dev, const struct ext4_params *params, int source_fd,
              const char *source_path, struct stor_err *err)
{
	struct ext4_writer *w = calloc(1, sizeof(*w));
	int result;

	if (!w)
		return host->fail(err, STOR_FAILED, ENOMEM, "make ext4 filesystem");
	result = ext4_writer_open(w, dev, params, err);
	if (!result)
		result = ext4_make_reserved(w, err);
	if (!result)
		result = ext4_populate(w, source_fd, source_path, err);
	if (!result)
		result = ext4_writer_finish(w, err);
	if (result < 0 && w->exhausted)
		fail_exhausted(w, dev, source_fd, source_path, err);
	ext4_writer_close(w);
	free(w);
	return result;
}
