/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set of normalised paths: what one layer brought, so that its whiteouts spare it. */
#ifndef IMAGE_PATHSET_H
#define IMAGE_PATHSET_H

#include <stdbool.h>
#include <stddef.h>

struct pathset {
	char **slots;
	size_t used, slot_count;
};

/* Add a path and its parents. */
void pathset_add(struct pathset *set, const char *path);
bool pathset_has(const struct pathset *set, const char *path);
void pathset_free(struct pathset *set);

#endif
