/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of this machine, copied into a tree under construction. */
#ifndef IMAGE_COPY_H
#define IMAGE_COPY_H

#include "modules/image/tree.h"

/* Copy all that is in and below the directory, with every attribute, holes and hard links kept;
 * what is mounted on it stays out, its mount points become empty directories. */
int copy_directory(int source_fd, const char *source, struct tree *tree, struct stor_err *err);

/* Files with several names, as a walk meets them. */
struct hard_links {
	struct hard_link {
		dev_t device;
		ino_t inode;
		char *path;
	} * slots;
	size_t used, slot_count;
};

/* Path of the file's first name; NULL: this is the first, and `path` is remembered. */
const char *hard_links_find(struct hard_links *links, const struct stat *st, const char *path);
void hard_links_free(struct hard_links *links);
#define cleanup_hard_links __attribute__((cleanup(hard_links_free)))

/* Mount that an open directory lies on; 0 with errno where that cannot be told. */
uint64_t copy_mount_id(int fd);

#endif
