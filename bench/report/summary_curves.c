/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Percentiles and series of several rounds made one curve for each subject. */
#include "bench/report/summary_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

/* A series is told in at most so many places. */
#define MAX_BINS 120

/* Curves of one name of one cell, by rounds; they belong to the data. */
struct picked {
	const struct data_curve **items;
	size_t count;
};

static struct picked pick(const struct report_source *source, const char *name, bool is_series)
{
	struct picked picked = { xcalloc(source->count + 1, sizeof(void *)), 0 };

	for (size_t i = 0; i < source->count; i++) {
		const struct data_sample *sample = source->samples[i];

		for (size_t j = 0; j < sample->curve_count && !sample->is_warmup; j++) {
			const struct data_curve *curve = &sample->curves[j];

			if (curve->is_series == is_series && !strcmp(curve->name, name) &&
			    curve->count) {
				picked.items[picked.count++] = curve;
				break;
			}
		}
	}
	return picked;
}

/* The value of a curve at exactly x; NULL: it has none. */
static const double *value_at(const struct data_curve *curve, double x)
{
	size_t low = 0, high = curve->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (curve->points[middle].x < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low < curve->count && curve->points[low].x == x ? &curve->points[low].y : NULL;
}

/* Each percentile that the first round has: 100 % has no place on a scale of nines. */
static void merge_percentiles(const struct report *report, const struct picked *picked,
                              struct report_curve *out)
{
	const struct data_curve *first = picked->items[0];
	cleanup_free double *values = xcalloc(picked->count, sizeof(*values));

	out->spots = xcalloc(first->count, sizeof(*out->spots));
	for (size_t i = 0; i < first->count; i++) {
		struct report_spot *spot = &out->spots[out->count];
		struct stats_summary summary;
		size_t count = 0;

		if (first->points[i].x < 50 || first->points[i].x > 99.9999)
			continue;
		for (size_t j = 0; j < picked->count; j++) {
			const double *value = value_at(picked->items[j], first->points[i].x);

			if (value)
				values[count++] = *value;
		}
		stats_summarise(values, count, report->confidence, &summary);
		spot->x = first->points[i].x;
		spot->middle = spot->low = spot->high = summary.median;
		if (summary.interval.exists) {
			spot->low = summary.interval.low;
			spot->high = summary.interval.high;
		}
		out->count++;
	}
}

/* The mean of what each round has in the bin from `from` to before `to`: median and extremes. */
static bool merge_bin(const struct picked *picked, size_t *next, double to, double *values,
                      struct report_spot *spot)
{
	struct stats_summary summary;
	size_t count = 0;

	for (size_t j = 0; j < picked->count; j++) {
		const struct data_curve *curve = picked->items[j];
		double mean = 0;
		size_t n = 0;

		while (next[j] < curve->count && curve->points[next[j]].x < to) {
			n++;
			mean += (curve->points[next[j]].y - mean) / (double)n;
			next[j]++;
		}
		if (n)
			values[count++] = mean;
	}
	stats_summarise(values, count, 0.5, &summary);
	spot->middle = summary.median;
	spot->low = summary.min;
	spot->high = summary.max;
	return summary.count;
}

static void merge_series(const struct picked *picked, struct report_curve *out)
{
	cleanup_free double *values = xcalloc(picked->count, sizeof(*values));
	cleanup_free size_t *next = xcalloc(picked->count, sizeof(*next));
	double end = 0, width;
	size_t bins = 1;

	for (size_t j = 0; j < picked->count; j++) {
		const struct data_curve *curve = picked->items[j];

		end = curve->points[curve->count - 1].x > end ? curve->points[curve->count - 1].x
		                                              : end;
		bins = curve->count > bins ? curve->count : bins;
	}
	bins = bins > MAX_BINS ? MAX_BINS : bins;
	/* The last point lies within the last bin. */
	width = end * (1 + 1e-9) / (double)bins;
	out->spots = xcalloc(bins + 1, sizeof(*out->spots));
	for (size_t i = 0; i < bins; i++) {
		struct report_spot *spot = &out->spots[out->count];
		double to = i + 1 < bins ? width * (double)(i + 1) : INFINITY;

		spot->x = width * ((double)i + 0.5);
		out->count += merge_bin(picked, next, to, values, spot);
	}
}

/* Names of curves that any sample of the row has, with the unit that comes first. */
static void list_names(const struct report *report, const struct report_source *sources,
                       bool is_series, struct strv *names, struct strv *units)
{
	for (size_t i = 0; i < report->subject_count; i++)
		for (size_t j = 0; j < sources[i].count; j++)
			for (size_t k = 0; k < sources[i].samples[j]->curve_count; k++) {
				const struct data_curve *curve = &sources[i].samples[j]->curves[k];

				if (curve->is_series != is_series ||
				    names->count == DATA_MAX_KEYS || strv_has(names, curve->name))
					continue;
				strv_add(names, curve->name);
				strv_add(units, curve->unit);
			}
}

static struct report_curves *make_curves(const struct report *report,
                                         const struct report_source *sources, bool is_series,
                                         size_t *count)
{
	cleanup_strv struct strv names = STRV_INIT, units = STRV_INIT;
	struct report_curves *curves;

	list_names(report, sources, is_series, &names, &units);
	curves = xcalloc(names.count + 1, sizeof(*curves));
	for (*count = 0; *count < names.count; ++*count) {
		struct report_curves *all = &curves[*count];

		all->name = xstrdup(names.items[*count]);
		all->unit = xstrdup(units.items[*count]);
		all->items = xcalloc(report->subject_count, sizeof(*all->items));
		for (size_t i = 0; i < report->subject_count; i++) {
			struct picked picked = pick(&sources[i], all->name, is_series);
			struct report_curve *curve = &all->items[all->count];

			curve->subject = i;
			if (picked.count && is_series)
				merge_series(&picked, curve);
			else if (picked.count)
				merge_percentiles(report, &picked, curve);
			if (curve->count)
				all->count++;
			else
				free(curve->spots);
			free(picked.items);
		}
	}
	return curves;
}

void summary_add_curves(const struct report *report, struct report_row *row,
                        const struct report_source *sources)
{
	row->percentiles = make_curves(report, sources, false, &row->percentile_count);
	row->series = make_curves(report, sources, true, &row->series_count);
}
