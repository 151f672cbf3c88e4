/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a plan to a data file. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench/data.h"
#include "bench/measure/plan.h"

/*
 * Measure what the plan says and write plan->output. words: the command line that the file tells
 * and
 * --resume goes by. past: what the file has already; NULL: a new one. Returns 0, 128 + the number
 * of the signal that interrupted it, or -1 with err filled; what was measured is in the file in all
 * cases, and nothing else is left.
 */
int measure(const struct plan *plan, const char *stor, const char *self, char *const *words,
            const struct data *past, struct stor_err *err);

#endif
