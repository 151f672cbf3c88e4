/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making ext4 filesystems on a blockdev, with content, in this process: no mount, no loop device,
 * no mkfs. Built on libext2fs through an io_manager over blockdev; the content is written in one
 * pass: the data path, not the library, is what is slow elsewhere.
 *
 * What is kept: type, mode, owner and group, atime, mtime and ctime in nanoseconds (the source's
 * time of birth too, where it has one), sizes and holes, hard links, targets of links, device
 * numbers, extended attributes of user, trusted and security, POSIX ACLs, and the flags i, a and d
 * of chattr(1). Whatever ext4 cannot hold is refused by name: an attribute of another kind, or
 * larger than a block, a link of a block or more, a file of more than 2^32 blocks or 65000 names.
 *
 * Reached is only what lies below source_fd, without following links. A mount below it is not
 * entered: its root becomes an empty directory, or an empty file, with the attributes that are to
 * be seen. A top directory without lost+found gets one.
 */
#ifndef COMMON_EXT4_H
#define COMMON_EXT4_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "common/blockdev.h"

struct ext4_params {
	uint32_t block_bytes;     /* 1024, 2048 or 4096; 0: 4096 (1024 below 64 MiB is for the
	                             caller to choose) */
	uint32_t bytes_per_inode; /* 1024 to 64 MiB; 0: 16384, as mke2fs more from 4 TiB on */
	bool has_journal;         /* sized by the filesystem's size, as mke2fs does */
	const char *label;        /* at most 16 bytes; NULL: none */
	bool sync;                /* flush the device at the end */
	bool is_ephemeral;        /* nothing in it that is only of use later */
};

/*
 * Make a filesystem that fills `dev` (of at least 16 MiB, which reads as zeros throughout), with
 * the tree below source_fd as its content, or empty when source_fd is -1. source_path names the
 * tree in messages. A tree that is too large is refused with the size that it needs. After a
 * failure the device holds nothing of use.
 */
int ext4_make(struct blockdev *dev, const struct ext4_params *params, int source_fd,
              const char *source_path, struct stor_err *err);

/*
 * Bytes that a filesystem needs at least to hold the tree below source_fd with these parameters,
 * rounded up to MiB; nothing to spare. Walks the tree, but reads no file.
 */
int ext4_estimate(int source_fd, const char *source_path, const struct ext4_params *params,
                  uint64_t *size_bytes, struct stor_err *err);

#endif
