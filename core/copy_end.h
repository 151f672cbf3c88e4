/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two ends of `stor cp`: a path on the host or in a container, and what the rules of cp make of
 * it. In a container every path is looked up below its root, whatever links it has or gets.
 */
#ifndef CORE_COPY_END_H
#define CORE_COPY_END_H

#include <stdbool.h>

#include "core/base/err.h"

struct copy_end {
	int root_fd; /* of the container; -1: a path of the host */
	const char *path;
};

/* What is copied: a file or directory that is open (name NULL), or an entry of an open directory.
 */
struct copy_source {
	int fd;
	char *name;
	char *base; /* what it is called in the directory where it goes; NULL: its content goes
	               there */
	bool is_directory;
};

#define COPY_SOURCE_INIT                                                                           \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* follows: a link as the last component is followed; so is one before a slash, always. */
int copy_source_open(const struct copy_end *end, bool follows, struct copy_source *source,
                     struct stor_err *err);
void copy_source_close(struct copy_source *source);
#define cleanup_copy_source __attribute__((cleanup(copy_source_close)))

/* The directory where things go, and in *as (malloc'ed) the name that the source gets there; "":
 * its content goes there. source NULL: an archive, for which the path must be a directory. Returns
 * a descriptor, or -1 with err filled. */
int copy_target_open(const struct copy_end *end, const struct copy_source *source, char **as,
                     struct stor_err *err);

#endif
