/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starting a container that exists. */
#ifndef CORE_CMD_START_H
#define CORE_CMD_START_H

#include "core/base/err.h"
#include "core/store.h"

/* Start container `name` (name or id) with a monitor. STOR_BUSY: it runs. */
int start_container(struct store *store, const char *name, struct stor_err *err);

/* As for_each_operand(), when `handle` starts containers: what must be done before anything is
 * started is done for all of them first. It may execute this program anew. */
int start_each_operand(struct store *store, int count, char **operands,
                       int (*handle)(struct store *store, const char *name, struct stor_err *err),
                       struct stor_err *err);

#endif
