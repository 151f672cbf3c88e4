/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocks of directories and of their hash index: see ext4_dir.h. */
#include "common/ext4_dir.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ext2fs/ext2fs.h>

#define TAIL_BYTES 12u /* the entry without a name that carries a block's checksum */
#define DOTS_BYTES 24u /* "." and ".." */
#define ROOT_INFO_BYTES 8u
#define FAKE_ENTRY_BYTES 8u /* spans an index block below the root, for those who know no index */
#define INDEX_TAIL_BYTES 8u
#define INDEX_ENTRY_BYTES 8u
#define HASH_END 0xfffffffeu /* means "end of directory" to readers */
#define MAX_BLOCKS ((uint64_t)1 << 31)

static uint32_t entry_bytes(uint32_t name_length)
{
	return (8 + name_length + 3) & ~3u;
}

uint32_t ext4_dir_root_limit(uint32_t block_bytes)
{
	return (block_bytes - DOTS_BYTES - ROOT_INFO_BYTES - INDEX_TAIL_BYTES) / INDEX_ENTRY_BYTES;
}

uint32_t ext4_dir_node_limit(uint32_t block_bytes)
{
	return (block_bytes - FAKE_ENTRY_BYTES - INDEX_TAIL_BYTES) / INDEX_ENTRY_BYTES;
}

/* --- layout ---------------------------------------------------------------------------------- */

static int by_hash(const void *a, const void *b)
{
	const struct ext4_dirent *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->minor_hash != y->minor_hash)
		return x->minor_hash < y->minor_hash ? -1 : 1;
	return 0;
}

static void hash_entries(struct ext4_dirent *entries, size_t count, const uint32_t *seed)
{
	for (size_t i = 0; i < count; i++) {
		struct ext4_dirent *entry = &entries[i];

		ext2fs_dirhash2(EXT2_HASH_HALF_MD4, entry->name, entry->name_length, NULL, 0, seed,
		                &entry->hash, &entry->minor_hash);
		if (entry->hash == HASH_END)
			entry->hash = HASH_END - 2;
	}
	qsort(entries, count, sizeof(*entries), by_hash);
}

/* Entries that follow `from` and fit in one block after `taken` bytes of it. */
static size_t fill_leaf(const struct ext4_dir_layout *layout, size_t from, uint32_t taken)
{
	uint32_t left = layout->block_bytes - TAIL_BYTES - taken;
	size_t at = from;

	while (at < layout->count && entry_bytes(layout->entries[at].name_length) <= left)
		left -= entry_bytes(layout->entries[at++].name_length);
	return at;
}

/* The first block of a directory without index has "." and ".." before its entries. */
static int split_into_leaves(struct ext4_dir_layout *layout, uint32_t taken_in_first)
{
	size_t room = 2 + layout->count * (8 + 256) / (layout->block_bytes / 2), at = 0;

	layout->leaves = 0;
	free(layout->leaf_start);
	layout->leaf_start = calloc(room + 1, sizeof(*layout->leaf_start));
	if (!layout->leaf_start)
		return -1;
	do {
		layout->leaf_start[layout->leaves] = at;
		at = fill_leaf(layout, at, layout->leaves ? 0 : taken_in_first);
		layout->leaves++;
		if (layout->leaves >= MAX_BLOCKS) {
			errno = EFBIG;
			return -1;
		}
	} while (at < layout->count);
	layout->leaf_start[layout->leaves] = at;
	return 0;
}

int ext4_dir_lay_out(struct ext4_dir_layout *layout, struct ext4_dirent *entries, size_t count,
                     uint32_t block_bytes, uint32_t ino, uint32_t parent, uint32_t inode_seed,
                     const uint32_t *hash_seed)
{
	uint32_t limit = ext4_dir_root_limit(block_bytes);

	*layout = (struct ext4_dir_layout){
		.entries = entries,
		.count = count,
		.block_bytes = block_bytes,
		.ino = ino,
		.parent = parent,
		.inode_seed = inode_seed,
	};
	if (fill_leaf(layout, 0, DOTS_BYTES) == count)
		return layout->blocks = 1, split_into_leaves(layout, DOTS_BYTES);
	hash_entries(entries, count, hash_seed);
	if (split_into_leaves(layout, 0) < 0)
		return -1;
	if (layout->leaves > limit)
		layout->nodes = (layout->leaves - 1) / ext4_dir_node_limit(block_bytes) + 1;
	layout->is_indexed = layout->nodes <= limit;
	if (!layout->is_indexed) {
		layout->nodes = 0;
		if (split_into_leaves(layout, DOTS_BYTES) < 0)
			return -1;
	}
	layout->blocks = layout->leaves + (layout->is_indexed ? 1 + layout->nodes : 0);
	return 0;
}

void ext4_dir_layout_free(struct ext4_dir_layout *layout)
{
	free(layout->leaf_start);
	layout->leaf_start = NULL;
}

/* --- blocks ---------------------------------------------------------------------------------- */

static void put_entry(unsigned char *at, uint32_t ino, uint32_t length, const char *name,
                      uint8_t name_length, uint8_t file_type)
{
	struct ext2_dir_entry_2 *entry = (void *)at;

	entry->inode = htole32(ino);
	entry->rec_len = htole16((uint16_t)length);
	entry->name_len = name_length;
	entry->file_type = file_type;
	memcpy(entry->name, name, name_length);
}

