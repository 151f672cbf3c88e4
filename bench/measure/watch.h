/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the user sees of an experiment, and the wish to end it. */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include "bench/measure/cells.h"

struct watch {
	bool is_terminal;
	uint64_t taken, wanted; /* samples */
	int64_t began_ns;
};

/* SIGINT and SIGTERM are noted: the sample that is being taken is the last. */
void watch_catch_signals(void);
/* The signal's number, or 0. */
int watch_signal(void);

void watch_begin(struct watch *watch, const struct cells *cells, const struct plan *plan);
void watch_show(const struct watch *watch, const struct cell *cell, uint64_t round, bool is_warmup);
void watch_took(struct watch *watch);
void watch_end(const struct watch *watch);

#endif
