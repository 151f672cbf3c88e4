/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of an export share: the layout of its filesystem, and its requests. */
#ifndef COMMON_EXPORT_FUSE_H
#define COMMON_EXPORT_FUSE_H

#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "common/export.h"

#define EXPORT_FILE_NAME "disk"
#define EXPORT_FILE_INODE 2u
#define EXPORT_ROOT_MODE (S_IFDIR | 0500u)
#define EXPORT_PAGE_BYTES 4096u
/* The most that one request carries. */
#define EXPORT_PAYLOAD_BYTES (1u << 20)
#define EXPORT_BACKGROUND 256u

/* What precedes the data of a write, which so begins at a page; other requests fit in, or continue
 * behind it where nobody reads them. */
struct export_head {
	struct fuse_in_header in;
	union {
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_fallocate_in fallocate;
		struct fuse_open_in open;
		uint32_t init[5]; /* major, minor, readahead, flags, flags2 */
		char name[sizeof(struct fuse_write_in)];
	};
};

/* A small answer. */
union export_answer {
	struct fuse_init_out init;
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct fuse_open_out open;
	struct fuse_statfs_out statfs;
	struct fuse_write_out write;
};

/* Answers everything but reads, writes, flushes and fallocates: the length of the answer, or a
 * negative errno value. */
int export_fuse_answer(const struct export_target *target, const struct export_head *head,
                       union export_answer *answer);

#endif
