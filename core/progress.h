/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long work: a bar on a terminal and nothing elsewhere, and the user's wish to stop it. */
#ifndef CORE_PROGRESS_H
#define CORE_PROGRESS_H

#include <stdint.h>

#include "core/base/err.h"

/*
 * From now on the first SIGINT or SIGTERM is noted, for progress_update() to report, so that work
 * is undone rather than cut; a second one ends the process as ever. For commands that do long work;
 * signals that the caller was told to ignore stay ignored.
 */
void progress_catch_signals(void);

/* The signal that was noted, or 0. */
int progress_signal(void);

/* As host->progress: `what` in one or two words; total_bytes 0: not known. Draws at most ten times
 * a second, after the first third of a second. -1 with err filled: the user interrupted. */
int progress_update(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                    struct stor_err *err);

/* As progress_update(), for those who want no bar. */
int progress_quiet(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                   struct stor_err *err);

/* Take the bar off the terminal: before anything else is printed. */
void progress_clear(void);

#endif
