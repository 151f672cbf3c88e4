/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's terminal, and copying between it and the container's. */
#ifndef CONTAINER_TTY_H
#define CONTAINER_TTY_H

#include "core/container/start.h"

/*
 * Copy between the container's terminal and standard input (with `interactive`) and output until
 * the process has ended and all its output is written. The user's terminal is raw meanwhile, and
 * as it was before on every return; its size is handed on. The signals of monitor_prepare() are
 * blocked. Sets *status to the wait status.
 */
int tty_serve(struct process *process, bool interactive, int *status, struct stor_err *err);

#endif
