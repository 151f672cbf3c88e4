/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor backend ls|info|check. */
#ifndef CORE_CMD_BACKEND_H
#define CORE_CMD_BACKEND_H

#include "core/cmd.h"

int cmd_backend(struct store *store, int argc, char **argv, struct stor_err *err);

#endif
