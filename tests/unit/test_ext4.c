/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pure layouts of the ext4 writer: extent trees, hashed directories, attributes, ACLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ext2fs/ext2fs.h>
#include <ext2fs/ext2_ext_attr.h>

#include "common/ext4_dir.h"
#include "common/ext4_extents.h"
#include "common/ext4_xattr.h"

#define SEED 0x12345678u

/* Bit by bit, independent of the library's tables. */
static uint32_t crc32c(uint32_t crc, const unsigned char *data, size_t size)
{
	while (size--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static uint16_t get16(const void *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t get32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* --- extents ---------------------------------------------------------------------------------- */

static void extents_join_and_split(void **state)
{
	struct ext4_extents list = { NULL, 0, 0 };

	(void)state;
	ext4_extents_add(&list, 0, 100, 10);
	ext4_extents_add(&list, 10, 110, 5);
	assert_int_equal(list.count, 1);
	ext4_extents_add(&list, 16, 115, 1); /* a hole before it */
	ext4_extents_add(&list, 17, 200, 1); /* elsewhere on the disk */
	assert_int_equal(list.count, 3);
	ext4_extents_add(&list, 18, 201, 32767 + 32768 + 1);
	assert_int_equal(list.count, 5);
	assert_int_equal(list.items[2].length, 32768);
	assert_int_equal(list.items[3].length, 32768);
	assert_int_equal(list.items[3].logical, 17 + 32768);
	assert_int_equal(list.items[3].physical, 200 + 32768);
	assert_int_equal(list.items[4].length, 1);
	ext4_extents_free(&list);
}

static void extent_trees_have_the_blocks_they_need(void **state)
{
	(void)state;
	assert_int_equal(ext4_extents_per_block(4096), 340);
	assert_int_equal(ext4_extents_per_block(1024), 84);
	assert_int_equal(ext4_extents_tree_blocks(4, 4096), 0);
	assert_int_equal(ext4_extents_tree_blocks(5, 4096), 1);
	assert_int_equal(ext4_extents_tree_blocks(4 * 340, 4096), 4);
	assert_int_equal(ext4_extents_tree_blocks(4 * 340 + 1, 4096), 5 + 1);
	assert_int_equal(ext4_extents_tree_blocks(84 * 84 * 4 + 1, 1024), 84 * 4 + 1 + 5 + 1);
}

static void extent_blocks_are_laid_out(void **state)
{
	static const uint32_t sizes[] = { 1024, 2048, 4096 };
	struct ext4_extent items[2] = { { 7, 32768, 0x123456789abc }, { 40000, 1, 5 } };
	unsigned char block[4096];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		uint32_t max = ext4_extents_per_block(sizes[i]), tail = 12 + max * 12;

		memset(block, 0, sizeof(block));
		ext4_extents_block(block, sizes[i], items, 2, 0, SEED);
		assert_int_equal(get16(block), 0xf30a);
		assert_int_equal(get16(block + 2), 2);
		assert_int_equal(get16(block + 4), max);
		assert_int_equal(get16(block + 6), 0);
		assert_int_equal(get32(block + 12), 7);
		assert_int_equal(get16(block + 16), 32768);
		assert_int_equal(get16(block + 18), 0x1234);
		assert_int_equal(get32(block + 20), 0x56789abc);
		assert_true(tail + 4 <= sizes[i]);
		assert_int_equal(get32(block + tail), crc32c(SEED, block, tail));
	}
	memset(block, 0, sizeof(block));
	ext4_extents_root(block, items, 1, 2);
	assert_int_equal(get16(block + 4), 4);
	assert_int_equal(get16(block + 6), 2);
	assert_int_equal(get32(block + 16), 0x56789abc); /* an index has its block first */
	assert_int_equal(get16(block + 20), 0x1234);
	assert_int_equal(get32(block + 60), 0);
}

/* --- directories ------------------------------------------------------------------------------ */

static const uint32_t hash_seed[4] = { 1, 2, 3, 4 };

static struct ext4_dirent *make_entries(size_t count, size_t padding)
{
	struct ext4_dirent *entries = calloc(count + 1, sizeof(*entries));

	for (size_t i = 0; i < count; i++) {
		char name[256];
		int length = snprintf(
			name, sizeof(name), "%zu-%.*s", i, (int)(padding ? i % padding : 0),
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

		entries[i].name = strdup(name);
		entries[i].name_length = (uint8_t)length;
		entries[i].file_type = EXT2_FT_REG_FILE;
		entries[i].ino = (uint32_t)i + 100;
	}
	return entries;
}

static void free_entries(struct ext4_dirent *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free((char *)entries[i].name);
	free(entries);
}

/* Reads a leaf as the kernel would: counts entries, each of whose hashes lies in [least, most]. */
static size_t read_leaf(const unsigned char *block, uint32_t block_bytes, uint64_t least,
                        uint64_t most, bool *seen)
{
	size_t count = 0;
	uint32_t at = 0;

	while (at < block_bytes - 12) {
		uint32_t hash, ino = get32(block + at), length = get16(block + at + 4);

		assert_true(length >= 8u + block[at + 6] && length % 4 == 0);
		if (ino >= 100) {
			ext2fs_dirhash2(EXT2_HASH_HALF_MD4, (const char *)block + at + 8,
			                block[at + 6], NULL, 0, hash_seed, &hash, NULL);
			assert_true(hash >= least && hash <= most);
			assert_false(seen[ino - 100]);
			seen[ino - 100] = true;
			count++;
		}
		at += length;
	}
	assert_int_equal(at, block_bytes - 12);
	assert_int_equal(get16(block + at + 4), 12);
	assert_int_equal(block[at + 7], 0xde);
	assert_int_equal(get32(block + at + 8), crc32c(SEED, block, block_bytes - 12));
	return count;
}

/* Follows an index block from its countlimit on; returns how many entries lie below it. */
static size_t read_index(const struct ext4_dir_layout *layout, const unsigned char *image,
                         uint32_t logical, uint32_t offset, unsigned levels, uint64_t least,
                         uint64_t most, bool *seen)
{
	const unsigned char *block = image + (size_t)logical * layout->block_bytes;
	uint32_t limit = get16(block + offset), count = get16(block + offset + 2);
	uint32_t tail = offset + limit * 8;
	unsigned char zero[4] = { 0 };
	size_t found = 0;
	uint32_t csum;

	assert_true(count > 0 && count <= limit);
	assert_true(tail + 8 <= layout->block_bytes);
	csum = crc32c(crc32c(crc32c(SEED, block, offset + count * 8), block + tail, 4), zero, 4);
	assert_int_equal(get32(block + tail + 4), csum);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t from = i ? get32(block + offset + i * 8) & ~1u : least;
		/* The next one's low bit set: its hash is found here too. */
		uint32_t next = i + 1 < count ? get32(block + offset + (i + 1) * 8) : 0;
		uint64_t to = i + 1 < count ? (next & 1 ? next & ~1u : (uint64_t)next - 1) : most;
		uint32_t child = get32(block + offset + i * 8 + 4);

		assert_true(from >= least && to <= most && child < layout->blocks);
		if (levels)
			found += read_index(layout, image, child, 8, levels - 1, from, to, seen);
		else
			found += read_leaf(image + (size_t)child * layout->block_bytes,
			                   layout->block_bytes, from, to, seen);
	}
	return found;
}

static void check_directory(size_t count, size_t padding, uint32_t block_bytes, unsigned levels)
{
	struct ext4_dirent *entries = make_entries(count, padding);
	bool *seen = calloc(count + 1, sizeof(*seen));
	struct ext4_dir_layout layout;
	unsigned char *image;

	assert_int_equal(
		ext4_dir_lay_out(&layout, entries, count, block_bytes, 50, 2, SEED, hash_seed), 0);
	assert_true(layout.is_indexed);
	image = calloc(layout.blocks, block_bytes);
	for (uint32_t i = 0; i < layout.blocks; i++)
		ext4_dir_block(&layout, i, image + (size_t)i * block_bytes);
	assert_int_equal(get32(image), 50);
	assert_memory_equal(image + 12 + 8, "..", 2);
	assert_int_equal(get32(image + 12), 2);
	assert_int_equal(get16(image + 12 + 4), block_bytes - 12);
	assert_int_equal(image[28], EXT2_HASH_HALF_MD4);
	assert_int_equal(image[29], 8);
	assert_int_equal(image[30], levels);
	assert_int_equal(read_index(&layout, image, 0, 32, levels, 0, UINT32_MAX, seen), count);
	ext4_dir_layout_free(&layout);
	free(image);
	free(seen);
	free_entries(entries, count);
}

static void indexed_directories_are_read_back(void **state)
{
	(void)state;
	check_directory(400, 0, 4096, 0);
	check_directory(20000, 0, 4096, 0);
	check_directory(100000, 40, 4096, 1);
	check_directory(5000, 40, 1024, 1);
	check_directory(30000, 20, 2048, 1);
}

/* Entries of one hash that span two leaves: the second's index entry says so. */
static void hash_collisions_across_leaves_are_marked(void **state)
{
	struct ext4_dirent *entries = make_entries(300, 40);
	struct ext4_dir_layout layout;
	unsigned char block[4096] = { 0 };

	(void)state;
	assert_int_equal(ext4_dir_lay_out(&layout, entries, 300, 4096, 50, 2, SEED, hash_seed), 0);
	assert_true(layout.leaves > 2);
	entries[layout.leaf_start[1]].hash = entries[layout.leaf_start[1] - 1].hash;
	ext4_dir_block(&layout, 0, block);
	assert_int_equal(get32(block + 32 + 8), entries[layout.leaf_start[1]].hash | 1);
	assert_int_equal(get32(block + 32 + 16), entries[layout.leaf_start[2]].hash);
	ext4_dir_layout_free(&layout);
	free_entries(entries, 300);
}

/* A block that is full to the last byte, and one entry more than that. */
static void small_directories_have_one_block(void **state)
{
	struct ext4_dirent *entries = make_entries(85, 0);
	struct ext4_dir_layout layout;
	unsigned char block[1024] = { 0 };
	bool seen[85] = { false };
	size_t fits = (1024 - 12 - 24) / 12;

	(void)state;
	assert_int_equal(ext4_dir_lay_out(&layout, entries, fits, 1024, 50, 2, SEED, hash_seed), 0);
	assert_int_equal(layout.blocks, 1);
	assert_false(layout.is_indexed);
	ext4_dir_block(&layout, 0, block);
	assert_int_equal(read_leaf(block, 1024, 0, UINT32_MAX, seen), fits);
	ext4_dir_layout_free(&layout);
	assert_int_equal(ext4_dir_lay_out(&layout, entries, fits + 1, 1024, 50, 2, SEED, hash_seed),
	                 0);
	assert_true(layout.is_indexed);
	assert_int_equal(layout.blocks, 2); /* without "." and ".." all fit in one leaf */
	ext4_dir_layout_free(&layout);
	assert_int_equal(ext4_dir_lay_out(&layout, entries, 0, 1024, 50, 2, SEED, hash_seed), 0);
	memset(block, 0, sizeof(block));
	ext4_dir_block(&layout, 0, block);
	assert_int_equal(read_leaf(block, 1024, 0, UINT32_MAX, seen), 0);
	ext4_dir_layout_free(&layout);
	free_entries(entries, 85);
}

/* More leaves than two levels reach: 123 x 126 in blocks of 1024. */
static void giant_directories_go_without_index(void **state)
{
	static const char padding[] =
		"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		"pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp"
		"ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp";
	size_t count = 4 * 123 * 126 + 10;
	struct ext4_dirent *entries = calloc(count, sizeof(*entries));
	char(*names)[256] = calloc(count, sizeof(*names));
	struct ext4_dir_layout layout;
	bool *seen = calloc(count, sizeof(*seen));
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		entries[i].name = names[i];
		entries[i].name_length =
			(uint8_t)snprintf(names[i], sizeof(*names), "%08zu%s", i, padding);
		entries[i].ino = (uint32_t)i + 100;
	}
	assert_int_equal(ext4_dir_lay_out(&layout, entries, count, 1024, 50, 2, SEED, hash_seed),
	                 0);
	assert_false(layout.is_indexed);
	for (uint32_t i = 0; i < layout.blocks; i++) {
		unsigned char block[1024] = { 0 };

		ext4_dir_block(&layout, i, block);
		found += read_leaf(block, 1024, 0, UINT32_MAX, seen);
	}
	assert_int_equal(found, count);
	ext4_dir_layout_free(&layout);
	free(seen);
	free(names);
	free(entries);
}

/* --- attributes ------------------------------------------------------------------------------- */

static struct ext4_xattr attribute(const char *full_name, const void *value, uint32_t bytes)
{
	struct ext4_xattr result = { .value = value, .value_bytes = bytes };

	assert_true(ext4_xattr_split(full_name, &result));
	return result;
}

static void names_are_split(void **state)
{
	struct ext4_xattr result;

	(void)state;
	assert_true(ext4_xattr_split("security.capability", &result));
	assert_int_equal(result.name_index, 6);
	assert_int_equal(result.name_length, 10);
	assert_true(ext4_xattr_split("system.posix_acl_default", &result));
	assert_int_equal(result.name_index, 3);
	assert_int_equal(result.name_length, 0);
	assert_false(ext4_xattr_split("system.posix_acl_access2", &result));
	assert_false(ext4_xattr_split("system.nfs4_acl", &result));
	assert_false(ext4_xattr_split("user.", &result));
	assert_false(ext4_xattr_split("btrfs.compression", &result));
}

static void acls_are_turned_into_the_form_on_disk(void **state)
{
	static const unsigned char from[] = {
		2,  0, 0, 0,                         /* version */
		1,  0, 7, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
		2,  0, 5, 0, 0xe8, 3,    0,    0,    /* user 1000 */
		4,  0, 5, 0, 0xff, 0xff, 0xff, 0xff, /* group */
		8,  0, 4, 0, 0,    0x28, 0x6b, 0xee, /* group 4000000000 */
		16, 0, 5, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
		32, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, /* others */
	};
	static const unsigned char to[] = {
		1, 0, 0, 0, 1, 0, 7, 0,    2,    0,    5,  0, 0xe8, 3, 0,  0, 4, 0,
		5, 0, 8, 0, 4, 0, 0, 0x28, 0x6b, 0xee, 16, 0, 5,    0, 32, 0, 1, 0,
	};
	unsigned char result[sizeof(from)];

	(void)state;
	assert_int_equal(ext4_xattr_acl(from, sizeof(from), result), sizeof(to));
	assert_memory_equal(result, to, sizeof(to));
	memcpy(result, from, sizeof(from)); /* in place */
	assert_int_equal(ext4_xattr_acl(result, sizeof(from), result), sizeof(to));
	assert_memory_equal(result, to, sizeof(to));
	assert_int_equal(ext4_xattr_acl(from, sizeof(from) - 1, result), 0);
	assert_int_equal(ext4_xattr_acl(to, 4, result), 0);
}

static void attributes_fill_the_inode_to_its_end(void **state)
{
	static const char value[128];
	struct ext4_xattr list[3];
	bool needs_block;

	(void)state;
	/* 88 bytes: an entry of 16 + 4 and a value of 68. */
	list[0] = attribute("user.a", value, 68);
	assert_null(ext4_xattr_place(list, 1, 4096, &needs_block));
	assert_false(needs_block);
	list[0] = attribute("user.a", value, 69);
	assert_null(ext4_xattr_place(list, 1, 4096, &needs_block));
	assert_true(needs_block);
	assert_false(list[0].in_inode);
	/* By name, the first would take the inode and leave too much for the block. */
	list[0] = attribute("user.a", value, 8);
	list[1] = attribute("user.bb", value, 68);
	assert_null(ext4_xattr_place(list, 2, 100, &needs_block));
	assert_true(list[1].in_inode);
	assert_string_equal(list[1].name, "bb");
	list[2] = attribute("user.ccc", value, 68);
	assert_ptr_equal(ext4_xattr_place(list, 3, 100, &needs_block)->value, value);
}

/* The kernel's own hash of an entry in a block, written out again. */
static uint32_t entry_hash(const struct ext4_xattr *x)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < x->name_length; i++)
		hash = (hash << 5) ^ (hash >> 27) ^ (unsigned char)x->name[i];
	for (uint32_t i = 0; i < x->value_bytes; i += 4) {
		unsigned char word[4] = { 0 };

		memcpy(word, (const char *)x->value + i,
		       x->value_bytes - i < 4 ? x->value_bytes - i : 4);
		hash = (hash << 16) ^ (hash >> 16) ^ get32(word);
	}
	return hash;
}

