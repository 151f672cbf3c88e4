/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every filesystem has besides its content: the journal, the resize inode with the descriptor
 * blocks that it keeps for growth, and lost+found. And how an inode gets its extents.
 */
#include "common/ext4_writer.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/ext4_dir.h"
#include "common/host.h"

#define LOST_AND_FOUND_BYTES 16384u

/* --- extents --------------------------------------------------------------------------------- */

int ext4_take_extents(struct ext4_writer *w, uint64_t logical, uint64_t blocks,
                      struct stor_err *err)
{
	while (blocks) {
		uint64_t start, count;

		if (ext4_take(w, blocks, &start, &count) < 0)
			return -1;
		if (ext4_extents_add(&w->extents, (uint32_t)logical, start, count) < 0)
			return host->fail(err, STOR_FAILED, errno, "make ext4 filesystem");
		logical += count;
		blocks -= count;
	}
	return 0;
}

/* Write `count` entries as blocks of one level; what points to them takes their place in items. */
static int write_level(struct ext4_writer *w, struct ext4_extent *items, size_t *count,
                       unsigned depth, uint32_t seed, struct stor_err *err)
{
	uint32_t per_block = ext4_extents_per_block(w->block_bytes);
	size_t blocks = 0;

	for (size_t at = 0; at < *count; at += per_block) {
		size_t n = *count - at < per_block ? *count - at : per_block;
		struct ext4_extent parent = { items[at].logical, 0, 0 };
		unsigned char *data;
		uint64_t one;

		if (ext4_take(w, 1, &parent.physical, &one) < 0)
			return -1;
		data = ext4_put_block(w, parent.physical, err);
		if (!data)
			return -1;
		ext4_extents_block(data, w->block_bytes, items + at, n, depth, seed);
		items[blocks++] = parent;
	}
	*count = blocks;
	return 0;
}

int ext4_store_extents(struct ext4_writer *w, uint32_t ino, struct ext2_inode_large *inode,
                       struct stor_err *err)
{
	struct ext4_extent *items = w->extents.items;
	size_t count = w->extents.count;
	uint64_t blocks = ext4_extents_tree_blocks(count, w->block_bytes);
	unsigned depth = 0;

	for (size_t i = 0; i < count; i++)
		blocks += items[i].length;
	while (count > EXT4_EXTENTS_IN_INODE) {
		if (write_level(w, items, &count, depth, ext4_inode_seed(w, ino), err) < 0)
			return -1;
		depth++;
	}
	memset(inode->i_block, 0, sizeof(inode->i_block));
	ext4_extents_root(inode->i_block, items, count, depth);
	inode->i_flags |= htole32(EXT4_EXTENTS_FL);
	ext4_inode_add_blocks(w, inode, blocks);
	w->extents.count = 0;
	return 0;
}

/* --- the journal ----------------------------------------------------------------------------- */

static int write_journal(struct ext4_writer *w, uint32_t blocks, struct stor_err *err)
{
	struct ext2fs_journal_params params = { .num_journal_blocks = blocks };
	struct ext2_super_block *super = w->fs->super;
	struct ext2_inode_large *inode = ext4_inode(w, EXT2_JOURNAL_INO);
	unsigned char *data;
	char *journal;
	errcode_t code;

	if (!inode)
		return host->fail(err, STOR_FAILED, ENOMEM, "make the journal");
	if (ext4_take_extents(w, 0, blocks, err) < 0)
		return -1;
	/* The rest of the journal is zeros already: a log without a transaction. */
	code = ext2fs_create_journal_superblock2(w->fs, &params, 0, &journal);
	if (code)
		return ext4_fail_library(code, "make the journal", err);
	data = ext4_put_block(w, w->extents.items[0].physical, err);
	if (data)
		memcpy(data, journal, w->block_bytes);
	ext2fs_free_mem(&journal);
	ext4_inode_set_new(w, inode, S_IFREG | 0600);
	ext4_inode_set_size(inode, (uint64_t)blocks * w->block_bytes);
	if (!data || ext4_store_extents(w, EXT2_JOURNAL_INO, inode, err) < 0)
		return -1;
	super->s_journal_inum = EXT2_JOURNAL_INO;
	super->s_feature_compat |= EXT3_FEATURE_COMPAT_HAS_JOURNAL;
	/* A copy for e2fsck, should the inode be lost. */
	memcpy(super->s_jnl_blocks, inode->i_block, sizeof(inode->i_block));
	super->s_jnl_blocks[EXT2_N_BLOCKS] = inode->i_size_high;
	super->s_jnl_blocks[EXT2_N_BLOCKS + 1] = inode->i_size;
	super->s_jnl_backup_type = EXT3_JNL_BACKUP_BLOCKS;
	return 0;
}

