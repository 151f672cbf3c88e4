/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a file's content lies on its filesystem, by the filesystem's own account (FIEMAP). */
#ifndef COMMON_EXTENTS_H
#define COMMON_EXTENTS_H

#include <linux/fiemap.h>
#include <stdbool.h>
#include <stdint.h>

#define EXTENTS_AT_ONCE 64

/* A walk through the extents of a range. It owns nothing. */
struct extents {
	int fd;
	uint64_t at, end; /* what is not asked for yet, in bytes */
	uint32_t next;
	bool has_seen_last; /* of the file */
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + EXTENTS_AT_ONCE * sizeof(struct fiemap_extent)];
	} u;
};

/* Begin with the extent that holds byte `offset`, or the first after it. The range may reach beyond
 * the end of the file. fd is borrowed. */
void extents_begin(struct extents *walk, int fd, uint64_t offset, uint64_t length);

/* The next one, valid until the call after it; the first may begin before the range, and the last
 * end after it. NULL: there is none, or the filesystem tells nothing. */
const struct fiemap_extent *extents_next(struct extents *walk);

/* Bytes of the file that other files share; 0 where the filesystem tells nothing. */
uint64_t extents_shared_bytes(int fd);

#endif
