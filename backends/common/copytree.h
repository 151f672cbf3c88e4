/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole trees of files: copied with every attribute, measured, removed. Symbolic links are never
 * followed and other filesystems mounted within the tree never entered. Each level of depth takes
 * two descriptors, so trees deeper than half of RLIMIT_NOFILE fail with that error.
 */
#ifndef COMMON_COPYTREE_H
#define COMMON_COPYTREE_H

#include <stdint.h>

#include <stor/backend.h>

/*
 * Copy everything below from_fd, and its own attributes, into the empty directory to_fd: owner,
 * mode, times in nanoseconds, hard links, symbolic links, devices, fifos, sockets, extended
 * attributes (so ACLs and capabilities), holes. An attribute that the target cannot hold is a
 * failure. from_path names the source in messages. Not synced.
 */
int copytree(int from_fd, const char *from_path, int to_fd, enum stor_clone_mode mode,
             struct stor_err *err);

/* Space that the tree takes on its filesystem; a file with several links counts once. */
int copytree_measure(int dir_fd, const char *path, uint64_t *allocated_bytes, struct stor_err *err);

/* Remove all that is in the directory dir_fd. */
int copytree_empty(int dir_fd, const char *path, struct stor_err *err);

/* Remove `name` below dir_fd and all in it. Nothing there is success. `path` is for messages. */
int copytree_remove(int dir_fd, const char *name, const char *path, struct stor_err *err);

#endif
