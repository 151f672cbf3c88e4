/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, one cmd_NAME.c each, as main dispatches them. */
#ifndef CORE_CMD_H
#define CORE_CMD_H

#include "core/base/err.h"
#include "core/base/opts.h"
#include "core/store.h"

/*
 * argv[0] is the command's own name. Returns the exit status, or -1 with err filled, which main
 * prints, exiting with err->status (125 for `run`). The store is not yet opened.
 */
typedef int (*cmd_fn)(struct store *store, int argc, char **argv, struct stor_err *err);

/* For commands made of several: "image ls". */
struct subcommand {
	const char *name;
	const char *summary;
	cmd_fn run;
};

/* Run the entry of the table (ended by a null name) that argv[1] names, or print their list for
 * --help. group: "image". */
int cmd_dispatch(const char *group, const struct subcommand *table, struct store *store, int argc,
                 char **argv, struct stor_err *err);

#endif
