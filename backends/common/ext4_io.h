/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libext2fs over a block device in user space: ext2fs_initialize() and ext2fs_open() take what this
 * gives for a name and a manager.
 *
 *	char name[EXT4_IO_NAME_MAX];
 *	ext2fs_open(ext4_io_name(dev, name), EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0,
 *ext4_io_manager(), &fs);
 */
#ifndef COMMON_EXT4_IO_H
#define COMMON_EXT4_IO_H

#include <ext2fs/ext2fs.h>

#include "common/blockdev.h"

#define EXT4_IO_NAME_MAX 32

/*
 * The manager. Writes to neighbouring blocks are gathered and reach the device in one call; reads
 * see them before. A flush makes everything durable, unless libext2fs was told
 * EXT2_FLAG_FLUSH_NO_SYNC. Closing a channel leaves the device open.
 */
io_manager ext4_io_manager(void);

/* The name that stands for a device in this process, in buf (EXT4_IO_NAME_MAX bytes). Returns buf.
 */
const char *ext4_io_name(struct blockdev *dev, char *buf);

#endif
