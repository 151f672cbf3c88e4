/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making an ext filesystem smaller, by resize2fs(8): no library does it. */
#ifndef COMMON_EXT4_SHRINK_H
#define COMMON_EXT4_SHRINK_H

#include <stdint.h>

#include <stor/backend.h>

/*
 * Make the filesystem on `fd`, a file or block device that nobody has mounted, end within
 * room_bytes. Checked and recovered before. `name` is for messages. One that does already stays as
 * it is. Fails, with nothing changed but what the check mends: STOR_UNSUPPORTED, no ext filesystem;
 * STOR_USAGE, its files need more, and how much.
 */
int ext4_shrink(int fd, uint64_t room_bytes, const char *name, struct stor_err *err);

#endif
