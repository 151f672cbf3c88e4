/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that run and create share, and the way back from a container's record. target: a
 * struct container_config. */
#ifndef CORE_CMD_RUN_OPTIONS_H
#define CORE_CMD_RUN_OPTIONS_H

#include "core/base/opts.h"
#include "core/base/record.h"
#include "core/container/config.h"

extern const struct opt run_options[];

/* For struct opt_command: what was given goes into the configuration as text, too. */
void run_note_option(void *target, const struct opt *option, const char *value);

/* Fill an empty configuration (config_init()) from what container_run() has put into the record. */
int run_restore_config(struct container_config *config, const struct record *record,
                       struct stor_err *err);

#endif
