/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows, subjects and figures of a data file: see summary.h. */
#include "bench/report/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "bench/report/summary_parts.h"

/* Floors first, then the host, what is of stor, and peers; each kind in the data's order. Colours
 * are dealt to the last two. places: for each subject of the data its index here. */
static void order_subjects(struct report *report, size_t *places)
{
	const struct data *data = report->data;
	unsigned colour = 0;

	report->subjects = xcalloc(data->subject_count + 1, sizeof(*report->subjects));
	for (int kind = DATA_FLOOR; kind <= DATA_PEER; kind++)
		for (size_t i = 0; i < data->subject_count; i++) {
			struct report_subject *subject = &report->subjects[report->subject_count];

			if ((int)data->subjects[i].kind != kind)
				continue;
			places[i] = report->subject_count++;
			subject->name = data->subjects[i].name;
			subject->kind = data->subjects[i].kind;
			subject->colour = kind >= DATA_STOR ? colour++ : 0;
		}
}

static void add_condition(struct strbuf *out, const char *text)
{
	if (text)
		strbuf_printf(out, "%s%s", out->length ? ", " : "", text);
}

/* "debian, 1 GiB, warm, cpus=1" */
static char *conditions_of(const struct data_case *of)
{
	struct figure_scale scale = figure_scale("bytes", (double)of->size_bytes);
	struct strbuf out = STRBUF_INIT;
	char size[FIGURE_SIZE];

	add_condition(&out, of->image);
	if (of->size_bytes)
		add_condition(&out, figure_round((double)of->size_bytes, &scale, size));
	add_condition(&out, of->cache);
	for (size_t i = 0; i < of->limits.count; i++)
		add_condition(&out, of->limits.items[i]);
	return strbuf_steal(&out);
}

/* The row that a case belongs to, new where none has its conditions, or that has the subject. */
static struct report_row *find_row(struct report *report, const struct data_case *of,
                                   size_t subject)
{
	cleanup_free char *conditions = conditions_of(of);
	struct report_row *row;

	for (size_t i = 0; i < report->row_count; i++) {
		row = &report->rows[i];
		if (row->metric == of->metric && !row->cells[subject].is_there &&
		    !strcmp(row->workload, of->workload) && !strcmp(row->conditions, conditions))
			return row;
	}
	row = &report->rows[report->row_count++];
	row->workload = of->workload;
	row->conditions = steal_ptr(&conditions);
	row->metric = of->metric;
	row->cells = xcalloc(report->subject_count, sizeof(*row->cells));
	for (size_t i = 0; i < report->subject_count; i++)
		row->cells[i].figures = report->no_figures;
	return row;
}

static int compare_rounds(const void *a, const void *b)
{
	const struct data_sample *const *p = a, *const *q = b;

	if ((*p)->round != (*q)->round)
		return (*p)->round < (*q)->round ? -1 : 1;
	/* All lie in one list: the later one has the higher address. */
	return (*p > *q) - (*p < *q);
}

/* by_round: the samples of the cell, warm-ups left out. */
static void fill_figure(const struct report *report, struct report_figure *figure, size_t metric,
                        const struct data_sample *const *by_round, size_t count)
{
	cleanup_free double *values = xcalloc(count + 1, sizeof(*values));

	figure->samples = xcalloc(count + 1, sizeof(*figure->samples));
	for (size_t i = 0; i < count; i++) {
		const double *value = data_value_of(by_round[i], metric);

		if (!value)
			continue;
		values[figure->count] = *value;
		figure->samples[figure->count].round = (long)by_round[i]->round;
		figure->samples[figure->count++].value = *value;
	}
	stats_summarise(values, figure->count, report->confidence, &figure->summary);
}

static void fill_points(struct report_cell *cell, size_t metric, const struct report_source *source)
{
	cell->points = xcalloc(source->count + 1, sizeof(*cell->points));
	for (size_t i = 0; i < source->count; i++) {
		const double *value = data_value_of(source->samples[i], metric);
		struct report_point *point = &cell->points[cell->point_count];

		if (!value)
			continue;
		point->value = *value;
		point->is_warmup = source->samples[i]->is_warmup;
		point->is_outlier = !point->is_warmup &&
		                    stats_is_outlier(&cell->figures[metric].summary, point->value);
		cell->point_count++;
	}
}

