/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of stor bench, against counting by hand and values computed with exact fractions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "bench/report/stats.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void ranks_are_the_exact_binomial_ones(void **state)
{
	/* Computed with Python's fractions and math.comb. */
	static const struct {
		size_t count;
		double confidence;
		size_t rank;
		double coverage;
	} known[] = {
		{ 5, 0.90, 1, 0.9375 },
		{ 6, 0.90, 1, 0.96875 },
		{ 8, 0.90, 2, 0.9296875 },
		{ 10, 0.90, 2, 0.978515625 },
		{ 17, 0.90, 5, 0.950958251953125 },
		{ 20, 0.90, 6, 0.958610534667969 },
		{ 50, 0.90, 19, 0.935091352927728 },
		{ 1000, 0.90, 474, 0.906312708524503 },
		{ 5000, 0.90, 2442, 0.902010126384676 },
		{ 5, 0.95, 0, 0 },
		{ 6, 0.95, 1, 0.96875 },
		{ 8, 0.95, 1, 0.9921875 },
		{ 10, 0.95, 2, 0.978515625 },
		{ 17, 0.95, 5, 0.950958251953125 },
		{ 20, 0.95, 6, 0.958610534667969 },
		{ 50, 0.95, 18, 0.967160862435732 },
		{ 1000, 0.95, 469, 0.953708802639502 },
		{ 5000, 0.95, 2431, 0.950684141895828 },
		{ 5, 0.99, 0, 0 },
		{ 6, 0.99, 0, 0 },
		{ 8, 0.99, 1, 0.9921875 },
		{ 10, 0.99, 1, 0.998046875 },
		{ 17, 0.99, 3, 0.997650146484375 },
		{ 20, 0.99, 4, 0.99742317199707 },
		{ 50, 0.99, 16, 0.993399552033189 },
		{ 1000, 0.99, 459, 0.991360050997739 },
		{ 5000, 0.99, 2409, 0.990353693475258 },
	};
	double coverage;

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		assert_int_equal(stats_rank(known[i].count, known[i].confidence, &coverage),
		                 known[i].rank);
		assert_true(fabs(coverage - known[i].coverage) < 1e-12);
	}
}

/* Every sample lies below the true median or above it, like a coin: all results of all tosses are
 * looked at, so no formula is needed. */
static double counted_coverage(unsigned count, unsigned rank)
{
	unsigned holds = 0;

	for (unsigned tosses = 0; tosses < 1U << count; tosses++) {
		unsigned below = (unsigned)__builtin_popcount(tosses);

		holds += below >= rank && count - below >= rank;
	}
	return (double)holds / (1U << count);
}

static void coverage_is_that_of_counting(void **state)
{
	static const double levels[] = { 0.5, 0.75, 0.9375, 0.95, 0.99 };

	(void)state;
	for (unsigned count = 1; count <= 16; count++)
		for (size_t i = 0; i < COUNT(levels); i++) {
			double coverage;
			unsigned rank = (unsigned)stats_rank(count, levels[i], &coverage);

			if (rank)
				assert_true(coverage == counted_coverage(count, rank));
			assert_true(!rank || coverage >= levels[i]);
			/* The next rank, which is closer, would hold too little. */
			if (2 * (rank + 1) <= count)
				assert_true(counted_coverage(count, rank + 1) < levels[i]);
		}
}

