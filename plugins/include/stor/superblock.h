/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the first bytes of a device or image file say about the filesystem on it: enough to choose a
 * loop device's block size, to see that an image was cut, and to refuse what must not be mounted.
 * Nothing in it can be trusted; every field is only a claim.
 */
#ifndef STOR_SUPERBLOCK_H
#define STOR_SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <stor/util.h>

struct stor_superblock {
	/* Static string: ext2, ext3, ext4, xfs, btrfs, squashfs, erofs; NULL: none of them. */
	const char *fs_type;
	/* Largest logical block size of a device on which it mounts. */
	uint32_t block_bytes;
	uint64_t size_bytes; /* what it needs of its device */
	uint8_t uuid[16];    /* xfs, btrfs, ext */
	/* ext: it names a journal on another device, or is one. */
	bool has_external_journal;
	bool needs_recovery;    /* ext: the journal holds what must be replayed */
	bool has_mount_options; /* ext: it asks for mount options of its own */
	uint64_t device_count;  /* btrfs: devices that it spans; others: 1 */
};

static inline uint32_t stor_le16_(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t stor_le32_(const uint8_t *p)
{
	return stor_le16_(p) | stor_le16_(p + 2) << 16;
}

static inline uint64_t stor_le64_(const uint8_t *p)
{
	return stor_le32_(p) | (uint64_t)stor_le32_(p + 4) << 32;
}

static inline uint32_t stor_be32_(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline bool stor_all_zero_(const uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i])
			return false;
	return true;
}

/* ext2, ext3, ext4: `p` is the superblock, at byte 1024 of the device. */
static inline bool stor_superblock_ext_(const uint8_t *p, struct stor_superblock *sb)
{
	uint32_t compat = stor_le32_(p + 0x5c), incompat = stor_le32_(p + 0x60);
	uint32_t ro_compat = stor_le32_(p + 0x64), shift = stor_le32_(p + 0x18);
	bool has_journal = compat & 0x4;
	uint64_t blocks = stor_le32_(p + 0x4);

	if (stor_le16_(p + 0x38) != 0xef53)
		return false;
	/* Beyond filetype, recover, journal_dev and meta_bg; sparse_super, large_file, btree. */
	if (incompat & ~0x1eu || ro_compat & ~0x7u)
		sb->fs_type = "ext4";
	else
		sb->fs_type = has_journal ? "ext3" : "ext2";
	if (incompat & 0x80)
		blocks |= (uint64_t)stor_le32_(p + 0x150) << 32;
	sb->block_bytes = shift <= 6 ? 1024u << shift : 1024u;
	sb->size_bytes = blocks > UINT64_MAX >> 16 ? UINT64_MAX : blocks * sb->block_bytes;
	memcpy(sb->uuid, p + 0x68, sizeof(sb->uuid));
	sb->needs_recovery = incompat & 0x4;
	sb->has_external_journal = incompat & 0x8 || stor_le32_(p + 0xe4) ||
	                           !stor_all_zero_(p + 0xd0, 16) ||
	                           (has_journal && !stor_le32_(p + 0xe0));
	sb->has_mount_options = p[0x200];
	return true;
}

static inline bool stor_superblock_xfs_(const uint8_t *p, struct stor_superblock *sb)
{
	uint64_t blocks;

	if (memcmp(p, "XFSB", 4) != 0)
		return false;
	sb->fs_type = "xfs";
	sb->block_bytes = (uint32_t)p[0x66] << 8 | p[0x67];
	blocks = (uint64_t)stor_be32_(p + 8) << 32 | stor_be32_(p + 12);
	sb->size_bytes =
		blocks > UINT64_MAX >> 16 ? UINT64_MAX : blocks * (stor_be32_(p + 4) & 0x1ffff);
	memcpy(sb->uuid, p + 0x20, sizeof(sb->uuid));
	return true;
}

/* The superblock lies at byte 65536. */
static inline bool stor_superblock_btrfs_(const uint8_t *p, struct stor_superblock *sb)
{
	if (memcmp(p + 0x40, "_BHRfS_M", 8) != 0)
		return false;
	sb->fs_type = "btrfs";
	sb->block_bytes = stor_le32_(p + 0x90);
	sb->size_bytes = stor_le64_(p + 0xc9 + 8);
	sb->device_count = stor_le64_(p + 0x88);
	memcpy(sb->uuid, p + 0x20, sizeof(sb->uuid));
	return true;
}

/* `p` holds the first 4096 bytes of the device. */
static inline bool stor_superblock_archive_(const uint8_t *p, struct stor_superblock *sb)
{
	const uint8_t *erofs = p + 1024;

	if (!memcmp(p, "hsqs", 4)) {
		sb->fs_type = "squashfs";
		sb->block_bytes = 512;
		sb->size_bytes = stor_le64_(p + 40);
		return true;
	}
	if (stor_le32_(erofs) == 0xe0f5e1e2u && erofs[12] >= 9 && erofs[12] <= 16) {
		sb->fs_type = "erofs";
		sb->block_bytes = 1u << erofs[12];
		sb->size_bytes = (uint64_t)stor_le32_(erofs + 36) << erofs[12];
		return true;
	}
	return false;
}

/* Read the claims of the filesystem on a device or file. Returns 0, with fs_type NULL when it is
 * none of those above; or -1 with errno when it cannot be read. */
static inline int stor_superblock_read(int fd, struct stor_superblock *sb)
{
	uint8_t start[4096];
	ssize_t got;

	memset(sb, 0, sizeof(*sb));
	memset(start, 0, sizeof(start));
	sb->device_count = 1;
	if (pread_all(fd, start, sizeof(start), 0) < 0)
		return -1;
	if (!stor_superblock_ext_(start + 1024, sb) && !stor_superblock_xfs_(start, sb) &&
	    !stor_superblock_archive_(start, sb)) {
		got = pread_all(fd, start, sizeof(start), 65536);
		if (got < 0)
			return -1;
		if (got == (ssize_t)sizeof(start))
			stor_superblock_btrfs_(start, sb);
	}
	/* What a loop device can have. */
	if (sb->block_bytes > 4096)
		sb->block_bytes = 4096;
	if (sb->block_bytes < 512 || sb->block_bytes & (sb->block_bytes - 1))
		sb->block_bytes = 512;
	return 0;
}

#endif
