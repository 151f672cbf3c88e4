/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of making a report that summary.c shares with its other files alone. */
#ifndef BENCH_REPORT_SUMMARY_PARTS_H
#define BENCH_REPORT_SUMMARY_PARTS_H

#include "bench/report/summary.h"

/* Samples of one case, in the order of the file. */
struct report_source {
	const struct data_sample **samples;
	size_t count;
};

/* Digest the percentiles and series of a row. sources: one for each subject, empty where there is
 * no case. */
void summary_add_curves(const struct report *report, struct report_row *row,
                        const struct report_source *sources);

/* Names and texts for report->facts, a line for each failure, and what a reader must know. */
void summary_add_texts(struct report *report);

#endif
