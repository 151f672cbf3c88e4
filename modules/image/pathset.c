/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of paths: see pathset.h. */
#include "modules/image/pathset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

/* FNV-1a, with a start that only this process knows: an archive cannot choose names that collide.
 */
static uint64_t hash(const char *path, size_t length)
{
	static const char salt;
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)(uintptr_t)&salt;

	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)path[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

static char **find_slot(const struct pathset *set, const char *path, size_t length)
{
	size_t mask = set->slot_count - 1, i = (size_t)hash(path, length) & mask;

	while (set->slots[i] &&
	       (strncmp(set->slots[i], path, length) != 0 || set->slots[i][length]))
		i = (i + 1) & mask;
	return &set->slots[i];
}

static void grow(struct pathset *set)
{
	struct pathset old = *set;

	if (2 * (set->used + 1) <= set->slot_count)
		return;
	set->slot_count = old.slot_count ? 2 * old.slot_count : 256;
	set->slots = xcalloc(set->slot_count, sizeof(*set->slots));
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slots[i])
			*find_slot(set, old.slots[i], strlen(old.slots[i])) = old.slots[i];
	free(old.slots);
}

void pathset_add(struct pathset *set, const char *path)
{
	size_t length = strlen(path);

	/* A path that is there has its parents there. */
	while (length) {
		char **slot;

		grow(set);
		slot = find_slot(set, path, length);
		if (*slot)
			return;
		*slot = xstrndup(path, length);
		set->used++;
		while (length && path[length - 1] != '/')
			length--;
		if (length)
			length--;
	}
}

bool pathset_has(const struct pathset *set, const char *path)
{
	return set->slot_count && *find_slot(set, path, strlen(path));
}

void pathset_free(struct pathset *set)
{
	for (size_t i = 0; i < set->slot_count; i++)
		free(set->slots[i]);
	free(set->slots);
	memset(set, 0, sizeof(*set));
}