static void fill_cell(const struct report *report, struct report_cell *cell, size_t metric,
                      const struct report_source *source)
{
	const struct data_sample **by_round = xcalloc(source->count + 1, sizeof(void *));
	size_t count = 0;

	for (size_t i = 0; i < source->count; i++) {
		if (source->samples[i]->is_warmup)
			cell->warmups++;
		else
			by_round[count++] = source->samples[i];
	}
	qsort(by_round, count, sizeof(void *), compare_rounds);
	cell->figures = xcalloc(report->metric_count, sizeof(*cell->figures));
	for (size_t i = 0; i < report->metric_count; i++)
		fill_figure(report, &cell->figures[i], i, by_round, count);
	fill_points(cell, metric, source);
	free(by_round);
}

/* Samples of each case, in the order of the file; one list holds them all. */
static struct report_source *sort_samples(const struct data *data, const struct data_sample ***all)
{
	struct report_source *sources = xcalloc(data->case_count + 1, sizeof(*sources));
	size_t used = 0;

	*all = xcalloc(data->sample_count + 1, sizeof(void *));
	for (size_t i = 0; i < data->sample_count; i++)
		sources[data->samples[i].of].count++;
	for (size_t i = 0; i < data->case_count; i++) {
		sources[i].samples = *all + used;
		used += sources[i].count;
		sources[i].count = 0;
	}
	for (size_t i = 0; i < data->sample_count; i++) {
		struct report_source *source = &sources[data->samples[i].of];

		source->samples[source->count++] = &data->samples[i];
	}
	return sources;
}

static int choose_base(struct report *report, const char *base, struct stor_err *err)
{
	struct strbuf names = STRBUF_INIT;

	report->base = REPORT_NO_BASE;
	for (size_t i = 0; i < report->subject_count; i++) {
		const struct report_subject *subject = &report->subjects[i];

		if (base ? !strcmp(subject->name, base) : subject->kind == DATA_HOST) {
			report->base = i;
			break;
		}
		strbuf_printf(&names, "%s%s", i ? ", " : "", subject->name);
	}
	if (report->base == REPORT_NO_BASE && base) {
		err_fail(err, STOR_NOT_FOUND, 0, "--base: no subject is named \"%s\"", base);
		err_hint(err, "the subjects are: %s", names.text);
	}
	/* No host: the first that is no floor, else the first. */
	for (size_t i = 0; i < report->subject_count && report->base == REPORT_NO_BASE; i++)
		if (report->subjects[i].kind != DATA_FLOOR)
			report->base = i;
	if (report->base == REPORT_NO_BASE && report->subject_count)
		report->base = 0;
	strbuf_free(&names);
	return err->status == STOR_OK ? 0 : -1;
}

static void add_ratios(struct report *report, struct report_row *row)
{
	const struct report_cell *base = &row->cells[report->base];

	for (size_t i = 0; i < report->subject_count; i++)
		for (size_t m = 0; row->cells[i].is_there && m < report->metric_count; m++) {
			struct report_figure *figure = &row->cells[i].figures[m];

			stats_ratio(figure->samples, figure->count, base->figures[m].samples,
			            base->figures[m].count, report->confidence, &figure->ratio);
		}
}

/* Puts each case into its cell. of_row: for each row and subject the source, row by row. */
static void fill_rows(struct report *report, const size_t *places,
                      const struct report_source *sources, struct report_source **of_rows)
{
	const struct data *data = report->data;
	cleanup_free size_t *failures = xcalloc(data->case_count, sizeof(*failures));

	for (size_t i = 0; i < data->failure_count; i++)
		failures[data->failures[i].of] += !data->failures[i].is_warmup;
	for (size_t i = 0; i < data->case_count; i++) {
		const struct data_case *of = &data->cases[i];
		size_t subject = places[of->subject];
		struct report_row *row = find_row(report, of, subject);
		struct report_cell *cell = &row->cells[subject];
		size_t number = (size_t)(row - report->rows);

		cell->is_there = true;
		cell->blank = of->blank;
		cell->command = of->command;
		if (!of_rows[number])
			of_rows[number] = xcalloc(report->subject_count, sizeof(**of_rows));
		of_rows[number][subject] = sources[i];
		cell->failures = failures[i];
		fill_cell(report, cell, row->metric, &sources[i]);
	}
}

