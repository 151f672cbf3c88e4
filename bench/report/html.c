/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTML form: one page that needs nothing else, no script either. */
#include "bench/report/forms.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "bench/report/escape.h"
#include "bench/report/html_table.h"
#include "bench/report/plots.h"
#include "bench/report/style.h"
#include "bench/report/wording.h"

/* More failures than this are counted. */
#define MAX_FAILURES 200

static void put_list(struct strbuf *out, const struct strv *list, size_t limit)
{
	strbuf_puts(out, "<ul>\n");
	for (size_t i = 0; i < list->count && i < limit; i++) {
		strbuf_puts(out, "<li>");
		escape_html(out, list->items[i]);
		strbuf_puts(out, "</li>\n");
	}
	if (list->count > limit)
		strbuf_printf(out, "<li>and %zu more, which the data file has</li>\n",
		              list->count - limit);
	strbuf_puts(out, "</ul>\n");
}

static void put_head(struct strbuf *out, const struct report *report)
{
	strbuf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	                 "<meta name=\"viewport\" content=\"width=device-width, "
	                 "initial-scale=1\">\n"
	                 "<meta name=\"color-scheme\" content=\"light dark\">\n"
	                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
	                 "&#39;none&#39;; style-src &#39;unsafe-inline&#39;\">\n"
	                 "<title>stor bench</title>\n<style>\n");
	strbuf_puts(out, style_sheet);
	strbuf_puts(out, "</style>\n</head>\n<body>\n<header>\n<h1>stor bench</h1>\n"
	                 "<p class=\"soft\">");
	escape_html(out, report->headline);
	strbuf_puts(out, "</p>\n</header>\n<main>\n");
	for (size_t i = 0; i < report->notes.count; i++) {
		strbuf_puts(out, "<p class=\"note\">");
		escape_html(out, report->notes.items[i]);
		strbuf_puts(out, "</p>\n");
	}
}

static void put_verdicts(struct strbuf *out, const struct report *report)
{
	size_t before = 0;

	for (size_t i = 0; i < report->row_count; i++) {
		cleanup_strv struct strv sentences = STRV_INIT;

		wording_verdicts(report, &report->rows[i], &sentences);
		if (!sentences.count)
			continue;
		if (!before++)
			strbuf_puts(out, "<h2>What it shows</h2>\n");
		strbuf_puts(out, "<p>");
		html_row_name(out, &report->rows[i]);
		strbuf_puts(out, "</p>\n");
		put_list(out, &sentences, SIZE_MAX);
	}
}

static void put_figure(struct strbuf *out, const char *heading, const char *caption,
                       struct strbuf *svg)
{
	if (svg->length) {
		strbuf_puts(out, "<figure>\n<figcaption><b>");
		escape_html(out, heading);
		strbuf_puts(out, "</b> ");
		escape_html(out, caption);
		strbuf_puts(out, "</figcaption>\n");
		strbuf_add(out, svg->text, svg->length);
		strbuf_puts(out, "</figure>\n");
	}
	strbuf_free(svg);
}

static void put_percentiles(struct strbuf *out, const struct report *report, size_t row)
{
	const struct report_row *r = &report->rows[row];

	for (size_t i = 0; i < r->percentile_count; i++) {
		cleanup_free char *id = xasprintf("r%zu-percentiles%zu", row, i);
		cleanup_free char *heading =
			xasprintf("Percentiles of %s.", r->percentiles[i].name);
		struct strbuf svg = STRBUF_INIT;

		plot_percentiles(&svg, report, r, &r->percentiles[i], id);
		put_figure(out, heading,
		           "Medians over the rounds, with intervals, on logarithmic scales.", &svg);
	}
}

static void put_series(struct strbuf *out, const struct report *report, size_t row)
{
	const struct report_row *r = &report->rows[row];

	for (size_t i = 0; i < r->series_count; i++) {
		cleanup_free char *id = xasprintf("r%zu-series%zu", row, i);
		cleanup_free char *heading = xasprintf("Over time: %s.", r->series[i].name);
		struct strbuf svg = STRBUF_INIT;

		plot_series(&svg, report, r, &r->series[i], id);
		put_figure(out, heading,
		           "Each lane begins at 0, all have one scale: median of the rounds, and "
		           "their extremes as a band.",
		           &svg);
	}
}

