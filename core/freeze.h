/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freezing a mounted filesystem for a moment, with a guard: a process that freezes it, and thaws it
 * when its maker says so, when its maker has died, or after 10 s. An orphaned freeze would hang
 * whoever uses the filesystem for ever.
 */
#ifndef CORE_FREEZE_H
#define CORE_FREEZE_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/base/err.h"

struct freeze {
	int root_fd; /* borrowed */
	int guard_fd;
	pid_t guard;
};

#define FREEZE_INIT                                                                                \
	{                                                                                          \
		.root_fd = -1, .guard_fd = -1                                                      \
	}

/* Freeze the filesystem that root_fd, which must stay open, is a directory of. -1 with err filled:
 * STOR_UNSUPPORTED where it cannot be frozen, STOR_BUSY where somebody has frozen it. */
int freeze_begin(int root_fd, struct freeze *freeze, struct stor_err *err);

/* Thaw it. Returns whether it was frozen all the time. */
bool freeze_end(struct freeze *freeze);

#endif
