/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and directories by descriptor: read whole, replace atomically, remove whole, and open below
 * a root that an enemy filled. All descriptors are close-on-exec.
 */
#ifndef BASE_FS_H
#define BASE_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "core/base/str.h"

/* Whole content of a file below dir_fd, terminated; malloc'ed, the caller frees. size may be NULL.
 * Files over limit_bytes are refused. NULL with err filled: STOR_NOT_FOUND when it does not
 * exist. */
char *fs_read_file(int dir_fd, const char *path, size_t limit_bytes, size_t *size,
                   struct stor_err *err);

/* Replace a file: readers see the old content or the new, never a mixture, also after a crash when
 * `durable` (the file and its directory are then synced). */
int fs_write_file(int dir_fd, const char *path, const void *data, size_t size, mode_t mode,
                  bool durable, struct stor_err *err);

/* Make a directory and its parents; existing ones are left as they are. */
int fs_mkdirs(const char *path, mode_t mode, struct stor_err *err);

/* Open a directory for use with the *at() calls, without following a link in its last component. */
int fs_open_dir(int dir_fd, const char *path, struct stor_err *err);

/* The names in an open directory, sorted, added to the list; its time of last access stays where
 * the caller may keep it. Returns 0, or -1 with errno. */
int fs_list(int dir_fd, struct strv *names);

/* Is `path` below dir_fd a directory, no symbolic link, without entries? */
bool fs_is_empty(int dir_fd, const char *path);

/* Remove a file or a whole tree below dir_fd, without crossing into other filesystems or following
 * links. Nothing there is success. */
int fs_remove_tree(int dir_fd, const char *path, struct stor_err *err);

/*
 * Open `path` as a process whose root is root_fd would see it: symbolic links and ".." stay below
 * the root, magic links are refused. Returns a descriptor, or -1 with errno.
 */
int fs_open_in_root(int root_fd, const char *path, int flags);

/* As fs_open_in_root(), and makes the missing directories of the path (mode 0755); the last
 * component becomes a directory, or an empty file when is_file. Returns an O_PATH descriptor, or
 * -1 with errno. */
int fs_make_in_root(int root_fd, const char *path, bool is_file);

/* Copy size bytes from the one descriptor's offset 0 to the other's, keeping holes, by the kernel
 * where it can. */
int fs_copy_range(int from_fd, int to_fd, uint64_t size_bytes, struct stor_err *err);

/* Wait for a flock: LOCK_EX or LOCK_SH, at most wait_ms. Returns 0, or -1 with errno (EWOULDBLOCK:
 * still held). */
int fs_lock(int fd, int operation, unsigned wait_ms);

/* Read the text of a symbolic link, cut to size - 1 bytes. False: there is none; then it is "". */
bool fs_read_link(int dir_fd, const char *name, char *buf, size_t size);

/* Point the link `name` to `target`, in the place of what was there. */
int fs_set_link(int dir_fd, const char *name, const char *target, struct stor_err *err);

#endif
