/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a data file holds of an experiment that goes on: bench/report reads the rest of it. */
#ifndef BENCH_PAST_H
#define BENCH_PAST_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/base/str.h"

struct past_sample {
	uint64_t of, round;
	bool is_warmup;
	bool has_value; /* false: it failed */
	double value;   /* of the case's main metric */
};

struct past {
	struct strv command; /* the words that it was begun with */
	uint64_t seed;
	struct past_sample *samples;
	size_t count, room;
	struct strv metrics; /* of each case */
};

#define PAST_INIT                                                                                  \
	{                                                                                          \
		.count = 0                                                                         \
	}

/* Reads it; a last line that was cut is taken off the file. 0, or -1 with err filled. */
int past_read(struct past *past, const char *path, struct stor_err *err);
void past_free(struct past *past);
#define cleanup_past __attribute__((cleanup(past_free)))

/* Is the sample of a case in a round there, or its failure? */
bool past_has(const struct past *past, uint64_t of, uint64_t round, bool is_warmup);

#endif
