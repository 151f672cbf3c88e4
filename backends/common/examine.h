/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What several backends need of the machine, for the examine() callback of <stor/backend.h>. */
#ifndef COMMON_EXAMINE_H
#define COMMON_EXAMINE_H

#include <stor/backend.h>

/* Can a loop device be had? Returns what emit() does. */
int examine_loop_devices(const struct stor_examine_req *req);

/* Is the program in PATH? `package` has it. Returns what emit() does. */
int examine_program(const char *program, const char *package, const char *use,
                    const struct stor_examine_req *req);

#endif