static void few_samples_have_no_interval(void **state)
{
	static const double values[] = { 3, 1, 2, 5, 4, 6 };
	static const double medians[] = { 3, 2, 2, 2.5, 3, 3.5 };
	struct stats_summary summary;

	(void)state;
	for (size_t n = 1; n <= 6; n++) {
		stats_summarise(values, n, 0.95, &summary);
		assert_int_equal(summary.count, n);
		assert_true(summary.median == medians[n - 1]);
		assert_int_equal(summary.interval.exists, n == 6);
		assert_int_equal(stats_verdict(&summary) == STATS_TOO_FEW, n < 6);
		assert_int_equal(isinf(stats_relative_precision(&summary)) != 0, n < 6);
	}
	assert_true(summary.interval.low == 1 && summary.interval.high == 6);
	assert_true(summary.interval.coverage == 0.96875);
	assert_true(stats_relative_precision(&summary) == 2.5 / 3.5);
	stats_summarise(values, 0, 0.95, &summary);
	assert_int_equal(summary.count, 0);
	assert_int_equal(stats_verdict(&summary), STATS_TOO_FEW);
	assert_false(stats_is_outlier(&summary, 1));
	assert_true(isinf(stats_relative_precision(&summary)));
}

static void intervals_lie_between_order_statistics(void **state)
{
	/* 20 samples at 0.95: the 6th smallest and the 6th largest. */
	double values[20];
	struct stats_summary summary;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		values[i] = (double)(i * 7 % 20) * 10;
	stats_summarise(values, 20, 0.95, &summary);
	assert_true(summary.median == 95 && summary.min == 0 && summary.max == 190);
	assert_true(summary.interval.low == 50 && summary.interval.high == 140);
}

static void outliers_lie_beyond_three_deviations(void **state)
{
	/* Median 10, absolute deviations 0 0 1 1 2 2 90: their median is 1. */
	static const double spread[] = { 10, 9, 11, 8, 12, 10, 100 };
	/* More than half are equal: mean deviation 9.9, not 0, is the measure. */
	static const double equal[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 100 };
	static const double steps[] = { 1, 1, 1, 1, 1, 1, 1.1, 1.1, 1.1, 1.1 };
	static const double one[] = { 4, 4, 4 };
	struct stats_summary summary;

	(void)state;
	stats_summarise(spread, COUNT(spread), 0.95, &summary);
	assert_int_equal(summary.outliers, 1);
	assert_true(fabs(summary.fence_high - (10 + 3 * 1.4826022185)) < 1e-9);
	assert_true(fabs(summary.fence_low - (10 - 3 * 1.4826022185)) < 1e-9);
	assert_true(stats_is_outlier(&summary, 100) && !stats_is_outlier(&summary, 14));
	assert_true(stats_is_outlier(&summary, 5));
	assert_true(summary.median == 10 && summary.max == 100);
	stats_summarise(equal, COUNT(equal), 0.95, &summary);
	assert_int_equal(summary.outliers, 1);
	assert_true(fabs(summary.fence_high - (1 + 3 * 1.2533141373 * 9.9)) < 1e-8);
	stats_summarise(steps, COUNT(steps), 0.95, &summary);
	assert_int_equal(summary.outliers, 0);
	stats_summarise(one, COUNT(one), 0.95, &summary);
	assert_int_equal(summary.outliers, 0);
	assert_true(stats_is_outlier(&summary, 4.5));
}

static void what_is_no_number_is_left_out(void **state)
{
	static const double values[] = { NAN, 2, INFINITY, 1, -INFINITY, 3 };
	static const double none[] = { NAN, NAN };
	static const double huge[] = { 1.7e308, 1.7e308, -1.7e308, 1.7e308 };
	static const double zeros[] = { 0, 0, 0, 0, 0, 0 };
	struct stats_summary summary;

	(void)state;
	stats_summarise(values, COUNT(values), 0.95, &summary);
	assert_int_equal(summary.count, 3);
	assert_int_equal(summary.left_out, 3);
	assert_true(summary.median == 2 && summary.min == 1 && summary.max == 3);
	assert_int_equal(summary.outliers, 0);
	stats_summarise(none, COUNT(none), 0.95, &summary);
	assert_int_equal(summary.count, 0);
	assert_int_equal(summary.left_out, 2);
	stats_summarise(huge, COUNT(huge), 0.95, &summary);
	assert_true(summary.median == 1.7e308);
	stats_summarise(zeros, COUNT(zeros), 0.95, &summary);
	assert_true(summary.median == 0 && summary.interval.exists);
	assert_true(stats_relative_precision(&summary) == 0);
	assert_int_equal(summary.outliers, 0);
}