static void put_dots(unsigned char *block, uint32_t ino, uint32_t parent, uint32_t second_length)
{
	put_entry(block, ino, 12, ".", 1, EXT2_FT_DIR);
	put_entry(block + 12, parent, second_length, "..", 2, EXT2_FT_DIR);
}

static void put_tail(unsigned char *block, uint32_t block_bytes, uint32_t seed)
{
	struct ext2_dir_entry_tail *tail = (void *)(block + block_bytes - TAIL_BYTES);

	tail->det_rec_len = htole16(TAIL_BYTES);
	tail->det_reserved_name_len = htole16(EXT2_DIR_NAME_LEN_CSUM);
	tail->det_checksum = htole32(ext2fs_crc32c_le(seed, block, block_bytes - TAIL_BYTES));
}

void ext4_dir_empty_block(unsigned char *block, uint32_t block_bytes, uint32_t ino, uint32_t parent,
                          uint32_t inode_seed)
{
	uint32_t length = block_bytes - TAIL_BYTES;

	if (parent)
		put_dots(block, ino, parent, length - 12);
	else
		put_entry(block, 0, length, "", 0, 0);
	put_tail(block, block_bytes, inode_seed);
}

static void put_leaf(const struct ext4_dir_layout *layout, uint32_t leaf, unsigned char *block)
{
	uint32_t end = layout->block_bytes - TAIL_BYTES, at = 0;
	size_t last = layout->leaf_start[leaf + 1];

	if (!layout->is_indexed && !leaf) {
		put_dots(block, layout->ino, layout->parent, last ? 12 : end - 12);
		at = DOTS_BYTES;
	}
	for (size_t i = layout->leaf_start[leaf]; i < last; i++) {
		const struct ext4_dirent *entry = &layout->entries[i];
		uint32_t length = i + 1 < last ? entry_bytes(entry->name_length) : end - at;

		put_entry(block + at, entry->ino, length, entry->name, entry->name_length,
		          entry->file_type);
		at += length;
	}
	put_tail(block, layout->block_bytes, layout->inode_seed);
}

/* The smallest hash in a leaf; its low bit says that entries of that hash began in the leaf before.
 */
static uint32_t leaf_hash(const struct ext4_dir_layout *layout, uint32_t leaf)
{
	size_t start = layout->leaf_start[leaf];
	uint32_t hash = layout->entries[start].hash;

	return start && layout->entries[start - 1].hash == hash ? hash | 1 : hash;
}

/*
 * Index entries in a block from `offset` on: a head in the place of the first one's hash, which is
 * not needed, and the pairs of hash and block; then a checksum behind the last that could be there.
 * Entry i stands for leaf (first + i * step), and leads to the block (target + i).
 */
static void put_index(const struct ext4_dir_layout *layout, unsigned char *block, uint32_t offset,
                      uint32_t limit, uint32_t count, uint32_t first, uint32_t step,
                      uint32_t target)
{
	struct ext2_dx_countlimit *head = (void *)(block + offset);
	struct ext2_dx_entry *entries = (void *)head;
	struct ext2_dx_tail *tail = (void *)(entries + limit);
	uint32_t csum;

	for (uint32_t i = 0; i < count; i++) {
		if (i)
			entries[i].hash = htole32(leaf_hash(layout, first + i * step));
		entries[i].block = htole32(target + i);
	}
	head->limit = htole16((uint16_t)limit);
	head->count = htole16((uint16_t)count);
	csum = ext2fs_crc32c_le(layout->inode_seed, block, offset + count * INDEX_ENTRY_BYTES);
	csum = ext2fs_crc32c_le(csum, (void *)tail, INDEX_TAIL_BYTES);
	tail->dt_checksum = htole32(csum);
}

static void put_root(const struct ext4_dir_layout *layout, unsigned char *block)
{
	struct ext2_dx_root_info *info = (void *)(block + DOTS_BYTES);
	uint32_t step = layout->nodes ? ext4_dir_node_limit(layout->block_bytes) : 1;

	put_dots(block, layout->ino, layout->parent, layout->block_bytes - 12);
	info->hash_version = EXT2_HASH_HALF_MD4;
	info->info_length = ROOT_INFO_BYTES;
	info->indirect_levels = layout->nodes ? 1 : 0;
	put_index(layout, block, DOTS_BYTES + ROOT_INFO_BYTES,
	          ext4_dir_root_limit(layout->block_bytes),
	          layout->nodes ? layout->nodes : layout->leaves, 0, step, 1);
}

static void put_node(const struct ext4_dir_layout *layout, uint32_t node, unsigned char *block)
{
	uint32_t limit = ext4_dir_node_limit(layout->block_bytes), first = node * limit;
	uint32_t count = layout->leaves - first < limit ? layout->leaves - first : limit;

	put_entry(block, 0, layout->block_bytes, "", 0, 0);
	put_index(layout, block, FAKE_ENTRY_BYTES, limit, count, first, 1,
	          1 + layout->nodes + first);
}

void ext4_dir_block(const struct ext4_dir_layout *layout, uint32_t logical, unsigned char *block)
{
	uint32_t before = layout->is_indexed ? 1 + layout->nodes : 0;

	if (logical >= before)
		put_leaf(layout, logical - before, block);
	else if (logical)
		put_node(layout, logical - 1, block);
	else
		put_root(layout, block);
}
