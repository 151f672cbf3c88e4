/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk over a source tree, shared by the files that do its parts. */
#ifndef COMMON_EXT4_WALK_H
#define COMMON_EXT4_WALK_H

#include "common/ext4_dir.h"
#include "common/ext4_writer.h"
#include "common/ext4_xattr.h"

/* One name that a source directory has. */
struct ext4_found {
	uint64_t source_ino;
	size_t name_offset;        /* in the walk's names */
	uint8_t name_length, type; /* DT_* */
};

/* A file of several names: where it is in the source, and which inode it became. */
struct ext4_link {
	uint64_t device, source_ino;
	uint32_t ino; /* 0: a free slot */
};

struct ext4_links {
	struct ext4_link *slots; /* a power of two of them, at most half full */
	size_t room, count;
};

/* The directory at hand, or one above it. */
struct ext4_frame {
	struct ext4_frame *up;
	int fd; /* -1: closed for now, its child has ".." */
	uint64_t device, source_ino;
	uint32_t ino;
	size_t path_length; /* of the walk's path */
	/* Directories in it that are still to come: numbers, and names one after the other. */
	uint32_t *child_inos;
	char *child_names, *next_name;
	size_t child_count, next_child;
};

struct ext4_walk {
	struct ext4_writer *w;
	struct ext4_frame *top;
	unsigned depth;
	char *path; /* of the entry at hand, for messages */
	size_t path_room;
	/* Of the directory at hand; kept from one to the next. */
	struct ext4_found *found;
	struct ext4_dirent *entries;
	char *names;
	size_t found_count, found_room, entries_room, names_length, names_room;
	struct ext4_links links;
	/* Attributes of the entry at hand: their names, and their values. */
	char *xattr_names;
	unsigned char *xattr_values;
	struct ext4_xattr *xattrs;
	size_t xattr_room;
	/* For getdents and for the targets of links. */
	char buffer[64 << 10] __attribute__((aligned(16)));
};

/* --- ext4_entry.c: one entry ------------------------------------------------------------------ */

/*
 * Copy one entry of the directory at hand that is no directory: attributes and content. *ino: its
 * inode, an earlier one's for a further name of the same file. *file_type: EXT2_FT_*.
 */
int ext4_copy_entry(struct ext4_walk *walk, const char *name, uint8_t type, uint32_t *ino,
                    uint8_t *file_type, struct stor_err *err);
/* statx() of an open file, or of a name below dir_fd. Returns 0, or -1 with errno. */
int ext4_statx(int dir_fd, const char *name, struct statx *sx);
/* Is it the root of another mount than the directory that it was found in? */
bool ext4_is_mount_root(const struct statx *sx);
uint64_t ext4_device_of(const struct statx *sx);
/* Set walk->path to the directory at hand's plus "/name". */
int ext4_set_path(struct ext4_walk *walk, const char *name, struct stor_err *err);

/* --- ext4_attributes.c: extended attributes --------------------------------------------------- */

/*
 * Copy all extended attributes of the open file fd, or, where fd is -1, of a name in dir_fd that is
 * not followed. Those of a kind that ext4 cannot hold are refused, never left out.
 */
int ext4_copy_attributes(struct ext4_walk *walk, int fd, int dir_fd, const char *name,
                         struct ext2_inode_large *inode, struct stor_err *err);

#endif
