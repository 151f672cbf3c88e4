/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures and verdicts in words: see wording.h. */
#include "bench/report/wording.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

static const struct figure_scale times = { .divisor = 1, .suffix = "×" };

char *wording_median(const struct stats_summary *summary, const struct figure_scale *scale)
{
	char text[FIGURE_SIZE];

	return xstrdup(figure_text(summary->median, scale, text));
}

static char *interval_text(const struct stats_summary *summary, const struct figure_scale *scale,
                           int digits)
{
	char low[FIGURE_SIZE], high[FIGURE_SIZE];

	if (!summary->count || !summary->interval.exists)
		return xstrdup("");
	return xasprintf("[%s, %s]", figure_number(summary->interval.low, scale, digits, low),
	                 figure_number(summary->interval.high, scale, digits, high));
}

char *wording_interval(const struct stats_summary *summary, const struct figure_scale *scale)
{
	return interval_text(summary, scale, 3);
}

static int ratio_digits(const struct stats_summary *ratio)
{
	return ratio->interval.exists
	               ? figure_ratio_digits(ratio->interval.low, ratio->interval.high)
	               : 3;
}

char *wording_ratio(const struct stats_summary *ratio)
{
	char text[FIGURE_SIZE];

	if (!ratio->count)
		return xstrdup("");
	return xasprintf("%s×", figure_number(ratio->median, &times, ratio_digits(ratio), text));
}

char *wording_ratio_interval(const struct stats_summary *ratio)
{
	return interval_text(ratio, &times, ratio_digits(ratio));
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

char *wording_samples(const struct report_cell *cell, size_t metric)
{
	const struct stats_summary *summary = &cell->figures[metric].summary;
	struct strbuf out = STRBUF_INIT;

	strbuf_printf(&out, "%zu sample%s", summary->count, plural(summary->count));
	if (summary->outliers)
		strbuf_printf(&out, ", %zu outlier%s", summary->outliers,
		              plural(summary->outliers));
	if (cell->failures)
		strbuf_printf(&out, ", %zu failed", cell->failures);
	return strbuf_steal(&out);
}

char *wording_metric(const struct report *report, const struct report_row *row)
{
	const struct data_metric *metric = &report->metrics[row->metric];
	size_t least = SIZE_MAX, most = 0;
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < report->subject_count; i++) {
		size_t count = row->cells[i].figures[row->metric].summary.count;

		least = count && count < least ? count : least;
		most = count > most ? count : most;
	}
	if (!most)
		return xstrdup(metric->name);
	strbuf_printf(&out, "%s, %s is better, ", metric->name,
	              metric->is_more_better ? "more" : "less");
	if (least < most)
		strbuf_printf(&out, "%zu to ", least);
	strbuf_printf(&out, "%zu round%s", most, plural(most));
	return strbuf_steal(&out);
}

char *wording_blank(const struct report_cell *cell)
{
	if (!cell->is_there)
		return xstrdup("not part of the experiment");
	if (cell->blank)
		return xstrdup(cell->blank);
	if (cell->failures)
		return xasprintf("all %zu rounds failed", cell->failures);
	return xstrdup(cell->warmups ? "nothing but warm-ups was measured" : "it was not measured");
}

/* Is more or less of the metric what people call fast? Processor time is not. */
static bool tells_speed(const struct data_metric *metric)
{
	if (!strcmp(metric->unit, "s"))
		return !strstr(metric->name, "cpu");
	return !strcmp(metric->unit, "1/s") || !strcmp(metric->unit, "bytes/s");
}

/* "ratio of seconds 0.800, 95 % interval 0.780 to 0.820" */
static void add_ratio(struct strbuf *out, const struct report *report, const struct report_row *row,
                      const struct stats_summary *ratio)
{
	char median[FIGURE_SIZE], low[FIGURE_SIZE], high[FIGURE_SIZE];
	int digits = ratio_digits(ratio);

	strbuf_printf(
		out, "ratio of %s %s, %g %% interval %s to %s", report->metrics[row->metric].name,
		figure_number(ratio->median, &times, digits, median), report->confidence * 100,
		figure_number(ratio->interval.low, &times, digits, low),
		figure_number(ratio->interval.high, &times, digits, high));
}