static void attribute_blocks_are_sorted_hashed_and_summed(void **state)
{
	static const char big[200] = "big value";
	unsigned char block[1024] = { 0 }, number[8] = { 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12 };
	struct ext4_xattr list[] = {
		attribute("trusted.zz", big, 150), attribute("user.longer", big, 199),
		attribute("user.yy", big, 100),    attribute("user.xx", big, 151),
		attribute("security.s", big, 90),
	};
	static const char *const order[] = { "xx", "yy", "longer", "zz", "s" };
	uint32_t hash = 0, csum, saved;
	unsigned char *at = block + 32;
	bool needs_block;

	(void)state;
	assert_null(ext4_xattr_place(list, 5, 1024, &needs_block));
	ext4_xattr_write_block(list, 5, block, 1024, 0x123456789abc, SEED);
	assert_int_equal(get32(block), 0xea020000);
	assert_int_equal(get32(block + 4), 1);
	assert_int_equal(get32(block + 8), 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(at[0], strlen(order[i]));
		assert_memory_equal(at + 16, order[i], at[0]);
		assert_string_equal(list[i].name, order[i]);
		assert_int_equal(get32(at + 8), list[i].value_bytes);
		assert_memory_equal(block + get16(at + 2), big, list[i].value_bytes);
		assert_int_equal(get32(at + 12), entry_hash(&list[i]));
		hash = (hash << 16) ^ (hash >> 16) ^ entry_hash(&list[i]);
		at += (16 + at[0] + 3) & ~3;
	}
	assert_int_equal(get32(at), 0);
	assert_int_equal(get32(block + 12), hash);
	saved = get32(block + 16);
	memset(block + 16, 0, 4);
	csum = crc32c(crc32c(SEED, number, sizeof(number)), block, sizeof(block));
	assert_int_equal(saved, csum);
}