static void put_commands(struct strbuf *out, const struct report *report,
                         const struct report_row *row)
{
	size_t before = 0;

	for (size_t i = 0; i < report->subject_count; i++) {
		if (!row->cells[i].command)
			continue;
		if (!before++)
			strbuf_puts(out, "<details><summary>Commands</summary>\n<dl>\n");
		strbuf_puts(out, "<dt>");
		escape_html(out, report->subjects[i].name);
		strbuf_puts(out, "</dt><dd><code>");
		escape_html(out, row->cells[i].command);
		strbuf_puts(out, "</code></dd>\n");
	}
	if (before)
		strbuf_puts(out, "</dl>\n</details>\n");
}

static void put_plots(struct strbuf *out, const struct report *report, size_t row)
{
	const struct report_row *r = &report->rows[row];
	const char *name = report->metrics[r->metric].name;
	cleanup_free char *bars_id = xasprintf("r%zu-bars", row);
	cleanup_free char *samples_id = xasprintf("r%zu-samples", row);
	cleanup_free char *bars = xasprintf("Median %s.", name);
	cleanup_free char *samples = xasprintf("Samples of %s.", name);
	struct strbuf svg = STRBUF_INIT;

	strbuf_puts(out, "<section>\n<h3>");
	html_row_name(out, r);
	strbuf_puts(out, "</h3>\n<div class=\"figures\">\n");
	plot_bars(&svg, report, r, bars_id);
	put_figure(out, bars,
	           report->metrics[r->metric].is_more_better
	                   ? "More is better. Lines are the intervals of the medians."
	                   : "Less is better. Lines are the intervals of the medians.",
	           &svg);
	plot_samples(&svg, report, r, samples_id);
	put_figure(out, samples,
	           "Each dot is one, the first on top. Line and band: median and its interval. "
	           "× outlier, ○ warm-up.",
	           &svg);
	put_percentiles(out, report, row);
	put_series(out, report, row);
	strbuf_puts(out, "</div>\n");
	put_commands(out, report, r);
	strbuf_puts(out, "</section>\n");
}

static void put_facts(struct strbuf *out, const struct report *report)
{
	strbuf_puts(out, "<h2>Environment</h2>\n<dl>\n");
	for (size_t i = 0; i + 1 < report->facts.count; i += 2) {
		strbuf_puts(out, "<dt>");
		escape_html(out, report->facts.items[i]);
		strbuf_puts(out, "</dt><dd>");
		escape_html(out, report->facts.items[i + 1]);
		strbuf_puts(out, "</dd>\n");
	}
	strbuf_puts(out, "</dl>\n");
}

void form_html(const struct report *report, struct strbuf *out)
{
	cleanup_strv struct strv method = STRV_INIT;

	put_head(out, report);
	put_verdicts(out, report);
	strbuf_puts(out, "<h2>Medians</h2>\n");
	html_main_table(out, report);
	strbuf_puts(out, "<h2>Plots</h2>\n");
	for (size_t i = 0; i < report->row_count; i++)
		if (report_has_metric(report, &report->rows[i], report->rows[i].metric))
			put_plots(out, report, i);
	html_other_table(out, report);
	if (report->failures.count) {
		strbuf_puts(out, "<h2>Failures</h2>\n");
		put_list(out, &report->failures, MAX_FAILURES);
	}
	put_facts(out, report);
	strbuf_puts(out, "<h2>Method</h2>\n");
	wording_method(report, &method);
	for (size_t i = 0; i < method.count; i++) {
		strbuf_puts(out, "<p>");
		escape_html(out, method.items[i]);
		strbuf_puts(out, "</p>\n");
	}
	strbuf_puts(out, "</main>\n</body>\n</html>\n");
}
