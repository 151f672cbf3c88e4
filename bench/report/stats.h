/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The statistics of a bench: medians with intervals that assume no distribution, ratios by rounds,
 * outliers. Nothing here allocates for its caller or fails; values that are no finite numbers are
 * left out and counted.
 */
#ifndef BENCH_REPORT_STATS_H
#define BENCH_REPORT_STATS_H

#include <stdbool.h>
#include <stddef.h>

/* Between two order statistics of the samples. */
struct stats_interval {
	bool exists; /* false: too few samples for one at the confidence that was asked for */
	double low, high;
	double coverage; /* exact probability that such an interval holds the true median */
};

struct stats_summary {
	size_t count;    /* values that are finite; 0: nothing below is set */
	size_t left_out; /* those that are not */
	double median, min, max;
	struct stats_interval interval; /* of the median */
	double fence_low, fence_high;   /* what lies beyond is an outlier */
	size_t outliers;
};

/*
 * The rank k for which the k-th smallest and the k-th largest of `count` independent samples hold
 * the true median between them with at least the probability `confidence` (0 to 1), and hold it
 * most closely: 1 - 2 P(B < k), B binomial of count and 1/2. Returns 0 when even smallest and
 * largest do not (count below 6 at 0.95). coverage, which may be NULL, is set to the probability.
 */
size_t stats_rank(size_t count, double confidence, double *coverage);

/*
 * Median, its interval, and the fences of outliers: three scaled median absolute deviations from
 * the median or, where more than half of the values are equal and that deviation is 0, three scaled
 * mean absolute deviations.
 */
void stats_summarise(const double *values, size_t count, double confidence,
                     struct stats_summary *summary);

/* Does a value lie beyond the fences? What is no finite number does not. */
bool stats_is_outlier(const struct stats_summary *summary, double value);

/* Half the width of the median's interval as a share of the median: what --precision bounds.
 * INFINITY where there is no interval, or the median is 0 and the interval is not. */
double stats_relative_precision(const struct stats_summary *summary);

/* A value and the round that it belongs to. */
struct stats_sample {
	long round;
	double value;
};

/*
 * The ratios value / base of the rounds that have both, summarised. Both lists are in ascending
 * order of rounds; of several values of one round the last counts. A base of 0, or what is
 * negative, makes no ratio: the round is counted in left_out.
 */
void stats_ratio(const struct stats_sample *samples, size_t count, const struct stats_sample *base,
                 size_t base_count, double confidence, struct stats_summary *ratio);

/* What the interval of a ratio supports. */
enum stats_verdict {
	STATS_TOO_FEW,       /* no interval, so nothing */
	STATS_NO_DIFFERENCE, /* 1 is within */
	STATS_MORE,          /* all of it is above 1 */
	STATS_LESS,          /* all of it is below 1 */
};
enum stats_verdict stats_verdict(const struct stats_summary *ratio);

#endif
