/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cells of the table: each row of the matrix with each subject. */
#ifndef BENCH_CELLS_H
#define BENCH_CELLS_H

#include "bench/measure/workload.h"

struct cell {
	size_t id; /* as the data file names it */
	struct row row;
	size_t row_number;
	const struct workload *workload;
	const struct subject *subject;
	char *blank;    /* why it has no samples; NULL: it has */
	double *values; /* of the main metric, without warm-ups */
	size_t count, room;
	bool is_done;
};

struct cells {
	struct subjects subjects;
	struct workload *workloads;
	size_t workload_count;
	struct cell *items;
	size_t count, row_count;
	struct strv programs; /* of the images: "fio in IMAGE", what it tells of its version, … */
};

/* All rows with all subjects, which begin, and what a workload needs asked of the images. None
 * after a signal. */
int cells_make(struct cells *cells, struct bench *bench, struct stor_err *err);
void cells_free(struct cells *cells);

void cell_add(struct cell *cell, double value);
/* The values of an experiment that goes on. */
void cells_remember(struct cells *cells, const struct data *past);
/* Has it the sample of a cell in a round, or its failure? */
bool cell_has(const struct cell *cell, const struct data *past, uint64_t round, bool is_warmup);

/* Indices of the cells that are not done, in the order of this round; the same for the same seed.
 * order has room for all. Returns their number. */
size_t cells_order(const struct cells *cells, uint64_t seed, uint64_t round, bool is_warmup,
                   size_t *order);

/* Rows whose cells all have narrow enough intervals are done. Are all? */
bool cells_mark_done(struct cells *cells, const struct plan *plan);

#endif
