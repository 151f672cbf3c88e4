/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bars and samples: a lane for each subject, its name and figures above it. See plots.h. */
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "bench/report/escape.h"
#include "bench/report/wording.h"

#define BAR_HEIGHT 14.0
#define BAR_LANE (PLOT_LABEL + BAR_HEIGHT + 8)
#define DOTS_HEIGHT 40.0
#define DOTS_LANE (PLOT_LABEL + DOTS_HEIGHT + 8)
#define DOT_RADIUS 2.6

const char *plot_class(const struct report *report, size_t subject)
{
	static const char *const classes[] = { "s0", "s1", "s2", "s3", "s4", "s5" };
	const struct report_subject *s = &report->subjects[subject];

	if (s->kind == DATA_HOST)
		return "host";
	return s->kind == DATA_FLOOR ? "floor" : classes[s->colour % 6];
}

void plot_label(struct strbuf *out, const struct report *report, size_t subject, double y,
                const char *text)
{
	/* What is left of the line, at some nine units a character. */
	size_t used = strlen(text), room = used < 36 ? 50 - used : 14;
	cleanup_free char *name = escape_shorten(report->subjects[subject].name, room);

	svg_text(out, PLOT_LEFT, y + 16, "name", "start", name);
	svg_text(out, PLOT_RIGHT, y + 16, "value", "end", text);
}

static const struct report_figure *figure_of(const struct report_row *row, size_t subject)
{
	return &row->cells[subject].figures[row->metric];
}

static bool has_samples(const struct report_row *row, size_t subject)
{
	return row->cells[subject].is_there && figure_of(row, subject)->summary.count;
}

static size_t count_lanes(const struct report *report, const struct report_row *row)
{
	size_t lanes = 0;

	for (size_t i = 0; i < report->subject_count; i++)
		lanes += has_samples(row, i);
	return lanes;
}

/* "1.93 ms [1.90, 1.97]" */
static char *median_text(const struct report_row *row, const struct stats_summary *summary)
{
	cleanup_free char *median = wording_median(summary, &row->scale);
	cleanup_free char *interval = wording_interval(summary, &row->scale);

	return xasprintf("%s%s%s", median, *interval ? " " : "", interval);
}

/* What a figure says, in words, for those who do not see it. */
static char *describe(const struct report *report, const struct report_row *row)
{
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < report->subject_count; i++) {
		cleanup_free char *text = NULL;

		if (!has_samples(row, i))
			continue;
		text = median_text(row, &figure_of(row, i)->summary);
		strbuf_printf(&out, "%s%s: %s", out.length ? "; " : "", report->subjects[i].name,
		              text);
	}
	return strbuf_steal(&out);
}

static void begin_lanes(struct strbuf *out, const struct report *report,
                        const struct report_row *row, const char *id, double height,
                        const char *what)
{
	cleanup_free char *desc = describe(report, row);
	cleanup_free char *title =
		xasprintf("%s of %s: %s", report->metrics[row->metric].name, row->workload, what);

	svg_begin(out, id, height, title, desc);
}

static void draw_whisker(struct strbuf *out, const struct svg_axis *axis,
                         const struct stats_interval *interval, double y)
{
	double low = svg_place(axis, interval->low), high = svg_place(axis, interval->high);

	strbuf_printf(out, "<path d=\"M%.1f %.1fv8m0-4H%.1fm0-4v8\" class=\"whisker\"/>\n", low,
	              y - 4, high);
}

static void draw_bar(struct strbuf *out, const struct report *report, const struct report_row *row,
                     size_t subject, const struct svg_axis *axis, double y)
{
	const struct stats_summary *summary = &figure_of(row, subject)->summary;
	cleanup_free char *text = median_text(row, summary);
	double zero = svg_place(axis, 0), end = svg_place(axis, summary->median);
	char classes[32];

	snprintf(classes, sizeof(classes), "bar %s", plot_class(report, subject));
	plot_label(out, report, subject, y, text);
	y += PLOT_LABEL;
	svg_rect(out, fmin(zero, end), y, fmax(fabs(end - zero), 1), BAR_HEIGHT, classes);
	if (summary->interval.exists)
		draw_whisker(out, axis, &summary->interval, y + BAR_HEIGHT / 2);
}

