/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See extents.h. */
#include "common/extents.h"

#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

void extents_begin(struct extents *walk, int fd, uint64_t offset, uint64_t length)
{
	*walk = (struct extents){ .fd = fd, .at = offset, .end = offset + length };
}

/* Asks for the next few. */
static bool read_more(struct extents *walk)
{
	struct fiemap *map = &walk->u.map;

	if (walk->at >= walk->end || walk->has_seen_last)
		return false;
	memset(map, 0, sizeof(*map));
	map->fm_start = walk->at;
	map->fm_length = walk->end - walk->at;
	map->fm_extent_count = EXTENTS_AT_ONCE;
	walk->next = 0;
	if (ioctl(walk->fd, FS_IOC_FIEMAP, map) < 0)
		map->fm_mapped_extents = 0;
	return map->fm_mapped_extents > 0;
}

const struct fiemap_extent *extents_next(struct extents *walk)
{
	const struct fiemap_extent *extent;

	if (walk->next >= walk->u.map.fm_mapped_extents && !read_more(walk))
		return NULL;
	extent = &walk->u.map.fm_extents[walk->next++];
	walk->at = extent->fe_logical + extent->fe_length;
	walk->has_seen_last = extent->fe_flags & FIEMAP_EXTENT_LAST;
	return extent;
}

uint64_t extents_shared_bytes(int fd)
{
	const struct fiemap_extent *extent;
	struct extents walk;
	uint64_t shared = 0;

	extents_begin(&walk, fd, 0, FIEMAP_MAX_OFFSET);
	while ((extent = extents_next(&walk)))
		if (extent->fe_flags & FIEMAP_EXTENT_SHARED)
			shared += extent->fe_length;
	return shared;
}
