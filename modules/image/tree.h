/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A root filesystem under construction. Entries come in the order of an archive that an enemy may
 * have written; whatever their paths and links say, everything happens below the root: parents are
 * resolved as a process rooted there would see them, last components are never followed, and
 * attributes are set without following. An entry whose name is taken replaces what is there, except
 * that a directory stays a directory and takes the new attributes.
 */
#ifndef IMAGE_TREE_H
#define IMAGE_TREE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "modules/image/image_module.h"
#include "modules/image/xattrs.h"

struct entry {
	char *path; /* normalised (names.h); owned */
	char *link; /* target of a symbolic link, as it is; or of a hard link, normalised; owned */
	bool is_hard_link;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	dev_t device;
	uint64_t size_bytes;
	struct timespec mtime;
	struct xattrs xattrs;
};

void entry_free(struct entry *entry);
#define cleanup_entry __attribute__((cleanup(entry_free)))

/* What a directory gets when nothing will be put into it any more. */
struct tree_dir {
	char *path;
	ino_t inode;
	struct timespec mtime;
	struct xattrs xattrs;
	bool had_xattrs; /* it was there before, so it may have some that it loses now */
};

struct tree {
	int root_fd; /* borrowed */
	const struct image_import_req *req;
	bool keeps_kinds; /* a directory never takes another thing's place, nor the reverse */
	uint64_t entries, bytes; /* so far; holes count */
	/* The parent of the last entry: the next one mostly has the same. -1: none. */
	char *parent_path;
	int parent_fd;
	/* Directories in order of their making, and an open-addressed table of indices (+1) into
	 * them by inode. */
	struct tree_dir *dirs;
	size_t dir_count, dir_room;
	uint32_t *slots;
	size_t slot_count;
};

void tree_init(struct tree *tree, int root_fd, const struct image_import_req *req);
void tree_free(struct tree *tree);
#define cleanup_tree __attribute__((cleanup(tree_free)))

/*
 * Make one entry. For a regular file, *fd is opened for writing, and the caller fills it, ends with
 * tree_close_file() and closes it; it is -1 for all others, and for a device that is to be skipped.
 */
int tree_add(struct tree *tree, const struct entry *entry, int *fd, struct stor_err *err);

/* Give a filled file its size and attributes. */
int tree_close_file(const struct entry *entry, int fd, struct stor_err *err);

/* Remove a path and all below it. Nothing there is success; so is a parent that is not there. */
int tree_remove(struct tree *tree, const char *path, struct stor_err *err);

/* Set the times and attributes of directories: the last thing that is done to a tree. */
int tree_finish(struct tree *tree, struct stor_err *err);

/* Report a failure that concerns an entry, naming it. Always -1. */
int tree_fail(const char *path, int errnum, const char *what, struct stor_err *err);

/* The same for an attribute that could not be set, with a hint where one helps. Always -1. */
int tree_fail_xattr(const char *path, int errnum, const char *xattr, struct stor_err *err);

/* --- tree_dirs.c -------------------------------------------------------------------------- */

/* Remember what the directory open as dir_fd gets at the end; forgets what was remembered of a
 * directory with that inode before. entry NULL: one that no entry describes. */
int tree_note_dir(struct tree *tree, const char *path, int dir_fd, const struct entry *entry,
                  bool existed, struct stor_err *err);

void tree_free_dirs(struct tree *tree);

/* --- tree_count.c ------------------------------------------------------------------------- */

/* Count what a finished tree holds, for the record: entries, and bytes in files. */
int tree_count(int root_fd, struct record *record, struct stor_err *err);

#endif