void plot_bars(struct strbuf *out, const struct report *report, const struct report_row *row,
               const char *id)
{
	struct svg_axis axis = { .from = PLOT_LEFT, .to = PLOT_RIGHT };
	double y = 0, bottom = BAR_LANE * (double)count_lanes(report, row);

	for (size_t i = 0; i < report->subject_count; i++) {
		const struct stats_summary *summary = &figure_of(row, i)->summary;

		if (!has_samples(row, i))
			continue;
		axis.low = fmin(axis.low, fmin(summary->median, summary->interval.low));
		axis.high = fmax(axis.high, fmax(summary->median, summary->interval.high));
	}
	svg_round_axis(&axis);
	begin_lanes(out, report, row, id, bottom + PLOT_AXIS, "medians with their intervals");
	svg_axis_x(out, &axis, bottom, 0, &row->scale);
	for (size_t i = 0; i < report->subject_count; i++)
		if (has_samples(row, i)) {
			draw_bar(out, report, row, i, &axis, y);
			y += BAR_LANE;
		}
	svg_end(out);
}

/* From the least sample to the greatest, over powers of ten where these are far apart. */
static struct svg_axis samples_axis(const struct report *report, const struct report_row *row)
{
	struct svg_axis axis = {
		.low = INFINITY, .high = -INFINITY, .from = PLOT_LEFT + 4, .to = PLOT_RIGHT - 4
	};

	for (size_t i = 0; i < report->subject_count; i++)
		for (size_t j = 0; has_samples(row, i) && j < row->cells[i].point_count; j++) {
			axis.low = fmin(axis.low, row->cells[i].points[j].value);
			axis.high = fmax(axis.high, row->cells[i].points[j].value);
		}
	axis.is_log = axis.low > 1e-100 && axis.high / axis.low > 8;
	svg_round_axis(&axis);
	return axis;
}

static void draw_dots(struct strbuf *out, const struct report_cell *cell, const char *class,
                      const struct svg_axis *axis, double y)
{
	/* All points of one look are one path: lines without length, with round ends. */
	strbuf_printf(out, "<path class=\"dots %s\" d=\"", class);
	for (size_t i = 0; i < cell->point_count; i++)
		if (!cell->points[i].is_warmup && !cell->points[i].is_outlier)
			strbuf_printf(out, "M%.1f %.1fh0", svg_place(axis, cell->points[i].value),
			              y + DOTS_HEIGHT * ((double)i + 0.5) /
			                              (double)cell->point_count);
	strbuf_puts(out, "\"/>\n");
	for (size_t i = 0; i < cell->point_count; i++) {
		double x = svg_place(axis, cell->points[i].value);
		double at = y + DOTS_HEIGHT * ((double)i + 0.5) / (double)cell->point_count;

		if (cell->points[i].is_warmup)
			strbuf_printf(out,
			              "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"hollow "
			              "%s\"/>\n",
			              x, at, DOT_RADIUS, class);
		else if (cell->points[i].is_outlier)
			strbuf_printf(
				out, "<path d=\"M%.1f %.1fl7 7m0-7l-7 7\" class=\"outlier %s\"/>\n",
				x - 3.5, at - 3.5, class);
	}
}

static void draw_lane(struct strbuf *out, const struct report *report, const struct report_row *row,
                      size_t subject, const struct svg_axis *axis, double y)
{
	const struct report_cell *cell = &row->cells[subject];
	const struct stats_summary *summary = &figure_of(row, subject)->summary;
	const char *class = plot_class(report, subject);
	cleanup_free char *text = wording_samples(cell, row->metric);
	double middle = svg_place(axis, summary->median);
	char classes[32];

	plot_label(out, report, subject, y, text);
	y += PLOT_LABEL;
	svg_rect(out, PLOT_LEFT, y, PLOT_RIGHT - PLOT_LEFT, DOTS_HEIGHT, "lane");
	if (summary->interval.exists) {
		double low = svg_place(axis, summary->interval.low);
		double high = svg_place(axis, summary->interval.high);

		snprintf(classes, sizeof(classes), "band %s", class);
		svg_rect(out, low, y, fmax(high - low, 1), DOTS_HEIGHT, classes);
	}
	snprintf(classes, sizeof(classes), "middle %s", class);
	svg_line(out, middle, y, middle, y + DOTS_HEIGHT, classes);
	draw_dots(out, cell, class, axis, y);
}

void plot_samples(struct strbuf *out, const struct report *report, const struct report_row *row,
                  const char *id)
{
	struct svg_axis axis = samples_axis(report, row);
	double y = 0, bottom = DOTS_LANE * (double)count_lanes(report, row);

	begin_lanes(out, report, row, id, bottom + PLOT_AXIS,
	            axis.is_log ? "every sample, on a logarithmic scale" : "every sample");
	svg_axis_x(out, &axis, bottom, 0, &row->scale);
	for (size_t i = 0; i < report->subject_count; i++)
		if (has_samples(row, i)) {
			draw_lane(out, report, row, i, &axis, y);
			y += DOTS_LANE;
		}
	svg_end(out);
}
