/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files with several links that were met on a walk: device and inode number to the path of the
 * first one. */
#ifndef COMMON_INODESET_H
#define COMMON_INODESET_H

#include <stddef.h>
#include <sys/types.h>

struct inodeset_entry {
	dev_t device;
	ino_t inode;
	char *path; /* NULL: the slot is free */
};

struct inodeset {
	struct inodeset_entry *slots; /* open addressing; room is a power of two */
	size_t room, count;
};

/* The path under which this file was added, or NULL. */
const char *inodeset_find(const struct inodeset *set, dev_t device, ino_t inode);
/* Copies the path. Returns 0, or -1: no memory. */
int inodeset_add(struct inodeset *set, dev_t device, ino_t inode, const char *path);
void inodeset_free(struct inodeset *set);
#define cleanup_inodeset __attribute__((cleanup(inodeset_free)))

#endif
