/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two trees of files. */
#ifndef CORE_TREE_DIFF_H
#define CORE_TREE_DIFF_H

#include "core/base/err.h"

enum tree_change { TREE_ADDED, TREE_CHANGED, TREE_DELETED };

/* Takes one path, which begins with '/'; -1 with err filled ends the walk. */
typedef int (*tree_change_fn)(void *ctx, enum tree_change change, const char *path,
                              struct stor_err *err);

/*
 * Tell, in the order of their names, what the tree at `to` has that differs from `from`: files of
 * other kind, owner, mode, size, time of change, device or link text; folders with anything that
 * differs in them. Of what was added or deleted, every entry. What is mounted in `to` is left out.
 */
int tree_diff(int from_fd, int to_fd, tree_change_fn tell, void *ctx, struct stor_err *err);

#endif
