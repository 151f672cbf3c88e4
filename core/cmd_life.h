/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands about containers that run on their own. */
#ifndef CORE_CMD_LIFE_H
#define CORE_CMD_LIFE_H

#include "core/cmd.h"

int cmd_attach(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_exec(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_inspect(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_kill(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_logs(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_rename(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_restart(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_start(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_stop(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_top(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_update(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_wait(struct store *store, int argc, char **argv, struct stor_err *err);

#endif