static void ratios_pair_by_rounds(void **state)
{
	static const struct stats_sample samples[] = { { 1, 20 }, { 2, 30 }, { 3, 80 }, { 5, 7 },
		                                       { 6, 5 },  { 6, 50 }, { 8, 6 } };
	static const struct stats_sample base[] = { { 0, 1 },  { 1, 10 }, { 3, 20 },
		                                    { 3, 40 }, { 5, 0 },  { 6, 10 } };
	static const struct stats_sample negative[] = { { 1, -10 } };
	struct stats_summary ratio;

	(void)state;
	/* Rounds 1, 3 (its second base), 6 (its second sample): 2, 2, 5. Round 5 divides by 0. */
	stats_ratio(samples, COUNT(samples), base, COUNT(base), 0.95, &ratio);
	assert_int_equal(ratio.count, 3);
	assert_int_equal(ratio.left_out, 1);
	assert_true(ratio.median == 2 && ratio.min == 2 && ratio.max == 5);
	stats_ratio(base, COUNT(base), negative, COUNT(negative), 0.95, &ratio);
	assert_int_equal(ratio.count, 0);
	assert_int_equal(ratio.left_out, 1);
	stats_ratio(negative, COUNT(negative), base, COUNT(base), 0.95, &ratio);
	assert_int_equal(ratio.left_out, 1);
	stats_ratio(samples, COUNT(samples), base, 0, 0.95, &ratio);
	assert_int_equal(ratio.count, 0);
	stats_ratio(samples, 0, base, COUNT(base), 0.95, &ratio);
	assert_int_equal(ratio.count, 0);
}

/* The ratios are of pairs: a drift that all share hides no difference. */
static void a_verdict_needs_an_interval_without_one(void **state)
{
	struct stats_sample base[6], more[6], mixed[6];
	struct stats_summary ratio;

	(void)state;
	for (long i = 0; i < 6; i++) {
		base[i] = (struct stats_sample){ i, 100.0 * (double)(i + 1) };
		more[i] = (struct stats_sample){ i, base[i].value * (1.01 + 0.01 * (double)i) };
		mixed[i] = (struct stats_sample){ i, base[i].value * (i == 3 ? 0.99 : 1.5) };
	}
	stats_ratio(more, 6, base, 6, 0.95, &ratio);
	assert_int_equal(stats_verdict(&ratio), STATS_MORE);
	assert_true(fabs(ratio.interval.low - 1.01) < 1e-12);
	assert_true(fabs(ratio.interval.high - 1.06) < 1e-12);
	stats_ratio(base, 6, more, 6, 0.95, &ratio);
	assert_int_equal(stats_verdict(&ratio), STATS_LESS);
	stats_ratio(mixed, 6, base, 6, 0.95, &ratio);
	assert_int_equal(stats_verdict(&ratio), STATS_NO_DIFFERENCE);
	stats_ratio(base, 6, base, 6, 0.95, &ratio);
	assert_int_equal(stats_verdict(&ratio), STATS_NO_DIFFERENCE);
	stats_ratio(more, 5, base, 6, 0.95, &ratio);
	assert_int_equal(stats_verdict(&ratio), STATS_TOO_FEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_are_the_exact_binomial_ones),
		cmocka_unit_test(coverage_is_that_of_counting),
		cmocka_unit_test(few_samples_have_no_interval),
		cmocka_unit_test(intervals_lie_between_order_statistics),
		cmocka_unit_test(outliers_lie_beyond_three_deviations),
		cmocka_unit_test(what_is_no_number_is_left_out),
		cmocka_unit_test(ratios_pair_by_rounds),
		cmocka_unit_test(a_verdict_needs_an_interval_without_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
