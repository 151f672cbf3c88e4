/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making ext4 filesystems on a blockdev, with content, in this process: no mount, no loop device,
 * no mkfs. Built on libext2fs through an io_manager over blockdev; the content is written in one
 * pass (targets.md of the project's notes: the data path, not the library, is what is fast).
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
	uint32_t bytes_per_inode; /* 0: 16384 */
	bool has_journal;         /* sized by the filesystem's size, as mke2fs does */
	const char *label;        /* at most 16 bytes; NULL: none */
	bool sync;                /* flush the device at the end */
};

/* Make a filesystem that fills `dev` (which reads as zeros throughout), with the tree below
 * source_fd as its content, or empty when source_fd is -1. */
int ext4_make(struct blockdev *dev, const struct ext4_params *params, int source_fd,
              const char *source_path, struct stor_err *err);

/* Bytes that a filesystem needs at least to hold the tree below source_fd with these parameters,
 * rounded up to MiB; nothing to spare. */
int ext4_estimate(int source_fd, const char *source_path, const struct ext4_params *params,
                  uint64_t *size_bytes, struct stor_err *err);

#endif
