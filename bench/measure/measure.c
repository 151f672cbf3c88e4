/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The experiment: see measure.h. Each round takes one sample of every cell that is not done, in an
 * order of its own, so that what the machine does beside it meets all alike. A row is done when all
 * of its cells are: what its ratios compare has as many rounds.
 */
#include "bench/measure/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/cells.h"
#include "bench/measure/journal.h"
#include "bench/measure/stage.h"
#include "bench/measure/traffic.h"
#include "bench/measure/watch.h"
#include "core/base/log.h"

struct experiment {
	struct bench bench;
	struct cells cells;
	struct journal journal;
	struct watch watch;
	const struct data *past;
	bool is_begun; /* the file tells what is measured */
};

/* --- one sample ------------------------------------------------------------------------------ */

static int note(struct experiment *e, struct cell *cell, uint64_t round, bool is_warmup,
                const struct outcome *outcome, const struct reading *reading, struct stor_err *err)
{
	/* A backend that has no such thing. */
	if (outcome->status == STOR_UNSUPPORTED && cell->workload->does->sample) {
		cell->blank = xstrndup(outcome->errors, strcspn(outcome->errors, "\n"));
		return journal_blank(&e->journal, cell->id, cell->blank, err);
	}
	if (outcome->status)
		return journal_failure(&e->journal, cell->id, round, is_warmup, outcome, err);
	if (!is_warmup)
		for (size_t i = 0; i < reading->count; i++)
			if (!strcmp(reading->values[i].metric->name, cell->workload->does->metric))
				cell_add(cell, reading->values[i].value);
	return journal_sample(&e->journal, cell->id, round, is_warmup, reading, err);
}

static int sample(struct experiment *e, struct cell *cell, uint64_t round, bool is_warmup,
                  struct stor_err *err)
{
	cleanup_outcome struct outcome outcome = { .status = 0 };
	struct stor_err failure = STOR_ERR_INIT;
	cleanup_reading struct reading reading = { .count = 0 };

	if (e->past && cell_has(cell, e->past, round, is_warmup))
		return 0;
	watch_show(&e->watch, cell, round, is_warmup);
	if (!strcmp(cell->row.cache, "cold") && stage_cool(&e->bench, err) < 0)
		return -1;
	/* What it needs first may fail, too. */
	if (workload_sample(&e->bench, cell->workload, cell->subject, &cell->row, &outcome,
	                    &reading, &failure) < 0) {
		outcome_free(&outcome);
		outcome.status = (int)failure.status;
		outcome.errors = xstrdup(failure.text);
	}
	/* The signal was the command's too. */
	if (watch_signal())
		return 0;
	watch_took(&e->watch);
	return note(e, cell, round, is_warmup, &outcome, &reading, err);
}

/* --- rounds ---------------------------------------------------------------------------------- */

static int take_round(struct experiment *e, uint64_t round, bool is_warmup, struct stor_err *err)
{
	cleanup_free size_t *order = xcalloc(e->cells.count + 1, sizeof(*order));
	size_t count = cells_order(&e->cells, e->bench.plan->seed, round, is_warmup, order);

	for (size_t i = 0; i < count && !watch_signal(); i++)
		if (sample(e, &e->cells.items[order[i]], round, is_warmup, err) < 0)
			return -1;
	return 0;
}

/* The reason of the end. NULL with err filled, or after a signal. */
static const char *take_rounds(struct experiment *e, struct stor_err *err)
{
	const struct plan *plan = e->bench.plan;
	uint64_t round = 0;

	for (uint64_t i = 1; i <= plan->warmups && !watch_signal(); i++)
		if (take_round(e, i, true, err) < 0)
			return NULL;
	while (round < plan->most && !watch_signal()) {
		if (take_round(e, ++round, false, err) < 0)
			return NULL;
		if (round >= plan->least && cells_mark_done(&e->cells, plan))
			return "interval reached";
	}
	return watch_signal() ? NULL : "repeats done";
}

/* --- before ---------------------------------------------------------------------------------- */

static int begin_file(struct experiment *e, char *const *words, struct stor_err *err)
{
	/* Told again where it ended before all was told. */
	if (e->past && e->past->case_count == e->cells.count)
		return 0;
	if (!e->past && journal_experiment(&e->journal, &e->bench, &e->cells, words, err) < 0)
		return -1;
	if (journal_metrics(&e->journal, err) < 0)
		return -1;
	for (size_t i = 0; i < e->cells.count; i++) {
		const struct cell *cell = &e->cells.items[i];

		if (journal_case(&e->journal, cell->id, cell->workload, cell->subject, &cell->row,
		                 err) < 0 ||
		    (cell->blank && journal_blank(&e->journal, cell->id, cell->blank, err) < 0))
			return -1;
	}
	return 0;
}

static int prepare(struct experiment *e, char *const *words, struct stor_err *err)
{
	const struct plan *plan = e->bench.plan;

	if (command_prepare(err) < 0 || stage_make(&e->bench, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->images.count && !watch_signal(); i++)
		if (stage_add_image(&e->bench, plan->images.items[i], err) < 0)
			return -1;
	if (watch_signal())
		return 0;
	if (cells_make(&e->cells, &e->bench, err) < 0)
		return -1;
	if (watch_signal())
		return 0;
	if (e->past)
		cells_remember(&e->cells, e->past);
	watch_begin(&e->watch, &e->cells, plan);
	if (begin_file(e, words, err) < 0)
		return -1;
	e->is_begun = true;
	return 0;
}

/* Why it ends; what went wrong before is what the user is told. */
static void end_file(struct experiment *e, const char *reason, int result, struct stor_err *err)
{
	const char *why = reason ? reason : result ? err->text : "interrupted";
	struct stor_err late = STOR_ERR_INIT;

	if (journal_end(&e->journal, !reason, why, &late) < 0)
		log_warn("%s", late.text);
}

int measure(const struct plan *plan, const char *stor, const char *self, char *const *words,
            const struct data *past, struct stor_err *err)
{
	struct experiment e = {
		.bench = { .plan = plan, .stor = stor, .self = self, .room = ROOM_INIT },
		.journal = JOURNAL_INIT,
		.past = past
	};
	const char *reason = NULL;
	int result = -1;

	watch_catch_signals();
	if (journal_open(&e.journal, plan->output, past != NULL, err) < 0)
		return -1;
	if (prepare(&e, words, err) == 0) {
		reason = take_rounds(&e, err);
		result = reason || watch_signal() ? 0 : -1;
	}
	watch_end(&e.watch);
	subjects_end(&e.bench, &e.cells.subjects);
	traffic_end(&e.bench);
	room_end(&e.bench.room);
	stage_take_down(&e.bench);
	cells_free(&e.cells);
	if (e.is_begun || past)
		end_file(&e, reason, result, err);
	else
		unlink(plan->output);
	journal_close(&e.journal);
	if (!result && watch_signal())
		result = 128 + watch_signal();
	return result;
}
