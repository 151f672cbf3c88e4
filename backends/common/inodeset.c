/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files with several links: see inodeset.h. */
#include "common/inodeset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The slot that holds this file, or the free one where it belongs. */
static struct inodeset_entry *slot_of(const struct inodeset *set, dev_t device, ino_t inode)
{
	uint64_t hash = ((uint64_t)inode ^ (uint64_t)device << 40) * 0x9e3779b97f4a7c15u;
	size_t at = (size_t)(hash >> 20) & (set->room - 1);

	while (set->slots[at].path &&
	       (set->slots[at].inode != inode || set->slots[at].device != device))
		at = (at + 1) & (set->room - 1);
	return &set->slots[at];
}

const char *inodeset_find(const struct inodeset *set, dev_t device, ino_t inode)
{
	return set->room ? slot_of(set, device, inode)->path : NULL;
}

static int grow(struct inodeset *set)
{
	struct inodeset larger = { .room = set->room ? set->room * 2 : 256, .count = set->count };

	larger.slots = calloc(larger.room, sizeof(*larger.slots));
	if (!larger.slots)
		return -1;
	for (size_t i = 0; i < set->room; i++)
		if (set->slots[i].path)
			*slot_of(&larger, set->slots[i].device, set->slots[i].inode) =
				set->slots[i];
	free(set->slots);
	*set = larger;
	return 0;
}

int inodeset_add(struct inodeset *set, dev_t device, ino_t inode, const char *path)
{
	struct inodeset_entry *slot;
	char *copy;

	if (set->count * 2 >= set->room && grow(set) < 0)
		return -1;
	slot = slot_of(set, device, inode);
	if (slot->path)
		return 0;
	copy = strdup(path);
	if (!copy)
		return -1;
	*slot = (struct inodeset_entry){ .device = device, .inode = inode, .path = copy };
	set->count++;
	return 0;
}

void inodeset_free(struct inodeset *set)
{
	for (size_t i = 0; i < set->room; i++)
		free(set->slots[i].path);
	free(set->slots);
	*set = (struct inodeset){ 0 };
}
