/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the HTML form: see html_table.h. */
#include "bench/report/html_table.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "bench/report/escape.h"
#include "bench/report/wording.h"

void html_row_name(struct strbuf *out, const struct report_row *row)
{
	strbuf_puts(out, "<b>");
	escape_html(out, row->workload);
	strbuf_puts(out, "</b>");
	if (!*row->conditions)
		return;
	strbuf_puts(out, " <small class=\"soft\">");
	escape_html_name(out, row->conditions);
	strbuf_puts(out, "</small>");
}

static void put_span(struct strbuf *out, const char *class, const char *text)
{
	strbuf_printf(out, "<span%s%s%s>", class ? " class=\"" : "", class ? class : "",
	              class ? "\"" : "");
	escape_html(out, text);
	strbuf_puts(out, "</span>");
}

static void put_figure(struct strbuf *out, const struct report_figure *figure,
                       const struct figure_scale *scale)
{
	cleanup_free char *median = wording_median(&figure->summary, scale);
	cleanup_free char *interval = wording_interval(&figure->summary, scale);

	escape_html(out, median);
	if (*interval)
		put_span(out, NULL, interval);
}

static void put_ratio(struct strbuf *out, const struct stats_summary *ratio)
{
	cleanup_free char *text = wording_ratio(ratio), *interval = wording_ratio_interval(ratio);
	cleanup_free char *both = xasprintf("%s%s%s", text, *interval ? " " : "", interval);

	if (*text)
		put_span(out, "ratio", both);
}

static void put_cell(struct strbuf *out, const struct report *report, const struct report_row *row,
                     size_t subject, struct strv *notes)
{
	const struct report_cell *cell = &row->cells[subject];
	const struct report_figure *figure = &cell->figures[row->metric];

	strbuf_puts(out, "<td>");
	if (!figure->summary.count) {
		cleanup_free char *reason = wording_blank(cell);

		strbuf_printf(out, "—<sup>%zu</sup></td>\n", report_note_number(notes, reason));
		return;
	}
	put_figure(out, figure, &row->scale);
	if (subject != report->base)
		put_ratio(out, &figure->ratio);
	if (cell->failures || figure->summary.outliers) {
		cleanup_free char *samples = wording_samples(cell, row->metric);

		put_span(out, NULL, samples);
	}
	strbuf_puts(out, "</td>\n");
}

static void open_table(struct strbuf *out, const struct report *report, const char *label,
                       const char *first)
{
	strbuf_printf(out,
	              "<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"%s\">\n"
	              "<table>\n<thead>\n<tr><th scope=\"col\">%s</th>\n",
	              label, first);
	for (size_t i = 0; i < report->subject_count; i++) {
		strbuf_puts(out, "<th scope=\"col\">");
		escape_html_name(out, report->subjects[i].name);
		if (report->subjects[i].kind == DATA_FLOOR)
			strbuf_puts(out, "<span>floor</span>");
		else if (i == report->base)
			strbuf_puts(out, "<span>base of the ratios</span>");
		strbuf_puts(out, "</th>\n");
	}
	strbuf_puts(out, "</tr>\n</thead>\n<tbody>\n");
}

static void put_row_head(struct strbuf *out, const struct report_row *row, const char *metric)
{
	strbuf_puts(out, "<tr><th scope=\"row\">");
	html_row_name(out, row);
	put_span(out, NULL, metric);
	strbuf_puts(out, "</th>\n");
}

void html_main_table(struct strbuf *out, const struct report *report)
{
	cleanup_strv struct strv notes = STRV_INIT;

	open_table(out, report, "Medians and ratios", "Workload");
	for (size_t i = 0; i < report->row_count; i++) {
		cleanup_free char *metric = wording_metric(report, &report->rows[i]);

		put_row_head(out, &report->rows[i], metric);
		for (size_t j = 0; j < report->subject_count; j++)
			put_cell(out, report, &report->rows[i], j, &notes);
		strbuf_puts(out, "</tr>\n");
	}
	strbuf_puts(out, "</tbody>\n</table>\n</div>\n");
	if (!notes.count)
		return;
	strbuf_puts(out, "<ol class=\"small soft\">\n");
	for (size_t i = 0; i < notes.count; i++) {
		strbuf_puts(out, "<li>");
		escape_html(out, notes.items[i]);
		strbuf_puts(out, "</li>\n");
	}
	strbuf_puts(out, "</ol>\n");
}

static void put_other_row(struct strbuf *out, const struct report *report,
                          const struct report_row *row, size_t metric)
{
	struct figure_scale scale = report_scale(report, row, metric);

	put_row_head(out, row, report->metrics[metric].name);
	for (size_t i = 0; i < report->subject_count; i++) {
		const struct report_figure *figure = &row->cells[i].figures[metric];

		strbuf_puts(out, "<td>");
		if (figure->summary.count)
			put_figure(out, figure, &scale);
		strbuf_puts(out, "</td>\n");
	}
	strbuf_puts(out, "</tr>\n");
}

void html_other_table(struct strbuf *out, const struct report *report)
{
	size_t before = 0;

	for (size_t i = 0; i < report->row_count; i++)
		for (size_t m = 0; m < report->metric_count; m++) {
			const struct report_row *row = &report->rows[i];

			if (m == row->metric || !report_has_metric(report, row, m))
				continue;
			if (!before++) {
				strbuf_puts(out, "<h2>Other metrics</h2>\n");
				open_table(out, report, "Other metrics", "Workload, metric");
			}
			put_other_row(out, report, row, m);
		}
	if (before)
		strbuf_puts(out, "</tbody>\n</table>\n</div>\n");
}
