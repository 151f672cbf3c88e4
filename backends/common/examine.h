/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several backends need of the machine, for the examine() callback of <stor/backend.h>. */
#ifndef COMMON_EXAMINE_H
#define COMMON_EXAMINE_H

#include <stor/backend.h>

/* Can a loop device be had? Returns what emit() does. */
int examine_loop_devices(stor_finding_fn emit, void *ctx);

/* Is the program in PATH? `package` has it. Returns what emit() does. */
int examine_program(const char *program, const char *package, const char *use, stor_finding_fn emit,
                    void *ctx);

#endif
