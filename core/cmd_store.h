/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor bench, doctor, ps, rm, gc, pause, resume and stats. */
#ifndef CORE_CMD_STORE_H
#define CORE_CMD_STORE_H

#include "core/cmd.h"

int cmd_bench(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_doctor(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_ps(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_rm(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_events(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_gc(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_prune(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_pause(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_resume(struct store *store, int argc, char **argv, struct stor_err *err);
int cmd_stats(struct store *store, int argc, char **argv, struct stor_err *err);

#endif