static void add_difference(struct strv *sentences, const struct report *report,
                           const struct report_row *row, size_t subject)
{
	const struct data_metric *metric = &report->metrics[row->metric];
	const struct stats_summary *ratio = &row->cells[subject].figures[row->metric].ratio;
	const char *name = report->subjects[subject].name;
	const char *base = report->subjects[report->base].name;
	double factor = ratio->median;
	int digits = ratio_digits(ratio);
	struct strbuf out = STRBUF_INIT;
	char text[FIGURE_SIZE];

	if (tells_speed(metric) && factor > 0) {
		bool is_faster = metric->is_more_better == (factor > 1);

		factor = factor > 1 ? factor : 1 / factor;
		strbuf_printf(&out, "%s is %s times as fast as %s", is_faster ? name : base,
		              figure_number(factor, &times, digits, text), is_faster ? base : name);
	} else {
		strbuf_printf(&out, "%s has %s times the %s of %s", name,
		              figure_number(factor, &times, digits, text), metric->name, base);
	}
	strbuf_puts(&out, " (");
	add_ratio(&out, report, row, ratio);
	strbuf_puts(&out, ").");
	strv_take(sentences, strbuf_steal(&out));
}

/* One sentence about all subjects with the same verdict: "head BASE: A (…), B (…)." */
static void add_others(struct strv *sentences, const struct report *report,
                       const struct report_row *row, enum stats_verdict verdict, const char *head)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < report->subject_count; i++) {
		const struct stats_summary *ratio = &row->cells[i].figures[row->metric].ratio;

		if (i == report->base || report->subjects[i].kind == DATA_FLOOR || !ratio->count ||
		    stats_verdict(ratio) != verdict)
			continue;
		if (out.length)
			strbuf_puts(&out, ", ");
		else
			strbuf_printf(&out, "%s %s: ", head, report->subjects[report->base].name);
		strbuf_puts(&out, report->subjects[i].name);
		if (verdict == STATS_TOO_FEW)
			continue;
		strbuf_puts(&out, " (");
		add_ratio(&out, report, row, ratio);
		strbuf_putc(&out, ')');
	}
	if (!out.length)
		return;
	strbuf_putc(&out, '.');
	strv_take(sentences, strbuf_steal(&out));
}

void wording_verdicts(const struct report *report, const struct report_row *row,
                      struct strv *sentences)
{
	if (report->base == REPORT_NO_BASE)
		return;
	for (size_t i = 0; i < report->subject_count; i++) {
		enum stats_verdict verdict =
			stats_verdict(&row->cells[i].figures[row->metric].ratio);

		/* A floor is what nothing can undercut: no rival. */
		if (report->subjects[i].kind == DATA_FLOOR)
			continue;
		if (i != report->base && (verdict == STATS_MORE || verdict == STATS_LESS))
			add_difference(sentences, report, row, i);
	}
	add_others(sentences, report, row, STATS_NO_DIFFERENCE, "No difference shown from");
	add_others(sentences, report, row, STATS_TOO_FEW, "Too few rounds for a verdict against");
}

/* The fewest samples that make an interval. */
static size_t fewest_rounds(double confidence)
{
	size_t count = 1;

	while (count < 64 && !stats_rank(count, confidence, NULL))
		count++;
	return count;
}

void wording_method(const struct report *report, struct strv *paragraphs)
{
	double percent = report->confidence * 100;

	strv_take(paragraphs,
	          xasprintf("Figures are medians over the rounds. In brackets stands the "
	                    "distribution-free interval between two order statistics that holds "
	                    "the true median with at least %g %% (exact, by the binomial "
	                    "distribution); it takes %zu rounds at least.",
	                    percent, fewest_rounds(report->confidence)));
	if (report->base != REPORT_NO_BASE)
		strv_take(paragraphs,
		          xasprintf("Ratios are to %s: the median of the ratios of samples of the "
		                    "same round, with its interval. A difference is stated only "
		                    "where that interval leaves 1 out; each interval holds by "
		                    "itself, so among many comparisons some are off.",
		                    report->subjects[report->base].name));
	strv_add(paragraphs, "Samples beyond three scaled median absolute deviations are marked as "
	                     "outliers and counted; they stay in all figures. Warm-ups are in "
	                     "none.");
}
