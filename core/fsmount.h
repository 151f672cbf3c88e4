/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounting the filesystem on a block device as a detached mount, with stor's policy for content
 * that nobody vouches for: nodev always; ext4 with errors=remount-ro whatever its superblock says,
 * and refused with an external journal or mount options of its own; xfs with nouuid; btrfs refused
 * when the same filesystem is mounted from another device.
 */
#ifndef CORE_FSMOUNT_H
#define CORE_FSMOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

struct fsmount_opts {
	const char *fs_type; /* NULL: found out from the device */
	bool read_only; /* ext4, xfs: also without replaying the journal (noload, norecovery) only
	                   when the device itself is read-only */
	bool discard;   /* pass freed blocks to the device */
	int userns_fd;  /* mount it mapped by this user namespace; -1: not */
	const char *label; /* context= ; NULL: none */
};

/* Returns a detached mount (close-on-exec), or -1 with err filled; *fs_type, when not NULL, is set
 * to a static name of what was found. */
int fsmount_block(int block_fd, const struct fsmount_opts *opts, const char **fs_type,
                  struct stor_err *err);

/* Put attributes (MOUNT_ATTR_RDONLY, _NODEV, …) on a detached mount and all below it. */
int fsmount_set_attr(int mount_fd, uint64_t attr_set, struct stor_err *err);

/* Map a detached mount's ids by a user namespace (MOUNT_ATTR_IDMAP). */
int fsmount_set_userns(int mount_fd, int userns_fd, struct stor_err *err);

/* Grow a mounted filesystem to the size of its device. root_fd: its root directory. */
int fsmount_grow(int root_fd, struct stor_err *err);

#endif
