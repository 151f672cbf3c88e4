/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Medians, exact intervals by order statistics, paired ratios, outliers: see stats.h. */
#include "bench/report/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/str.h"

/* How many scaled deviations an ordinary value may lie from the median. */
#define FENCE 3.0
/* What makes a deviation of normal values comparable with their standard deviation: of the median
 * absolute deviation 1 / Φ⁻¹(3/4), of the mean absolute deviation √(π/2). */
#define MEDIAN_SCALE 1.482602218505602
#define MEAN_SCALE 1.2533141373155001

size_t stats_rank(size_t count, double confidence, double *coverage)
{
	/* tail times 2^shift is the sum of the binomial coefficients C(count, 0…k), term the last
	 * of them: whole numbers, and exact, up to some fifty samples. */
	double term = 1, tail = 1, reached = 0;
	int shift = 0;
	size_t k = 0;

	while (count && 2 * k < count) {
		double now = 1 - 2 * ldexp(tail, shift - (int)count);

		if (now < confidence || now <= 0)
			break;
		reached = now;
		k++;
		term = term * (double)(count - k + 1) / (double)k;
		tail += term;
		if (tail > 0x1p900) {
			term = ldexp(term, -800);
			tail = ldexp(tail, -800);
			shift += 800;
		}
	}
	if (coverage)
		*coverage = reached;
	return k;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle_of(const double *sorted, size_t count)
{
	double upper = sorted[count / 2];

	/* Halved first: the sum of two large numbers could be none. */
	return count % 2 ? upper : sorted[count / 2 - 1] / 2 + upper / 2;
}

/* Sets the fences by the deviations from the median; sorted is overwritten. */
static void set_fences(double *sorted, struct stats_summary *summary)
{
	double sum = 0, spread;

	for (size_t i = 0; i < summary->count; i++) {
		sorted[i] = fabs(sorted[i] - summary->median);
		sum += sorted[i] / (double)summary->count;
	}
	qsort(sorted, summary->count, sizeof(*sorted), compare);
	spread = MEDIAN_SCALE * middle_of(sorted, summary->count);
	if (spread == 0)
		spread = MEAN_SCALE * sum;
	summary->fence_low = summary->median - FENCE * spread;
	summary->fence_high = summary->median + FENCE * spread;
}

void stats_summarise(const double *values, size_t count, double confidence,
                     struct stats_summary *summary)
{
	cleanup_free double *sorted = xcalloc(count + 1, sizeof(*sorted));
	size_t rank;

	memset(summary, 0, sizeof(*summary));
	for (size_t i = 0; i < count; i++)
		if (isfinite(values[i]))
			sorted[summary->count++] = values[i];
	summary->left_out = count - summary->count;
	count = summary->count;
	if (!count)
		return;
	qsort(sorted, count, sizeof(*sorted), compare);
	summary->min = sorted[0];
	summary->max = sorted[count - 1];
	summary->median = middle_of(sorted, count);
	rank = stats_rank(count, confidence, &summary->interval.coverage);
	if (rank) {
		summary->interval.exists = true;
		summary->interval.low = sorted[rank - 1];
		summary->interval.high = sorted[count - rank];
	}
	set_fences(sorted, summary);
	for (size_t i = 0; i < summary->count + summary->left_out; i++)
		summary->outliers += stats_is_outlier(summary, values[i]);
}

bool stats_is_outlier(const struct stats_summary *summary, double value)
{
	return summary->count && isfinite(value) &&
	       (value < summary->fence_low || value > summary->fence_high);
}

double stats_relative_precision(const struct stats_summary *summary)
{
	double half = summary->interval.high / 2 - summary->interval.low / 2;

	if (!summary->count || !summary->interval.exists)
		return INFINITY;
	if (half == 0)
		return 0;
	return summary->median == 0 ? INFINITY : half / fabs(summary->median);
}

/* NAN, which is left out: values of both signs have no ratio that says anything. */
static double ratio_of(double value, double base)
{
	return base > 0 && value >= 0 ? value / base : NAN;
}

void stats_ratio(const struct stats_sample *samples, size_t count, const struct stats_sample *base,
                 size_t base_count, double confidence, struct stats_summary *ratio)
{
	cleanup_free double *ratios = xcalloc(count + 1, sizeof(*ratios));
	size_t pairs = 0, j = 0;

	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && samples[i + 1].round == samples[i].round)
			continue;
		while (j < base_count &&
		       (base[j].round < samples[i].round ||
		        (j + 1 < base_count && base[j + 1].round == samples[i].round)))
			j++;
		if (j < base_count && base[j].round == samples[i].round)
			ratios[pairs++] = ratio_of(samples[i].value, base[j].value);
	}
	stats_summarise(ratios, pairs, confidence, ratio);
}

enum stats_verdict stats_verdict(const struct stats_summary *ratio)
{
	if (!ratio->count || !ratio->interval.exists)
		return STATS_TOO_FEW;
	if (ratio->interval.low > 1)
		return STATS_MORE;
	return ratio->interval.high < 1 ? STATS_LESS : STATS_NO_DIFFERENCE;
}
