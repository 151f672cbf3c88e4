/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One foreground container from beginning to end. */
#ifndef CONTAINER_RUN_H
#define CONTAINER_RUN_H

#include "core/container/config.h"
#include "core/store.h"

/*
 * Run a validated configuration. Returns the command's exit status; or, with err filled, the status
 * that the failure deserves: 125, 126 (it cannot be executed) or 127 (not found). A container that
 * did not start is gone again.
 */
int container_run(struct store *store, struct container_config *config, struct stor_err *err);

#endif
