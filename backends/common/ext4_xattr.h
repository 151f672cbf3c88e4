/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended attributes in ext4's two places: behind the inode's fields, and in a block of their own.
 * Knows no filesystem and no source: pure layout, with hashes and checksums.
 */
#ifndef COMMON_EXT4_XATTR_H
#define COMMON_EXT4_XATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is left in an inode of 256 bytes for attributes. */
#define EXT4_XATTR_INODE_OFFSET 160u
#define EXT4_XATTR_INODE_BYTES 96u

struct ext4_xattr {
	uint8_t name_index;  /* stands for a prefix */
	uint8_t name_length; /* of the rest */
	const char *name;    /* the rest; not terminated */
	const void *value;
	uint32_t value_bytes;
	bool in_inode; /* set by ext4_xattr_place() */
};

/* Split a full name into prefix index and rest. Returns false for a name that ext4 has no prefix
 * for. POSIX ACLs have no rest. */
bool ext4_xattr_split(const char *full_name, struct ext4_xattr *attribute);

/*
 * Turn a POSIX ACL from the form of the system calls into that of the disk. `acl` has room for
 * `bytes`, which the result never exceeds. Returns its size, or 0 for what is no ACL.
 */
size_t ext4_xattr_acl(const void *value, size_t bytes, void *acl);

/* Decide which attributes go where; sorts them. Returns NULL when all fit, else the one that does
 * not. *needs_block: some are not in the inode. */
const struct ext4_xattr *ext4_xattr_place(struct ext4_xattr *attributes, size_t count,
                                          uint32_t block_bytes, bool *needs_block);

/* Write those that are in the inode to its EXT4_XATTR_INODE_BYTES, which are zero; nothing where
 * there are none. */
void ext4_xattr_write_inode(const struct ext4_xattr *attributes, size_t count, void *where);

/* Write the others to a block, which is zero, with its checksum. */
void ext4_xattr_write_block(const struct ext4_xattr *attributes, size_t count, void *block,
                            uint32_t block_bytes, uint64_t block_number, uint32_t csum_seed);

#endif
