/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btrfs finds its devices by the filesystem's UUID, wherever they are: mounting one of two clones
 * may give the other one's content. These checks, before the mount and after it, keep that from
 * happening.
 */
#ifndef CORE_FSMOUNT_BTRFS_H
#define CORE_FSMOUNT_BTRFS_H

#include <stor/superblock.h>

#include "core/base/err.h"

/* Refuse a filesystem of several devices (STOR_UNSUPPORTED), and one that is mounted from another
 * device now (STOR_BUSY). `node` names the device. */
int fsmount_btrfs_refuse(int block_fd, const char *node, const struct stor_superblock *sb,
                         struct stor_err *err);

/* Is this mount's only device the one that was meant? */
int fsmount_btrfs_verify(int mount_fd, int block_fd, const char *node, struct stor_err *err);

#endif
