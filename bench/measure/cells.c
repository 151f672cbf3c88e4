/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cells.h. */
#include "bench/measure/cells.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "bench/measure/traffic.h"
#include "bench/measure/watch.h"
#include "bench/report/stats.h"

void cells_free(struct cells *cells)
{
	for (size_t i = 0; i < cells->count; i++) {
		free(cells->items[i].blank);
		free(cells->items[i].values);
	}
	for (size_t i = 0; i < cells->workload_count; i++)
		workload_free(&cells->workloads[i]);
	free(cells->items);
	free(cells->workloads);
	strv_free(&cells->programs);
	subjects_free(&cells->subjects);
	*cells = (struct cells){ .count = 0 };
}

/* --- making ---------------------------------------------------------------------------------- */

static void add_cell(struct cells *cells, const struct row *row, const struct workload *workload,
                     const struct subject *subject)
{
	struct cell *cell = &cells->items[cells->count];

	*cell = (struct cell){ .id = cells->count,
		               .row = *row,
		               .row_number = cells->row_count,
		               .workload = workload,
		               .subject = subject };
	cell->blank =
		subject->absent ? xstrdup(subject->absent) : workload_cannot(workload, subject);
	if (!cell->blank && row->has_network && subject->does->no_network)
		cell->blank = xstrdup(subject->does->no_network);
	if (!cell->blank && subject->does->cannot)
		cell->blank = subject->does->cannot(subject, row);
	cells->count++;
}

static void add_row(struct cells *cells, const struct row *row, const struct workload *workload)
{
	cells->items = xrealloc(cells->items,
	                        (cells->count + cells->subjects.count) * sizeof(*cells->items));
	for (size_t i = 0; i < cells->subjects.count; i++)
		add_cell(cells, row, workload, &cells->subjects.items[i]);
	cells->row_count++;
}

static void add_rows(struct cells *cells, const struct plan *plan, const struct workload *workload)
{
	struct row row = { .workload = workload->name, .has_network = workload->does->has_network };

	for (size_t i = 0; i < plan->images.count; i++)
		for (size_t s = 0; s < plan->sizes.count; s++)
			for (size_t c = 0; c < plan->caches.count; c++)
				for (size_t l = 0; l < plan->limits.count; l++) {
					row.image = plan->images.items[i];
					row.size = plan->sizes.items[s];
					row.cache = plan->caches.items[c];
					row.limits = plan->limits.items[l];
					add_row(cells, &row, workload);
				}
}

static int find_workloads(struct cells *cells, const struct bench *bench, struct stor_err *err)
{
	const struct strv *names = &bench->plan->workloads;

	cells->workloads = xcalloc(names->count, sizeof(*cells->workloads));
	for (size_t i = 0; i < names->count; i++) {
		struct workload *workload = &cells->workloads[cells->workload_count++];

		if (workload_find(names->items[i], workload, err) < 0)
			return -1;
		if (workload->does->input) {
			workload->input = workload->does->input(bench, workload, err);
			if (!workload->input)
				return -1;
		}
	}
	return 0;
}

static int begin_traffic(const struct cells *cells, struct bench *bench, struct stor_err *err)
{
	for (size_t i = 0; i < cells->workload_count; i++)
		if (cells->workloads[i].does->has_network)
			return traffic_begin(bench, err);
	return 0;
}

/* Asks an image for what a workload needs, and notes which version of it is there. */
static int check_image(struct cells *cells, const struct bench *bench, const struct cell *cell,
                       struct stor_err *err)
{
	/* Subject 0 is the floor, which can run anything. */
	const struct subject *floor = &cells->subjects.items[0];
	cleanup_free char *version = NULL, *name = NULL;
	struct row row = cell->row;

