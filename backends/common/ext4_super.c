/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Geometry, superblock and group descriptors: the frame that libext2fs makes, with the features
 * that mke2fs 1.47 gives a new ext4 (and metadata_csum_seed, so that a clone may get a UUID of its
 * own).
 *
 * Nothing is written to groups that hold nothing: the device reads as zeros, so their bitmaps stay
 * uninitialised and their inode tables count as zeroed, and the kernel has nothing to initialise
 * later either.
 *
 * resize_inode is kept, though its reserved descriptor blocks are most of what an empty filesystem
 * writes: the kernel grows a mounted filesystem into them in place, and turns to meta_bg by itself
 * beyond. So they are reserved for a growth that is likely, not for mke2fs's 1024 times.
 */
#include "common/ext4_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/ext4_io.h"
#include "common/host.h"

#define MIN_BYTES ((uint64_t)16 << 20)
#define DEFAULT_BLOCK_BYTES 4096u
#define RESERVED_PERCENT 5u
#define LOG_GROUPS_PER_FLEX 4u
#define EXTRA_INODE_BYTES 32u
#define CRC32C_CHECKSUMS 1u

int ext4_fail_library(long code, const char *operation, struct stor_err *err)
{
	if (code > 0 && code < 4096) /* an errno value, from the device */
		return host->fail(err, STOR_FAILED, (int)code, "%s", operation);
	initialize_ext2_error_table();
	return host->fail(err, STOR_FAILED, 0, "%s: %s", operation, error_message(code));
}

int ext4_check_params(const struct ext4_params *params, uint32_t *block_bytes, struct stor_err *err)
{
	uint32_t ratio = params->bytes_per_inode;

	*block_bytes = params->block_bytes ? params->block_bytes : DEFAULT_BLOCK_BYTES;
	if (*block_bytes != 1024 && *block_bytes != 2048 && *block_bytes != 4096)
		return host->fail(err, STOR_USAGE, 0,
		                  "ext4 block size of %u bytes: not 1024, 2048 or 4096",
		                  *block_bytes);
	if (ratio && (ratio < 1024 || ratio > 64u << 20))
		return host->fail(err, STOR_USAGE, 0,
		                  "ext4 inode ratio of %u bytes: not from 1024 to 64M", ratio);
	if (params->label && strlen(params->label) > EXT2_LABEL_LEN)
		return host->fail(err, STOR_USAGE, 0,
		                  "filesystem label \"%s\": longer than 16 bytes", params->label);
	return 0;
}

/* As mke2fs does by the types "big" and "huge" of its configuration. */
static uint32_t inode_ratio(const struct ext4_params *params, uint64_t size_bytes,
                            uint32_t block_bytes)
{
	uint32_t ratio = params->bytes_per_inode;

	if (!ratio)
		ratio = size_bytes >= (uint64_t)16 << 40  ? 65536
		        : size_bytes >= (uint64_t)4 << 40 ? 32768
		                                          : 16384;
	return ratio < block_bytes ? block_bytes : ratio;
}

static void set_features(struct ext2_super_block *super, uint64_t blocks, bool is_ephemeral)
{
	super->s_feature_compat = EXT2_FEATURE_COMPAT_DIR_INDEX | EXT2_FEATURE_COMPAT_EXT_ATTR;
	super->s_feature_incompat = EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
	                            EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG |
	                            EXT4_FEATURE_INCOMPAT_CSUM_SEED;
	super->s_feature_ro_compat =
		EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
		EXT4_FEATURE_RO_COMPAT_HUGE_FILE | EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
		EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
	/* No spare superblocks, and no megabytes of blocks reserved for growth, each of which takes
	 * a write now: s_backup_bgs names no group. */
	if (is_ephemeral)
		super->s_feature_compat |= EXT4_FEATURE_COMPAT_SPARSE_SUPER2;
	/* Its block numbers have 32 bits. */
	else if (blocks <= UINT32_MAX)
		super->s_feature_compat |= EXT2_FEATURE_COMPAT_RESIZE_INODE;
}

static uint64_t divide_up(uint64_t value, uint64_t by)
{
	return (value + by - 1) / by;
}

/* Blocks of group descriptors to reserve: for 1024 times the size where that is within 1 TiB, else
 * for 1 TiB, or for 16 times the size if that is more. One indirect block can name them all. */
static uint16_t reserved_descriptor_blocks(uint64_t size_bytes, uint32_t block_bytes)
{
	uint64_t group_bytes = (uint64_t)block_bytes * 8 * block_bytes, limit = (uint64_t)1 << 40;
	uint64_t per_block = block_bytes / EXT2_MIN_DESC_SIZE_64BIT, now, then;

	if (size_bytes > limit / 16)
		limit = size_bytes * 16;
	else if (size_bytes < limit / 1024)
		limit = size_bytes * 1024;
	if (limit / block_bytes > UINT32_MAX)
		limit = (uint64_t)UINT32_MAX * block_bytes;
	now = divide_up(divide_up(size_bytes, group_bytes), per_block);
	then = divide_up(divide_up(limit, group_bytes), per_block);
	return (uint16_t)(then - now > block_bytes / 4 ? block_bytes / 4 : then - now);
}

