/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands share: the values of common options, and operands that are handled one by one. */
#ifndef CORE_CMD_OPTIONS_H
#define CORE_CMD_OPTIONS_H

#include <stdbool.h>

#include "core/cmd.h"

/* The value of a switch: 0, or -1 with STOR_USAGE, naming the option ("--all"). */
int option_switch(bool *is_on, const char *option, const char *value, struct stor_err *err);

/* The value of --format: 0, or -1 with STOR_USAGE. */
int option_format(bool *is_json, const char *value, struct stor_err *err);

/* Calls `handle` for every operand, those after a failure too. 0, or -1 with the report of the last
 * failure and the status of the first. The failures before the last are printed here: there is one
 * report to return. */
int for_each_operand(struct store *store, int count, char **operands,
                     int (*handle)(struct store *store, const char *name, struct stor_err *err),
                     struct stor_err *err);

#endif
