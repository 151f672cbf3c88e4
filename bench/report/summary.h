/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A data file as tables and plots show it: rows of the matrix, a cell for each subject, and for
 * each metric of a cell what the samples say. Texts are the data's own, which must outlive the
 * report.
 */
#ifndef BENCH_REPORT_SUMMARY_H
#define BENCH_REPORT_SUMMARY_H

#include "core/base/err.h"

#include "bench/data.h"
#include "bench/report/figure.h"
#include "bench/report/stats.h"

/* One metric of one cell: its samples by rounds, warm-ups left out. */
struct report_figure {
	struct stats_sample *samples;
	size_t count;
	struct stats_summary summary;
	struct stats_summary ratio; /* to the row's base; count 0: there is none */
};

/* One sample of the row's main metric, for plots, in order of time. */
struct report_point {
	double value;
	bool is_warmup, is_outlier;
};

struct report_cell {
	bool is_there;                 /* false: the matrix has no such case */
	const char *blank;             /* why there are no samples; NULL: nobody said */
	char *command;                 /* its words, one space between two; NULL: not told */
	struct report_figure *figures; /* one for each metric; empty ones where there is no case */
	struct report_point *points;
	size_t point_count;
	size_t warmups, failures; /* failures of warm-ups are in neither */
};

/* A place of a curve: what several rounds say there. */
struct report_spot {
	double x, low, middle, high;
};
struct report_curve {
	size_t subject;
	struct report_spot *spots; /* by ascending x */
	size_t count;
};
/* Curves of one kind, such as the percentiles of latency: at most one for each subject. */
struct report_curves {
	char *name, *unit;
	struct report_curve *items;
	size_t count;
};

struct report_row {
	const char *workload;
	char *conditions;          /* "debian, 1 GiB, warm, cpus=1"; may be empty */
	size_t metric;             /* its main one, index into report.metrics */
	struct figure_scale scale; /* in which values of that are told: it suits the middle cell */
	struct report_cell *cells; /* one for each subject */
	/* x is a percentage; low and high the interval of the median over the rounds, or equal to
	 * it.
	 */
	struct report_curves *percentiles;
	size_t percentile_count;
	/* x is seconds since the sample's start; low and high are the extremes of all rounds. */
	struct report_curves *series;
	size_t series_count;
};

struct report_subject {
	const char *name;
	enum data_kind kind;
	unsigned colour; /* of its kind's, from 0 */
};

#define REPORT_NO_BASE SIZE_MAX

struct report {
	struct report_figure *no_figures; /* of the cells that the matrix has not */
	const struct data *data;
	double confidence;                 /* 0 to 1 */
	const struct data_metric *metrics; /* the data's */
	size_t metric_count;
	struct report_subject *subjects; /* floors, host, stor's, peers */
	size_t subject_count;
	size_t base; /* index of a subject; REPORT_NO_BASE: there is none */
	struct report_row *rows;
	size_t row_count;
	char *headline;       /* date and machine */
	struct strv facts;    /* name, text, name, text …: seed, command, environment */
	struct strv failures; /* a line each */
	struct strv notes;    /* what a reader must know: interrupted, lines passed over */
};

/*
 * Digest what was read. base: the subject that ratios are to; NULL: the host, else the first of the
 * subjects that has samples. Returns 0; or -1: STOR_NOT_FOUND, no such subject; STOR_FAILED, the
 * data file has no case.
 */
int report_make(const struct data *data, const char *base, struct report *report,
                struct stor_err *err);
void report_free(struct report *report);

/* The number of a footnote, from 1: a text that was given before keeps its number. */
size_t report_note_number(struct strv *notes, const char *text);

/* Has any cell of the row samples of the metric? */
bool report_has_metric(const struct report *report, const struct report_row *row, size_t metric);

/* The scale that suits the middle one of a row's medians of a metric. */
struct figure_scale report_scale(const struct report *report, const struct report_row *row,
                                 size_t metric);
#define cleanup_report __attribute__((cleanup(report_free)))

#endif
