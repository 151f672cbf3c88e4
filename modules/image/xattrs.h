/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extended attributes of one entry; POSIX ACLs and file capabilities are among them. */
#ifndef IMAGE_XATTRS_H
#define IMAGE_XATTRS_H

#include <stddef.h>

#include "core/base/err.h"

struct xattr {
	char *name;
	void *value;
	size_t size;
};

struct xattrs {
	struct xattr *items;
	size_t count, room;
};

#define XATTRS_INIT                                                                                \
	{                                                                                          \
		.items = NULL                                                                      \
	}

/* Add a copy. Names that an image must not carry, because they would steer an overlay above it,
 * and names of no namespace that Linux knows, are dropped. */
void xattrs_add(struct xattrs *list, const char *name, const void *value, size_t size);

/* Add all that an open file, or (fd -1) the entry `name` of dir_fd, has; links are not followed.
 * Returns 0, or -1 with errno. */
int xattrs_read(struct xattrs *list, int fd, int dir_fd, const char *name);

/* Set all of them, in the same two ways. Returns 0, or -1 with errno and *failed naming the one. */
int xattrs_apply(const struct xattrs *list, int fd, int dir_fd, const char *name,
                 const char **failed);

/* Remove what an open file has beyond the list. Returns 0, or -1 with errno. */
int xattrs_remove_others(const struct xattrs *list, int fd);

/* Drop what gives a file's users something: capabilities, labels, what only root may set. */
void xattrs_drop_privileges(struct xattrs *list);

void xattrs_free(struct xattrs *list);
#define cleanup_xattrs __attribute__((cleanup(xattrs_free)))

#endif
