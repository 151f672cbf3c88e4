/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inodes: numbered in order, kept in memory while the tree is read (a later hard link still counts
 * one up), and written once at the end.
 */
#include "common/ext4_writer.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/host.h"

#define PIECE_BYTES ((size_t)EXT4_INODES_PER_PIECE * EXT4_INODE_BYTES)

/* Of an on-disk time: seconds from 1901 to 2446. */
#define TIME_MIN INT32_MIN
#define TIME_MAX (((int64_t)1 << 34) + INT32_MIN - 1)

uint32_t ext4_new_inode(struct ext4_writer *w)
{
	if (w->next_ino > w->inode_count) {
		w->exhausted = EXT4_EXHAUSTED_INODES;
		return 0;
	}
	return w->next_ino++;
}

struct ext2_inode_large *ext4_inode(struct ext4_writer *w, uint32_t ino)
{
	size_t piece = (ino - 1) / EXT4_INODES_PER_PIECE;

	if (w->is_plan) {
		memset(w->plan_inode, 0, sizeof(w->plan_inode));
		return (void *)w->plan_inode;
	}
	if (piece >= w->piece_count) {
		size_t count = piece + 1 + w->piece_count;
		void *pieces = reallocarray(w->pieces, count, sizeof(void *));

		if (!pieces)
			return NULL;
		w->pieces = pieces;
		memset(w->pieces + w->piece_count, 0, (count - w->piece_count) * sizeof(void *));
		w->piece_count = count;
	}
	if (!w->pieces[piece])
		w->pieces[piece] = calloc(1, PIECE_BYTES);
	if (!w->pieces[piece])
		return NULL;
	return (void *)((char *)w->pieces[piece] +
	                (size_t)((ino - 1) % EXT4_INODES_PER_PIECE) * EXT4_INODE_BYTES);
}

void ext4_free_inodes(struct ext4_writer *w)
{
	for (size_t i = 0; i < w->piece_count; i++)
		free(w->pieces[i]);
	free(w->pieces);
}

/* --- content --------------------------------------------------------------------------------- */

/* Two more bits of seconds beside the nanoseconds carry the time beyond 2038. What ext4 cannot
 * express becomes the nearest that it can, as in the kernel. */
static void set_time(__u32 *low, __u32 *extra, int64_t seconds, uint32_t nanoseconds)
{
	if (seconds < TIME_MIN || seconds > TIME_MAX) {
		seconds = seconds < TIME_MIN ? TIME_MIN : TIME_MAX;
		nanoseconds = 0;
	}
	*low = htole32((uint32_t)seconds);
	*extra = htole32((uint32_t)(((seconds - (int32_t)seconds) >> 32) & EXT4_EPOCH_MASK) |
	                 nanoseconds << EXT4_EPOCH_BITS);
}

static void set_device(struct ext2_inode_large *inode, uint32_t major_number, uint32_t minor_number)
{
	if (major_number < 256 && minor_number < 256)
		inode->i_block[0] = htole32(major_number << 8 | minor_number);
	else
		inode->i_block[1] = htole32((minor_number & 0xff) | major_number << 8 |
		                            (minor_number & ~0xffu) << 12);
}

static uint32_t flags_of(const struct statx *sx)
{
	uint32_t flags = 0;

	if (sx->stx_attributes & STATX_ATTR_IMMUTABLE)
		flags |= EXT2_IMMUTABLE_FL;
	if (sx->stx_attributes & STATX_ATTR_APPEND)
		flags |= EXT2_APPEND_FL;
	if (sx->stx_attributes & STATX_ATTR_NODUMP)
		flags |= EXT2_NODUMP_FL;
	return flags;
}

void ext4_inode_set(struct ext2_inode_large *inode, const struct statx *sx)
{
	const struct statx_timestamp *born =
		sx->stx_mask & STATX_BTIME ? &sx->stx_btime : &sx->stx_ctime;

	inode->i_mode = htole16(sx->stx_mode);
	inode->i_uid = htole16((uint16_t)sx->stx_uid);
	inode->osd2.linux2.l_i_uid_high = htole16((uint16_t)(sx->stx_uid >> 16));
	inode->i_gid = htole16((uint16_t)sx->stx_gid);
	inode->osd2.linux2.l_i_gid_high = htole16((uint16_t)(sx->stx_gid >> 16));
	inode->i_links_count = htole16(1);
	inode->i_extra_isize = htole16(32);
	set_time(&inode->i_atime, &inode->i_atime_extra, sx->stx_atime.tv_sec,
	         sx->stx_atime.tv_nsec);
	set_time(&inode->i_mtime, &inode->i_mtime_extra, sx->stx_mtime.tv_sec,
	         sx->stx_mtime.tv_nsec);
	set_time(&inode->i_ctime, &inode->i_ctime_extra, sx->stx_ctime.tv_sec,
	         sx->stx_ctime.tv_nsec);
	set_time(&inode->i_crtime, &inode->i_crtime_extra, born->tv_sec, born->tv_nsec);
	inode->i_flags = htole32(flags_of(sx));
	if (S_ISCHR(sx->stx_mode) || S_ISBLK(sx->stx_mode))
		set_device(inode, sx->stx_rdev_major, sx->stx_rdev_minor);
}

