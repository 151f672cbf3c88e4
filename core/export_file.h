/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree of files written as a tar archive, into a file or standard output. */
#ifndef CORE_EXPORT_FILE_H
#define CORE_EXPORT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

struct export_opts {
	const char *compression; /* NULL: by the file's name */
	bool is_quiet;           /* shows no progress */
	uint64_t total_bytes;    /* about what there is to write; 0: not known */
};

/* The value of --compress: 0, or -1 with STOR_USAGE. */
int export_set_compression(struct export_opts *opts, const char *value, struct stor_err *err);

/* Write the tree at tree_fd to `file` ("-": standard output), which has that name once it is whole.
 */
int export_to_file(int tree_fd, const char *file, const struct export_opts *opts,
                   struct stor_err *err);

#endif
