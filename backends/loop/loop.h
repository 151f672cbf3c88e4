/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The `loop` backend: an ext4 filesystem in a sparse file. What its files share. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <limits.h>
#include <stdbool.h>

#include <stor/backend.h>

/* Rows of the parameter table, which stor_volume.values is parallel to. */
enum loop_param {
	LOOP_INODE_RATIO,
	LOOP_JOURNAL,
	LOOP_BLOCK_SIZE,
	LOOP_DIRECT_IO,
	LOOP_DISCARD,
};

/* Choices of LOOP_DIRECT_IO. */
enum loop_direct_io { LOOP_DIRECT_AUTO, LOOP_DIRECT_YES, LOOP_DIRECT_NO };

/* Path of the image file, at most `size` bytes, in buf. Returns buf. */
const char *loop_image_path(const struct stor_volume *volume, char *buf, size_t size);

/* Open the image file, which must be a regular one. flags: O_RDONLY or O_RDWR. -1 with err filled.
 */
int loop_open_image(const struct stor_volume *volume, int flags, struct stor_err *err);

/* flock the image's descriptor, waiting at most wait_ms: STOR_BUSY after that. */
int loop_lock_image(const struct stor_volume *volume, int image_fd, int operation, uint32_t wait_ms,
                    struct stor_err *err);

/* Callbacks: create.c */
int loop_create(const struct stor_volume *volume, const struct stor_create_req *req,
                struct stor_err *err);
int loop_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
               struct stor_err *err);

/* Callbacks: check.c */
int loop_check(const struct stor_volume *volume, const struct stor_check_req *req,
               enum stor_verdict *verdict, struct stor_err *err);

/* Callbacks: size.c */
int loop_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err);
int loop_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                struct stor_err *err);

/* Callbacks: compact.c */
int loop_compact(const struct stor_volume *volume, struct stor_compact_req *req,
                 struct stor_err *err);

#endif