void ext4_inode_set_new(const struct ext4_writer *w, struct ext2_inode_large *inode, uint16_t mode)
{
	struct statx sx = { .stx_mode = mode };

	sx.stx_atime.tv_sec = sx.stx_mtime.tv_sec = sx.stx_ctime.tv_sec = w->now;
	ext4_inode_set(inode, &sx);
}

void ext4_inode_set_size(struct ext2_inode_large *inode, uint64_t size_bytes)
{
	inode->i_size = htole32((uint32_t)size_bytes);
	inode->i_size_high = htole32((uint32_t)(size_bytes >> 32));
}

void ext4_inode_add_blocks(const struct ext4_writer *w, struct ext2_inode_large *inode,
                           uint64_t blocks)
{
	uint64_t sectors = le32toh(inode->i_blocks) |
	                   (uint64_t)le16toh(inode->osd2.linux2.l_i_blocks_hi) << 32;

	sectors += blocks * (w->block_bytes / 512);
	inode->i_blocks = htole32((uint32_t)sectors);
	inode->osd2.linux2.l_i_blocks_hi = htole16((uint16_t)(sectors >> 32));
}

uint32_t ext4_inode_seed(const struct ext4_writer *w, uint32_t ino)
{
	static const unsigned char generation[4];
	uint32_t number = htole32(ino);
	uint32_t seed = ext2fs_crc32c_le(w->csum_seed, (void *)&number, sizeof(number));

	return ext2fs_crc32c_le(seed, generation, sizeof(generation));
}

/* --- the tables ------------------------------------------------------------------------------ */

static void set_checksum(const struct ext4_writer *w, uint32_t ino, struct ext2_inode_large *inode)
{
	uint32_t csum;

	inode->osd2.linux2.l_i_checksum_lo = 0;
	inode->i_checksum_hi = 0;
	csum = ext2fs_crc32c_le(ext4_inode_seed(w, ino), (void *)inode, EXT4_INODE_BYTES);
	inode->osd2.linux2.l_i_checksum_lo = htole16((uint16_t)csum);
	if (inode->i_extra_isize)
		inode->i_checksum_hi = htole16((uint16_t)(csum >> 16));
}

/* Inodes first..first+count-1, which begin the table of their group. */
static int write_table(struct ext4_writer *w, dgrp_t group, uint32_t first, uint32_t count,
                       uint32_t *directories, struct stor_err *err)
{
	uint64_t block = ext2fs_inode_table_loc(w->fs, group);
	uint32_t per_block = w->block_bytes / EXT4_INODE_BYTES;

	*directories = 0;
	for (uint32_t i = 0; i < count; i += per_block, block++) {
		unsigned char *data = ext4_put_block(w, block, err);

		if (!data)
			return -1;
		for (uint32_t j = 0; j < per_block && i + j < count; j++) {
			struct ext2_inode_large *inode = ext4_inode(w, first + i + j);

			if (!inode)
				return host->fail(err, STOR_FAILED, ENOMEM, "write inodes");
			set_checksum(w, first + i + j, inode);
			if (S_ISDIR(le16toh(inode->i_mode)))
				++*directories;
			memcpy(data + j * EXT4_INODE_BYTES, inode, EXT4_INODE_BYTES);
		}
	}
	return 0;
}

int ext4_write_inodes(struct ext4_writer *w, struct stor_err *err)
{
	struct ext2_super_block *super = w->fs->super;
	uint32_t used = w->next_ino - 1, per_group = super->s_inodes_per_group;

	for (dgrp_t group = 0; (uint64_t)group * per_group < used; group++) {
		uint32_t first = group * per_group + 1, directories;
		uint32_t count = used - first + 1 < per_group ? used - first + 1 : per_group;

		if (write_table(w, group, first, count, &directories, err) < 0)
			return -1;
		ext2fs_bg_flags_clear(w->fs, group, EXT2_BG_INODE_UNINIT);
		ext2fs_bg_free_inodes_count_set(w->fs, group, per_group - count);
		ext2fs_bg_itable_unused_set(w->fs, group, per_group - count);
		ext2fs_bg_used_dirs_count_set(w->fs, group, directories);
		for (uint32_t i = 0; i < count; i++)
			ext2fs_fast_mark_inode_bitmap2(w->fs->inode_map, first + i);
	}
	super->s_free_inodes_count = super->s_inodes_count - used;
	return 0;
}