/* What libext2fs does not take from a caller. */
static void set_identity(struct ext4_writer *w)
{
	struct ext2_super_block *super = w->fs->super;
	unsigned char random[32];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		memset(random, 0x5a, sizeof(random)); /* not before Linux 3.17 */
	memcpy(super->s_uuid, random, 16);
	super->s_uuid[6] = (super->s_uuid[6] & 0x0f) | 0x40; /* version 4 */
	super->s_uuid[8] = (super->s_uuid[8] & 0x3f) | 0x80;
	memcpy(super->s_hash_seed, random + 16, 16);
	memcpy(w->hash_seed, super->s_hash_seed, 16);
	super->s_def_hash_version = EXT2_HASH_HALF_MD4;
	super->s_flags |= EXT2_FLAGS_SIGNED_HASH;
	super->s_checksum_type = CRC32C_CHECKSUMS;
	super->s_checksum_seed = ext2fs_crc32c_le(~0u, super->s_uuid, sizeof(super->s_uuid));
	w->csum_seed = super->s_checksum_seed;
	ext2fs_init_csum_seed(w->fs);
	super->s_max_mnt_count = -1;
	super->s_checkinterval = 0;
	super->s_min_extra_isize = super->s_want_extra_isize = EXTRA_INODE_BYTES;
	super->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	super->s_mkfs_time = super->s_lastcheck = super->s_wtime = (uint32_t)w->now;
	if (w->params->label)
		memcpy(super->s_volume_name, w->params->label, strlen(w->params->label));
}

static int make_frame(struct ext4_writer *w, struct blockdev *dev, struct stor_err *err)
{
	struct ext2_super_block super = { .s_rev_level = EXT2_DYNAMIC_REV };
	uint64_t blocks = dev->size_bytes / w->block_bytes, inodes, reserved;
	char name[EXT4_IO_NAME_MAX];
	errcode_t code;

	super.s_log_block_size = (uint32_t)__builtin_ctz(w->block_bytes) - 10;
	super.s_log_cluster_size = super.s_log_block_size;
	super.s_inode_size = EXT4_INODE_BYTES;
	super.s_log_groups_per_flex = LOG_GROUPS_PER_FLEX;
	/* Before the counts, of which the upper half is only set where the features have one. */
	set_features(&super, blocks, w->params->is_ephemeral);
	ext2fs_blocks_count_set(&super, blocks);
	reserved = blocks / 100 * RESERVED_PERCENT;
	ext2fs_r_blocks_count_set(&super, reserved);
	inodes = dev->size_bytes / inode_ratio(w->params, dev->size_bytes, w->block_bytes);
	super.s_inodes_count = inodes > UINT32_MAX ? UINT32_MAX : (uint32_t)inodes;
	if (super.s_feature_compat & EXT2_FEATURE_COMPAT_RESIZE_INODE)
		super.s_reserved_gdt_blocks =
			reserved_descriptor_blocks(dev->size_bytes, w->block_bytes);
	code = ext2fs_initialize(ext4_io_name(dev, name), EXT2_FLAG_64BITS, &super,
	                         ext4_io_manager(), &w->fs);
	if (code)
		return ext4_fail_library(code, "lay out ext4 filesystem", err);
	set_identity(w);
	code = ext2fs_allocate_tables(w->fs);
	if (code)
		return ext4_fail_library(code, "lay out ext4 inode tables", err);
	w->inode_count = w->fs->super->s_inodes_count;
	return 0;
}

static void set_defaults(struct ext4_writer *w, const struct ext4_params *params)
{
	memset(w, 0, sizeof(*w));
	w->params = params;
	w->now = time(NULL);
	w->next_ino = EXT2_GOOD_OLD_FIRST_INO;
}

int ext4_writer_open(struct ext4_writer *w, struct blockdev *dev, const struct ext4_params *params,
                     struct stor_err *err)
{
	set_defaults(w, params);
	if (ext4_check_params(params, &w->block_bytes, err) < 0)
		return -1;
	if (dev->size_bytes < MIN_BYTES) {
		host->fail(err, STOR_USAGE, 0, "%llu bytes are too small for an ext4 filesystem",
		           (unsigned long long)dev->size_bytes);
		host->hint(err, "give a --size of at least 16M");
		return -1;
	}
	if (make_frame(w, dev, err) < 0)
		return -1;
	w->out.dev = dev;
	return ext4_out_open(w, err);
}

int ext4_writer_open_plan(struct ext4_writer *w, const struct ext4_params *params,
                          struct stor_err *err)
{
	set_defaults(w, params);
	w->is_plan = true;
	w->inode_count = UINT32_MAX;
	if (ext4_check_params(params, &w->block_bytes, err) < 0)
		return -1;
	return ext4_out_open(w, err);
}

int ext4_writer_finish(struct ext4_writer *w, struct stor_err *err)
{
	ext2_filsys fs = w->fs;
	errcode_t code;

	if (ext4_write_inodes(w, err) < 0 || ext4_out_drain(w, err) < 0)
		return -1;
	ext4_out_settle(&w->out);
	for (dgrp_t group = 0; group < fs->group_desc_count; group++) {
		ext2fs_bg_flags_set(fs, group, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, group);
	}
	ext2fs_mark_super_dirty(fs);
	ext2fs_mark_bb_dirty(fs);
	ext2fs_mark_ib_dirty(fs);
	w->fs = NULL;
	code = ext2fs_close2(fs, EXT2_FLAG_FLUSH_NO_SYNC);
	if (!code && w->params->sync)
		code = -blockdev_flush(w->out.dev);
	return code ? ext4_fail_library(code, "write ext4 metadata", err) : 0;
}

void ext4_writer_close(struct ext4_writer *w)
{
	ext4_out_close(&w->out);
	if (w->fs)
		ext2fs_free(w->fs);
	ext4_free_inodes(w);
	ext4_extents_free(&w->extents);
}
