/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole directory trees: copied with every attribute, measured, removed. */
#ifndef SNAPDIR_TREE_H
#define SNAPDIR_TREE_H

#include <stor/backend.h>

/* The host's services, kept by snapdir's load callback. */
extern const struct stor_host *host;

enum tree_copy_mode {
	TREE_COPY_AUTO,    /* share blocks where the filesystem can, else copy */
	TREE_COPY_REFLINK, /* share blocks, or fail */
	TREE_COPY_FULL,    /* always copy */
};

/* Copy what lies below from_fd into the empty directory to_fd, the directory's own attributes
 * included. Durable on return. */
int tree_copy(int from_fd, int to_fd, enum tree_copy_mode mode, struct stor_err *err);

/* Remove everything below dir_fd, leaving the directory. Returns 0, or -1 with errno. */
int tree_empty(int dir_fd);

/* Bytes that the tree takes on disk, files with several names counted once. */
int tree_measure(int dir_fd, uint64_t *bytes, struct stor_err *err);

#endif
