/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The layout of extended attributes on disk: see ext4_xattr.h. */
#include "common/ext4_xattr.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <ext2fs/ext2fs.h>
#include <ext2fs/ext2_ext_attr.h>

#define END_BYTES 4u   /* four zeros behind the last entry */
#define MAGIC_BYTES 4u /* before the first entry in an inode */
#define BLOCK_HASH_SHIFT 16

/* --- names ----------------------------------------------------------------------------------- */

static const struct {
	const char *prefix;
	uint8_t index;
	bool is_whole; /* the prefix is the whole name */
} prefixes[] = {
	{ "user.", 1, false },
	{ "system.posix_acl_access", 2, true },
	{ "system.posix_acl_default", 3, true },
	{ "trusted.", 4, false },
	{ "security.", 6, false },
};

bool ext4_xattr_split(const char *full_name, struct ext4_xattr *attribute)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		size_t length = strlen(prefixes[i].prefix);

		if (strncmp(full_name, prefixes[i].prefix, length) != 0 ||
		    !full_name[length] != prefixes[i].is_whole)
			continue;
		attribute->name_index = prefixes[i].index;
		attribute->name = full_name + length;
		attribute->name_length = (uint8_t)strlen(attribute->name);
		return true;
	}
	return false;
}

/* --- POSIX ACLs ------------------------------------------------------------------------------ */

#define ACL_SYSCALL_VERSION 2u
#define ACL_DISK_VERSION 1u
#define ACL_USER 0x02
#define ACL_GROUP 0x08

struct acl_entry {
	uint16_t tag, permissions;
	uint32_t id; /* on disk only where the tag names somebody */
};

size_t ext4_xattr_acl(const void *value, size_t bytes, void *acl)
{
	const unsigned char *from = value;
	unsigned char *to = acl;
	uint32_t version;

	if (bytes < sizeof(version) || (bytes - sizeof(version)) % sizeof(struct acl_entry))
		return 0;
	memcpy(&version, from, sizeof(version));
	if (le32toh(version) != ACL_SYSCALL_VERSION)
		return 0;
	version = htole32(ACL_DISK_VERSION);
	memcpy(to, &version, sizeof(version));
	to += sizeof(version);
	for (size_t at = sizeof(version); at < bytes; at += sizeof(struct acl_entry)) {
		struct acl_entry entry;
		size_t length = sizeof(entry);

		memcpy(&entry, from + at, sizeof(entry));
		if (le16toh(entry.tag) != ACL_USER && le16toh(entry.tag) != ACL_GROUP)
			length -= sizeof(entry.id);
		memcpy(to, &entry, length);
		to += length;
	}
	return (size_t)(to - (unsigned char *)acl);
}

/* --- where they go --------------------------------------------------------------------------- */

static uint32_t room_needed(const struct ext4_xattr *attribute)
{
	return (uint32_t)EXT2_EXT_ATTR_LEN(attribute->name_length) +
	       EXT2_EXT_ATTR_SIZE(attribute->value_bytes);
}

/* The order that readers of a block expect. */
static int by_name(const void *a, const void *b)
{
	const struct ext4_xattr *x = a, *y = b;

	if (x->name_index != y->name_index)
		return x->name_index - y->name_index;
	if (x->name_length != y->name_length)
		return x->name_length - y->name_length;
	return memcmp(x->name, y->name, x->name_length);
}

static int largest_first(const void *a, const void *b)
{
	uint32_t x = room_needed(a), y = room_needed(b);

	return x > y ? -1 : x < y;
}

/* Whatever fits goes into the inode, in order; the rest must fit in the block. */
static const struct ext4_xattr *place_in_order(struct ext4_xattr *attributes, size_t count,
                                               uint32_t block_bytes, bool *needs_block)
{
	uint32_t inode_left = EXT4_XATTR_INODE_BYTES - MAGIC_BYTES - END_BYTES;
	uint32_t block_left =
		block_bytes - (uint32_t)sizeof(struct ext2_ext_attr_header) - END_BYTES;

	*needs_block = false;
	for (size_t i = 0; i < count; i++) {
		uint32_t needed = room_needed(&attributes[i]);

		attributes[i].in_inode = needed <= inode_left;
		if (attributes[i].in_inode) {
			inode_left -= needed;
			continue;
		}
		if (needed > block_left)
			return &attributes[i];
		block_left -= needed;
		*needs_block = true;
	}
	return NULL;
}