int report_make(const struct data *data, const char *base, struct report *report,
                struct stor_err *err)
{
	cleanup_free size_t *places = xcalloc(data->subject_count + 1, sizeof(*places));
	struct report_source **of_rows;
	const struct data_sample **all;
	struct report_source *sources;

	memset(report, 0, sizeof(*report));
	report->data = data;
	report->confidence = data->confidence;
	report->metrics = data->metrics;
	report->metric_count = data->metric_count;
	if (!data->case_count)
		return err_fail(err, STOR_FAILED, 0, "the data file has no case");
	order_subjects(report, places);
	if (choose_base(report, base, err) < 0)
		return -1;
	report->no_figures = xcalloc(report->metric_count, sizeof(*report->no_figures));
	report->rows = xcalloc(data->case_count, sizeof(*report->rows));
	of_rows = xcalloc(data->case_count, sizeof(void *));
	sources = sort_samples(data, &all);
	fill_rows(report, places, sources, of_rows);
	for (size_t i = 0; i < report->row_count; i++) {
		add_ratios(report, &report->rows[i]);
		report->rows[i].scale =
			report_scale(report, &report->rows[i], report->rows[i].metric);
		summary_add_curves(report, &report->rows[i], of_rows[i]);
		free(of_rows[i]);
	}
	free(of_rows);
	free(sources);
	free(all);
	summary_add_texts(report);
	return 0;
}

bool report_has_metric(const struct report *report, const struct report_row *row, size_t metric)
{
	for (size_t i = 0; i < report->subject_count; i++)
		if (row->cells[i].figures[metric].summary.count)
			return true;
	return false;
}

struct figure_scale report_scale(const struct report *report, const struct report_row *row,
                                 size_t metric)
{
	cleanup_free double *medians = xcalloc(report->subject_count + 1, sizeof(*medians));
	struct stats_summary middle;
	size_t count = 0;

	for (size_t i = 0; i < report->subject_count; i++)
		if (row->cells[i].figures[metric].summary.count)
			medians[count++] = fabs(row->cells[i].figures[metric].summary.median);
	stats_summarise(medians, count, 0.5, &middle);
	return figure_scale(report->metrics[metric].unit, count ? middle.median : 0);
}

size_t report_note_number(struct strv *notes, const char *text)
{
	for (size_t i = 0; i < notes->count; i++)
		if (!strcmp(notes->items[i], text))
			return i + 1;
	strv_add(notes, text);
	return notes->count;
}

static void free_curves(struct report_curves *curves, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < curves[i].count; j++)
			free(curves[i].items[j].spots);
		free(curves[i].items);
		free(curves[i].name);
		free(curves[i].unit);
	}
	free(curves);
}

static void free_row(const struct report *report, struct report_row *row)
{
	for (size_t i = 0; i < report->subject_count; i++) {
		struct report_cell *cell = &row->cells[i];

		for (size_t m = 0; cell->is_there && m < report->metric_count; m++)
			free(cell->figures[m].samples);
		if (cell->is_there)
			free(cell->figures);
		free(cell->points);
	}
	free(row->cells);
	free(row->conditions);
	free_curves(row->percentiles, row->percentile_count);
	free_curves(row->series, row->series_count);
}

void report_free(struct report *report)
{
	for (size_t i = 0; i < report->row_count; i++)
		free_row(report, &report->rows[i]);
	free(report->rows);
	free(report->subjects);
	free(report->no_figures);
	free(report->headline);
	strv_free(&report->facts);
	strv_free(&report->failures);
	strv_free(&report->notes);
}
