/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a file's blocks lie, and the tree that says so on disk. Knows no filesystem: pure layout.
 */
#ifndef COMMON_EXT4_EXTENTS_H
#define COMMON_EXT4_EXTENTS_H

#include <stddef.h>
#include <stdint.h>

/* Longest run in one extent of initialised blocks. */
#define EXT4_EXTENT_MAX_BLOCKS 32768u
/* What fits in the inode itself. */
#define EXT4_EXTENTS_IN_INODE 4u

struct ext4_extent {
	uint32_t logical; /* first block within the file */
	uint32_t length;  /* blocks; of no meaning in an index */
	uint64_t physical;
};

/* In logical order. */
struct ext4_extents {
	struct ext4_extent *items;
	size_t count, room;
};

/* Append a run of any length, joined to the last one where both go on. Returns 0, or -1 with
 * errno. */
int ext4_extents_add(struct ext4_extents *list, uint32_t logical, uint64_t physical,
                     uint64_t length);
void ext4_extents_free(struct ext4_extents *list);

/* Entries that one tree block of that size holds. */
uint32_t ext4_extents_per_block(uint32_t block_bytes);
/* Tree blocks, outside the inode, that `count` extents need. */
uint64_t ext4_extents_tree_blocks(size_t count, uint32_t block_bytes);
/* Write the 60 bytes of an inode: `count` (<= 4) entries of a tree of that depth (0: extents). */
void ext4_extents_root(void *i_block, const struct ext4_extent *items, size_t count,
                       unsigned depth);
/* Write one tree block, which is zero, with its checksum; count <= ext4_extents_per_block(). */
void ext4_extents_block(unsigned char *block, uint32_t block_bytes, const struct ext4_extent *items,
                        size_t count, unsigned depth, uint32_t inode_seed);

#endif