const struct ext4_xattr *ext4_xattr_place(struct ext4_xattr *attributes, size_t count,
                                          uint32_t block_bytes, bool *needs_block)
{
	const struct ext4_xattr *too_much;

	qsort(attributes, count, sizeof(*attributes), by_name);
	if (!place_in_order(attributes, count, block_bytes, needs_block))
		return NULL;
	/* A nearly full set may still fit with the inode filled better. */
	qsort(attributes, count, sizeof(*attributes), largest_first);
	too_much = place_in_order(attributes, count, block_bytes, needs_block);
	if (!too_much)
		qsort(attributes, count, sizeof(*attributes), by_name);
	return too_much;
}

/* --- on disk --------------------------------------------------------------------------------- */

/* Entries grow up from `first`, values down from `end`; value offsets count from `base`. */
static void put_attributes(const struct ext4_xattr *attributes, size_t count, bool in_inode,
                           unsigned char *base, unsigned char *first, unsigned char *end)
{
	for (size_t i = 0; i < count; i++) {
		const struct ext4_xattr *attribute = &attributes[i];
		struct ext2_ext_attr_entry *entry = (void *)first;

		if (attribute->in_inode != in_inode)
			continue;
		end -= EXT2_EXT_ATTR_SIZE(attribute->value_bytes);
		memcpy(end, attribute->value, attribute->value_bytes);
		entry->e_name_len = attribute->name_length;
		entry->e_name_index = attribute->name_index;
		entry->e_value_size = htole32(attribute->value_bytes);
		entry->e_value_offs = htole16(attribute->value_bytes ? (uint16_t)(end - base) : 0);
		memcpy(EXT2_EXT_ATTR_NAME(entry), attribute->name, attribute->name_length);
		/* In an inode the kernel leaves hashes out. */
		if (!in_inode)
			entry->e_hash = htole32(ext2fs_ext_attr_hash_entry(entry, end));
		first += EXT2_EXT_ATTR_LEN(attribute->name_length);
	}
}

void ext4_xattr_write_inode(const struct ext4_xattr *attributes, size_t count, void *where)
{
	unsigned char *first = (unsigned char *)where + MAGIC_BYTES;
	bool any = false;

	for (size_t i = 0; i < count; i++)
		any = any || attributes[i].in_inode;
	if (!any)
		return;
	*(uint32_t *)where = htole32(EXT2_EXT_ATTR_MAGIC);
	put_attributes(attributes, count, true, first, first,
	               (unsigned char *)where + EXT4_XATTR_INODE_BYTES);
}

/* Of the whole block, from the hashes of its entries. */
static uint32_t block_hash(const unsigned char *block)
{
	const struct ext2_ext_attr_header *header = (const void *)block;
	const struct ext2_ext_attr_entry *entry = (const void *)(header + 1);
	uint32_t hash = 0;

	while (!EXT2_EXT_IS_LAST_ENTRY(entry)) {
		if (!entry->e_hash)
			return 0; /* not to be shared */
		hash = (hash << BLOCK_HASH_SHIFT) ^ (hash >> (32 - BLOCK_HASH_SHIFT)) ^
		       le32toh(entry->e_hash);
		entry = (const void *)((const char *)entry + EXT2_EXT_ATTR_LEN(entry->e_name_len));
	}
	return hash;
}

void ext4_xattr_write_block(const struct ext4_xattr *attributes, size_t count, void *block,
                            uint32_t block_bytes, uint64_t block_number, uint32_t csum_seed)
{
	struct ext2_ext_attr_header *header = block;
	uint64_t number = htole64(block_number);
	uint32_t csum;

	put_attributes(attributes, count, false, block, (unsigned char *)(header + 1),
	               (unsigned char *)block + block_bytes);
	header->h_magic = htole32(EXT2_EXT_ATTR_MAGIC);
	header->h_refcount = htole32(1);
	header->h_blocks = htole32(1);
	header->h_hash = htole32(block_hash(block));
	csum = ext2fs_crc32c_le(csum_seed, (void *)&number, sizeof(number));
	csum = ext2fs_crc32c_le(csum, block, block_bytes);
	header->h_checksum = htole32(csum);
}
