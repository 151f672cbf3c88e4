/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's root directory, seen from outside. Of one that runs it is what its first
 * process sees; of one that does not, its volume is attached, and seen by this process alone.
 */
#ifndef CORE_CONTAINER_TREE_H
#define CORE_CONTAINER_TREE_H

#include "core/base/record.h"
#include "core/volume.h"

struct container_tree {
	struct store *store;
	int fd;          /* the root directory, opened for reading */
	bool has_mounts; /* of one that runs: with what is mounted on it */
	bool is_writable;
	bool is_attached; /* it does not run: `root` is attached, and its layers mounted */
	struct root root;
};

/*
 * Open the tree of the container that `record` describes; what an attached volume notes in it is
 * not saved. A process opens one tree: that of a container that does not run is mounted in a mount
 * namespace of its own, which the process then is in. STOR_BUSY: it is just starting or ending.
 * *tree must not be moved.
 */
int container_tree_open(struct store *store, const char *id, struct record *record,
                        struct container_tree *tree, struct stor_err *err);

/* The same for looking paths up in it, as the container does, and perhaps for writing: with what is
 * mounted in one that runs. */
int container_tree_enter(struct store *store, const char *id, struct record *record,
                         bool is_writable, struct container_tree *tree, struct stor_err *err);

/* Let go of it, and wait until its volume is released. result: of what was done with the tree,
 * which is returned; -1, with err filled, where it is none and letting go fails. */
int container_tree_close(struct container_tree *tree, int result, struct stor_err *err);

#endif
