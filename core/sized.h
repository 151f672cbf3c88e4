/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Structs of <stor/backend.h> that a backend made: with another header, perhaps, than this stor. */
#ifndef CORE_SIZED_H
#define CORE_SIZED_H

#include <string.h>

/*
 * Copy what both sides know of a struct that starts with its size; the rest of ours is zero, and it
 * has our size. Returns 0; -1 when theirs is smaller than `least`, the size in version 1: then its
 * maker forgot to set it.
 */
static inline int sized_take(void *ours, size_t our_size, const void *theirs, size_t least)
{
	size_t their_size;

	memcpy(&their_size, theirs, sizeof(their_size));
	if (their_size < least)
		return -1;
	memset(ours, 0, our_size);
	memcpy(ours, theirs, their_size < our_size ? their_size : our_size);
	memcpy(ours, &our_size, sizeof(our_size));
	return 0;
}

#endif