	row.limits = "";
	if (workload_check(bench, cell->workload, floor, &row, &version, err) < 0)
		return -1;
	if (!version || !*version)
		return 0;
	name = xasprintf("%s in %s", cell->workload->does->program, row.image);
	for (size_t i = 0; i < cells->programs.count; i += 2)
		if (!strcmp(cells->programs.items[i], name))
			return 0;
	strv_take(&cells->programs, steal_ptr(&name));
	strv_take(&cells->programs, steal_ptr(&version));
	return 0;
}

int cells_make(struct cells *cells, struct bench *bench, struct stor_err *err)
{
	if (subjects_make(bench, &cells->subjects, err) < 0 ||
	    find_workloads(cells, bench, err) < 0 || begin_traffic(cells, bench, err) < 0 ||
	    subjects_begin(bench, &cells->subjects, err) < 0)
		return -1;
	if (watch_signal())
		return 0;
	for (size_t i = 0; i < cells->workload_count; i++)
		add_rows(cells, bench->plan, &cells->workloads[i]);
	for (size_t i = 0; i < cells->count; i += cells->subjects.count)
		if (check_image(cells, bench, &cells->items[i], err) < 0)
			return -1;
	return 0;
}

/* --- values ---------------------------------------------------------------------------------- */

void cell_add(struct cell *cell, double value)
{
	if (cell->count == cell->room) {
		cell->room = cell->room ? 2 * cell->room : 16;
		cell->values = xrealloc(cell->values, cell->room * sizeof(*cell->values));
	}
	cell->values[cell->count++] = value;
}

void cells_remember(struct cells *cells, const struct data *past)
{
	for (size_t i = 0; i < past->sample_count; i++) {
		const struct data_sample *sample = &past->samples[i];
		const struct data_case *of = &past->cases[sample->of];
		const double *value = data_value_of(sample, of->metric);

		if (value && !sample->is_warmup && (uint64_t)of->id < cells->count)
			cell_add(&cells->items[of->id], *value);
	}
}

bool cell_has(const struct cell *cell, const struct data *past, uint64_t round, bool is_warmup)
{
	for (size_t i = 0; i < past->sample_count; i++)
		if ((uint64_t)past->cases[past->samples[i].of].id == cell->id &&
		    (uint64_t)past->samples[i].round == round &&
		    past->samples[i].is_warmup == is_warmup)
			return true;
	for (size_t i = 0; i < past->failure_count; i++)
		if ((uint64_t)past->cases[past->failures[i].of].id == cell->id &&
		    (uint64_t)past->failures[i].round == round &&
		    past->failures[i].is_warmup == is_warmup)
			return true;
	return false;
}

/* Steele, Lea, Flood: Fast splittable pseudorandom number generators (2014), with its constants. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

size_t cells_order(const struct cells *cells, uint64_t seed, uint64_t round, bool is_warmup,
                   size_t *order)
{
	uint64_t state = seed * 2 + is_warmup;
	size_t count = 0;

	/* Each round's own, so that it does not matter where an experiment was interrupted. */
	state = next_random(&state) + round;
	for (size_t i = 0; i < cells->count; i++)
		if (!cells->items[i].blank && !cells->items[i].is_done)
			order[count++] = i;
	for (size_t i = count; i > 1; i--) {
		size_t other = next_random(&state) % i, kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
	return count;
}

bool cells_mark_done(struct cells *cells, const struct plan *plan)
{
	bool is_all_done = true;

	for (size_t from = 0; from < cells->count; from += cells->subjects.count) {
		bool is_done = true;

		for (size_t i = from; i < from + cells->subjects.count && is_done; i++) {
			const struct cell *cell = &cells->items[i];
			struct stats_summary summary;

			if (cell->blank)
				continue;
			stats_summarise(cell->values, cell->count, plan->confidence, &summary);
			is_done = stats_relative_precision(&summary) <= plan->precision;
		}
		for (size_t i = from; i < from + cells->subjects.count; i++)
			cells->items[i].is_done = is_done;
		is_all_done = is_all_done && is_done;
	}
	return is_all_done;
}
