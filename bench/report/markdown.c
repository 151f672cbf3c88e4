/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Markdown form: tables of medians and ratios, verdicts, what failed, the environment. */
#include "bench/report/forms.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "bench/report/escape.h"
#include "bench/report/wording.h"

/* More failures than this are counted. */
#define MAX_FAILURES 50

static void put_blank(struct strbuf *out, const struct report_cell *cell, struct strv *notes)
{
	cleanup_free char *reason = wording_blank(cell);

	strbuf_printf(out, " —<sup>%zu</sup> |", report_note_number(notes, reason));
}

static void put_figure(struct strbuf *out, const struct report_figure *figure,
                       const struct figure_scale *scale)
{
	cleanup_free char *median = wording_median(&figure->summary, scale);
	cleanup_free char *interval = wording_interval(&figure->summary, scale);

	strbuf_putc(out, ' ');
	/* Of figures and the unit, which may be anything. */
	escape_markdown(out, median);
	strbuf_printf(out, "%s%s", *interval ? " " : "", interval);
}

static void put_ratio(struct strbuf *out, const struct stats_summary *ratio)
{
	cleanup_free char *text = wording_ratio(ratio), *interval = wording_ratio_interval(ratio);

	if (!*text)
		return;
	strbuf_printf(out, "<br>%s%s%s", text, *interval ? " " : "", interval);
}

static void put_cell(struct strbuf *out, const struct report *report, const struct report_row *row,
                     size_t subject, struct strv *notes)
{
	const struct report_cell *cell = &row->cells[subject];
	const struct report_figure *figure = &cell->figures[row->metric];

	if (!figure->summary.count) {
		put_blank(out, cell, notes);
		return;
	}
	put_figure(out, figure, &row->scale);
	if (subject != report->base)
		put_ratio(out, &figure->ratio);
	if (cell->failures || figure->summary.outliers) {
		cleanup_free char *samples = wording_samples(cell, row->metric);

		strbuf_printf(out, "<br>%s", samples);
	}
	strbuf_puts(out, " |");
}

static void put_header(struct strbuf *out, const struct report *report, const char *first)
{
	strbuf_printf(out, "| %s |", first);
	for (size_t i = 0; i < report->subject_count; i++) {
		strbuf_putc(out, ' ');
		escape_markdown(out, report->subjects[i].name);
		strbuf_puts(out, report->subjects[i].kind == DATA_FLOOR ? " (floor) |" : " |");
	}
	strbuf_puts(out, "\n|---|");
	for (size_t i = 0; i < report->subject_count; i++)
		strbuf_puts(out, "--:|");
	strbuf_putc(out, '\n');
}

static void put_row_name(struct strbuf *out, const struct report_row *row)
{
	strbuf_puts(out, "**");
	escape_markdown(out, row->workload);
	strbuf_puts(out, "**");
	if (!*row->conditions)
		return;
	strbuf_puts(out, ", ");
	escape_markdown(out, row->conditions);
}

static void put_table(struct strbuf *out, const struct report *report)
{
	cleanup_strv struct strv notes = STRV_INIT;

	put_header(out, report, "Workload");
	for (size_t i = 0; i < report->row_count; i++) {
		const struct report_row *row = &report->rows[i];
		cleanup_free char *metric = wording_metric(report, row);

		strbuf_puts(out, "| ");
		put_row_name(out, row);
		strbuf_puts(out, "<br>");
		escape_markdown(out, metric);
		strbuf_puts(out, " |");
		for (size_t j = 0; j < report->subject_count; j++)
			put_cell(out, report, row, j, &notes);
		strbuf_putc(out, '\n');
	}
	for (size_t i = 0; i < notes.count; i++) {
		strbuf_printf(out, "%s<sup>%zu</sup> ", i ? "  \n" : "\n", i + 1);
		escape_markdown(out, notes.items[i]);
	}
	strbuf_puts(out, notes.count ? "\n" : "");
}

/* A row of another metric than the main one, where some cell has it. */
static void put_other_row(struct strbuf *out, const struct report *report,
                          const struct report_row *row, size_t metric)
{
	struct figure_scale scale = report_scale(report, row, metric);

	strbuf_puts(out, "| ");
	put_row_name(out, row);
	strbuf_puts(out, "<br>");
	escape_markdown(out, report->metrics[metric].name);
	strbuf_puts(out, " |");
	for (size_t i = 0; i < report->subject_count; i++) {
		const struct report_figure *figure = &row->cells[i].figures[metric];

		if (figure->summary.count)
			put_figure(out, figure, &scale);
		strbuf_puts(out, " |");
	}
	strbuf_putc(out, '\n');
}

static void put_others(struct strbuf *out, const struct report *report)
{
	size_t before = 0;

	for (size_t i = 0; i < report->row_count; i++)
		for (size_t m = 0; m < report->metric_count; m++) {
			if (!report_has_metric(report, &report->rows[i], m) ||
			    m == report->rows[i].metric)
				continue;
			if (!before++) {
				strbuf_puts(out, "\n## Other metrics\n\n");
				put_header(out, report, "Workload, metric");
			}
			put_other_row(out, report, &report->rows[i], m);
		}
}

static void put_verdicts(struct strbuf *out, const struct report *report)
{
	strbuf_puts(out, "\n## What it shows\n\n");
	for (size_t i = 0; i < report->row_count; i++) {
		cleanup_strv struct strv sentences = STRV_INIT;

		wording_verdicts(report, &report->rows[i], &sentences);
		if (!sentences.count)
			continue;
		strbuf_puts(out, "- ");
		put_row_name(out, &report->rows[i]);
		strbuf_putc(out, ':');
		for (size_t j = 0; j < sentences.count; j++) {
			strbuf_putc(out, ' ');
			escape_markdown(out, sentences.items[j]);
		}
		strbuf_putc(out, '\n');
	}
}

static void put_list(struct strbuf *out, const char *title, const struct strv *list, size_t limit)
{
	if (!list->count)
		return;
	strbuf_printf(out, "%s\n", title);
	for (size_t i = 0; i < list->count && i < limit; i++) {
		strbuf_puts(out, "- ");
		escape_markdown(out, list->items[i]);
		strbuf_putc(out, '\n');
	}
	if (list->count > limit)
		strbuf_printf(out, "- and %zu more, which the data file has\n",
		              list->count - limit);
}

void form_markdown(const struct report *report, struct strbuf *out)
{
	cleanup_strv struct strv method = STRV_INIT;

	strbuf_puts(out, "# stor bench\n\n");
	escape_markdown(out, report->headline);
	strbuf_puts(out, "\n\n");
	for (size_t i = 0; i < report->notes.count; i++) {
		escape_markdown(out, report->notes.items[i]);
		strbuf_puts(out, "\n\n");
	}
	put_table(out, report);
	put_verdicts(out, report);
	put_others(out, report);
	put_list(out, "\n## Failures\n", &report->failures, MAX_FAILURES);
	strbuf_puts(out, "\n## Environment\n\n| | |\n|---|---|\n");
	for (size_t i = 0; i + 1 < report->facts.count; i += 2) {
		strbuf_puts(out, "| ");
		escape_markdown(out, report->facts.items[i]);
		strbuf_puts(out, " | ");
		escape_markdown(out, report->facts.items[i + 1]);
		strbuf_puts(out, " |\n");
	}
	wording_method(report, &method);
	strbuf_puts(out, "\n## Method\n");
	for (size_t i = 0; i < method.count; i++) {
		strbuf_putc(out, '\n');
		escape_markdown(out, method.items[i]);
		strbuf_putc(out, '\n');
	}
}
