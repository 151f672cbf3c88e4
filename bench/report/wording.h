/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tables and pages say in words. Texts are plain, malloc'ed, and still to be escaped. */
#ifndef BENCH_REPORT_WORDING_H
#define BENCH_REPORT_WORDING_H

#include "bench/report/summary.h"

/* "1.93 ms", and "[1.90, 1.97]" ("" where there is no interval). */
char *wording_median(const struct stats_summary *summary, const struct figure_scale *scale);
char *wording_interval(const struct stats_summary *summary, const struct figure_scale *scale);

/* "1.21×", and "[1.18, 1.24]". "" where there is no ratio, or no interval. */
char *wording_ratio(const struct stats_summary *ratio);
char *wording_ratio_interval(const struct stats_summary *ratio);

/* "20 samples, 1 outlier, 2 failed" */
char *wording_samples(const struct report_cell *cell, size_t metric);

/* "iops, more is better, 20 rounds" */
char *wording_metric(const struct report *report, const struct report_row *row);

/* What the ratios of a row support: a sentence for each subject that differs from the base, then at
 * most one for those of which no difference is shown and one for those with too few rounds. */
void wording_verdicts(const struct report *report, const struct report_row *row,
                      struct strv *sentences);

/* How figures came to be and how to read them: paragraphs. */
void wording_method(const struct report *report, struct strv *paragraphs);

/* Why a cell is blank: "not part of the experiment", its reason, or what failed. */
char *wording_blank(const struct report_cell *cell);

#endif
