/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands about a container's files. */
#ifndef CORE_CMD_CONTENT_H
#define CORE_CMD_CONTENT_H

#include "core/cmd.h"

int cmd_commit(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_cp(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_diff(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_export(struct store *store, int argc, char **argv, struct stor_err *err);

#endif
