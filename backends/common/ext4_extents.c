/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extent lists and the blocks of extent trees: see ext4_extents.h. */
#include "common/ext4_extents.h"

#include <endian.h>
#include <stdlib.h>

#include <ext2fs/ext2fs.h>

int ext4_extents_add(struct ext4_extents *list, uint32_t logical, uint64_t physical,
                     uint64_t length)
{
	while (length) {
		struct ext4_extent *last = list->count ? &list->items[list->count - 1] : NULL;
		uint32_t n;

		if (!last || last->length == EXT4_EXTENT_MAX_BLOCKS ||
		    last->logical + last->length != logical ||
		    last->physical + last->length != physical) {
			if (list->count == list->room) {
				size_t room = list->room ? list->room * 2 : 64;
				void *items = reallocarray(list->items, room, sizeof(*last));

				if (!items)
					return -1;
				list->items = items;
				list->room = room;
			}
			last = &list->items[list->count++];
			/* There is room, so there are items. */
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
			*last = (struct ext4_extent){ logical, 0, physical };
		}
		n = EXT4_EXTENT_MAX_BLOCKS - last->length;
		if (length < n)
			n = (uint32_t)length;
		last->length += n;
		logical += n;
		physical += n;
		length -= n;
	}
	return 0;
}

void ext4_extents_free(struct ext4_extents *list)
{
	free(list->items);
	*list = (struct ext4_extents){ NULL, 0, 0 };
}

/* A header, the entries, and a checksum of four bytes right after them. */
uint32_t ext4_extents_per_block(uint32_t block_bytes)
{
	return (block_bytes - (uint32_t)sizeof(struct ext3_extent_header)) /
	       (uint32_t)sizeof(struct ext3_extent);
}

uint64_t ext4_extents_tree_blocks(size_t count, uint32_t block_bytes)
{
	uint32_t per_block = ext4_extents_per_block(block_bytes);
	uint64_t blocks = 0;

	while (count > EXT4_EXTENTS_IN_INODE) {
		count = (count + per_block - 1) / per_block;
		blocks += count;
	}
	return blocks;
}

static void fill_node(void *where, const struct ext4_extent *items, size_t count, size_t max,
                      unsigned depth)
{
	struct ext3_extent_header *header = where;
	struct ext3_extent *leaf = (void *)(header + 1);
	struct ext3_extent_idx *index = (void *)(header + 1);

	header->eh_magic = htole16(EXT3_EXT_MAGIC);
	header->eh_entries = htole16((uint16_t)count);
	header->eh_max = htole16((uint16_t)max);
	header->eh_depth = htole16((uint16_t)depth);
	for (size_t i = 0; i < count; i++) {
		if (depth) {
			index[i].ei_block = htole32(items[i].logical);
			index[i].ei_leaf = htole32((uint32_t)items[i].physical);
			index[i].ei_leaf_hi = htole16((uint16_t)(items[i].physical >> 32));
		} else {
			leaf[i].ee_block = htole32(items[i].logical);
			leaf[i].ee_len = htole16((uint16_t)items[i].length);
			leaf[i].ee_start = htole32((uint32_t)items[i].physical);
			leaf[i].ee_start_hi = htole16((uint16_t)(items[i].physical >> 32));
		}
	}
}

void ext4_extents_root(void *i_block, const struct ext4_extent *items, size_t count, unsigned depth)
{
	fill_node(i_block, items, count, EXT4_EXTENTS_IN_INODE, depth);
}

void ext4_extents_block(unsigned char *block, uint32_t block_bytes, const struct ext4_extent *items,
                        size_t count, unsigned depth, uint32_t inode_seed)
{
	uint32_t max = ext4_extents_per_block(block_bytes);
	size_t tail = sizeof(struct ext3_extent_header) + max * sizeof(struct ext3_extent);

	fill_node(block, items, count, max, depth);
	*(uint32_t *)(void *)(block + tail) = htole32(ext2fs_crc32c_le(inode_seed, block, tail));
}