/* --- the resize inode ------------------------------------------------------------------------ */

/* Groups other than the first that hold a copy of the superblock, in order; malloc'ed. */
static dgrp_t *backup_groups(ext2_filsys fs, size_t *count)
{
	dgrp_t *groups = malloc(64 * sizeof(*groups)); /* 1 and powers of 3, 5, 7 below 2^32 */

	*count = 0;
	for (dgrp_t group = 1; groups && group < fs->group_desc_count; group++) {
		if (ext2fs_bg_has_super(fs, group))
			groups[(*count)++] = group;
	}
	return groups;
}

/*
 * Its double indirect block points to the reserved descriptor blocks behind the first superblock,
 * and each of those, as an indirect block, to its copies behind the others.
 */
static int write_resize_inode(struct ext4_writer *w, struct stor_err *err)
{
	ext2_filsys fs = w->fs;
	uint64_t per_block = w->block_bytes / 4, reserved = fs->super->s_reserved_gdt_blocks;
	uint64_t first = fs->super->s_first_data_block + 1 + fs->desc_blocks, top, one, copies;
	struct ext2_inode_large *inode = ext4_inode(w, EXT2_RESIZE_INO);
	cleanup_free dgrp_t *groups = backup_groups(fs, &copies);
	uint32_t *entries;

	if (!inode || !groups)
		return host->fail(err, STOR_FAILED, ENOMEM, "make the resize inode");
	for (uint64_t i = 0; i < reserved; i++) {
		entries = (void *)ext4_put_block(w, first + i, err);
		if (!entries)
			return -1;
		for (size_t j = 0; j < copies; j++)
			entries[j] = htole32((uint32_t)(first + i) +
			                     groups[j] * fs->super->s_blocks_per_group);
	}
	if (ext4_take(w, 1, &top, &one) < 0)
		return -1;
	entries = (void *)ext4_put_block(w, top, err);
	if (!entries)
		return -1;
	for (uint64_t i = 0; i < reserved; i++)
		entries[(fs->desc_blocks + i) % per_block] = htole32((uint32_t)(first + i));
	ext4_inode_set_new(w, inode, S_IFREG | 0600);
	ext4_inode_set_size(inode, (per_block * per_block + per_block + EXT2_NDIR_BLOCKS) *
	                                   w->block_bytes);
	inode->i_block[EXT2_DIND_BLOCK] = htole32((uint32_t)top);
	ext4_inode_add_blocks(w, inode, 1 + reserved * (1 + copies));
	return 0;
}

int ext4_make_reserved(struct ext4_writer *w, struct stor_err *err)
{
	int journal_blocks = ext2fs_default_journal_size(ext2fs_blocks_count(w->fs->super));

	struct ext2_super_block *super = w->fs->super;
	uint64_t overhead = ext2fs_blocks_count(super) - ext2fs_free_blocks_count(super);

	if (ext2fs_has_feature_resize_inode(super) && write_resize_inode(w, err) < 0)
		return -1;
	if (w->params->has_journal && journal_blocks > 0) {
		if (write_journal(w, (uint32_t)journal_blocks, err) < 0)
			return -1;
		overhead += (uint64_t)journal_blocks;
	}
	/* What is no content, for statfs(): without it the kernel counts at every mount. */
	if (overhead <= UINT32_MAX)
		super->s_overhead_clusters = (uint32_t)overhead;
	return 0;
}

/* --- lost+found ------------------------------------------------------------------------------ */

uint32_t ext4_make_lost_and_found(struct ext4_writer *w, struct stor_err *err)
{
	uint32_t ino = ext4_new_inode(w), blocks = LOST_AND_FOUND_BYTES / w->block_bytes;
	struct ext2_inode_large *inode;

	if (!ino)
		return 0;
	inode = ext4_inode(w, ino);
	if (!inode) {
		host->fail(err, STOR_FAILED, ENOMEM, "make lost+found");
		return 0;
	}
	if (ext4_take_extents(w, 0, blocks, err) < 0)
		return 0;
	for (size_t i = 0, logical = 0; i < w->extents.count; i++) {
		for (uint32_t j = 0; j < w->extents.items[i].length; j++, logical++) {
			unsigned char *data =
				ext4_put_block(w, w->extents.items[i].physical + j, err);

			if (!data)
				return 0;
			ext4_dir_empty_block(data, w->block_bytes, ino, logical ? 0 : EXT2_ROOT_INO,
			                     ext4_inode_seed(w, ino));
		}
	}
	ext4_inode_set_new(w, inode, S_IFDIR | 0700);
	inode->i_links_count = htole16(2);
	ext4_inode_set_size(inode, LOST_AND_FOUND_BYTES);
	return ext4_store_extents(w, ino, inode, err) < 0 ? 0 : ino;
}
