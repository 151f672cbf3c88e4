/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a directory's entries are laid out in blocks: in one block, or hashed with an index (htree)
 * of one or two levels in front. Knows no filesystem: pure layout, with checksums.
 */
#ifndef COMMON_EXT4_DIR_H
#define COMMON_EXT4_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ext4_dirent {
	const char *name;
	uint32_t ino;
	uint8_t name_length, file_type; /* EXT2_FT_* */
	uint32_t hash, minor_hash;      /* set by ext4_dir_lay_out() */
};

struct ext4_dir_layout {
	struct ext4_dirent
		*entries; /* borrowed; sorted by hash when it takes more than one block */
	size_t count;
	uint32_t block_bytes, ino, parent, inode_seed;
	bool is_indexed;
	uint32_t nodes; /* index blocks below the root: none with one level */
	uint32_t leaves;
	uint32_t blocks;    /* all told */
	size_t *leaf_start; /* first entry of each leaf, and the count of entries at the end */
};

/*
 * Decide where each entry goes. hash_seed: the superblock's. A directory that is too large even for
 * two levels of index stays without one, which the kernel reads as well, only slower.
 * ext4_dir_layout_free() afterwards. Returns 0, or -1 with errno: ENOMEM, or EFBIG for more blocks
 * than a directory can have.
 */
int ext4_dir_lay_out(struct ext4_dir_layout *layout, struct ext4_dirent *entries, size_t count,
                     uint32_t block_bytes, uint32_t ino, uint32_t parent, uint32_t inode_seed,
                     const uint32_t *hash_seed);
/* Fill in one block, which is zero. */
void ext4_dir_block(const struct ext4_dir_layout *layout, uint32_t logical, unsigned char *block);
void ext4_dir_layout_free(struct ext4_dir_layout *layout);

/* A block, which is zero, without entries; parent != 0: with "." and ".." alone. */
void ext4_dir_empty_block(unsigned char *block, uint32_t block_bytes, uint32_t ino, uint32_t parent,
                          uint32_t inode_seed);

/* Entries that the index's root, and a block below it, can hold. */
uint32_t ext4_dir_root_limit(uint32_t block_bytes);
uint32_t ext4_dir_node_limit(uint32_t block_bytes);

#endif