static void attributes_in_the_inode_count_from_its_first_entry(void **state)
{
	struct ext4_xattr list[] = { attribute("user.ab", "value", 5),
		                     attribute("user.empty", "", 0) };
	unsigned char where[EXT4_XATTR_INODE_BYTES] = { 0 };
	bool needs_block;

	(void)state;
	ext4_xattr_write_inode(list, 0, where);
	assert_int_equal(get32(where), 0);
	assert_null(ext4_xattr_place(list, 2, 1024, &needs_block));
	assert_false(needs_block);
	ext4_xattr_write_inode(list, 2, where);
	assert_int_equal(get32(where), 0xea020000);
	assert_int_equal(get16(where + 4 + 2), sizeof(where) - 8 - 4);
	assert_memory_equal(where + 4 + get16(where + 4 + 2), "value", 5);
	assert_int_equal(get32(where + 4 + 12), 0);
	assert_int_equal(get16(where + 4 + 20 + 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extents_join_and_split),
		cmocka_unit_test(extent_trees_have_the_blocks_they_need),
		cmocka_unit_test(extent_blocks_are_laid_out),
		cmocka_unit_test(indexed_directories_are_read_back),
		cmocka_unit_test(hash_collisions_across_leaves_are_marked),
		cmocka_unit_test(small_directories_have_one_block),
		cmocka_unit_test(giant_directories_go_without_index),
		cmocka_unit_test(names_are_split),
		cmocka_unit_test(acls_are_turned_into_the_form_on_disk),
		cmocka_unit_test(attributes_fill_the_inode_to_its_end),
		cmocka_unit_test(attribute_blocks_are_sorted_hashed_and_summed),
		cmocka_unit_test(attributes_in_the_inode_count_from_its_first_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
