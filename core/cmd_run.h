/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor run. */
#ifndef CORE_CMD_RUN_H
#define CORE_CMD_RUN_H

#include "core/cmd.h"
#include "core/container/config.h"

/* A cmd_fn; returns 126 and 127 itself, with their messages printed. */
int cmd_run(struct store *store, int argc, char **argv, struct stor_err *err);

/* Make a container that is started later. */
int cmd_create(struct store *store, int argc, char **argv, struct stor_err *err);

/* May this process make containers? command: that of stor, for the message. */
int run_check_privileges(const char *command, struct stor_err *err);

/* What every command that starts a container does first: privileges, and this program out of the
 * container's reach. It may execute this program anew. */
int run_get_ready(const char *command, const struct container_config *config, struct stor_err *err);

/* Options of `run` that do not exist yet, for its table. */
extern const struct opt_later run_later[];

#endif
