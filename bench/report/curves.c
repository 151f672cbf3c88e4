/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Percentiles, and values over time: see plots.h. */
#include "bench/report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "bench/report/escape.h"

#define CURVES_HEIGHT 240.0
#define CURVES_LEFT 62.0
#define CURVES_TOP 10.0
#define LEGEND_LINE 20.0
#define SERIES_HEIGHT 44.0
#define SERIES_LANE (PLOT_LABEL + SERIES_HEIGHT + 10)

static enum svg_shape shape_of(const struct report *report, size_t subject)
{
	const struct report_subject *s = &report->subjects[subject];

	/* Other shapes for the second six, which have the same colours. */
	return (enum svg_shape)((s->colour + s->colour / 6) % SVG_SHAPES);
}

/* Extremes of all spots; false: there is none. */
static bool find_extremes(const struct report_curves *curves, double *low, double *high,
                          double *end)
{
	*low = INFINITY;
	*high = -INFINITY;
	*end = -INFINITY;
	for (size_t i = 0; i < curves->count; i++)
		for (size_t j = 0; j < curves->items[i].count; j++) {
			const struct report_spot *spot = &curves->items[i].spots[j];

			*low = fmin(*low, spot->low);
			*high = fmax(*high, spot->high);
			*end = fmax(*end, spot->x);
		}
	return *high >= *low;
}

static void begin_curves(struct strbuf *out, const struct report_row *row,
                         const struct report_curves *curves, const char *id, double height,
                         const char *what, const char *desc)
{
	cleanup_free char *title = xasprintf("%s of %s: %s", curves->name, row->workload, what);

	svg_begin(out, id, height, title, desc);
}

/* 50 % lies at 0.3 of a decade, 90 % at 1, 99 % at 2: each nine as far as the one before. */
static double nines(double percent)
{
	return -log10(1 - percent / 100);
}

static void draw_percent_axis(struct strbuf *out, const struct svg_axis *axis, double bottom)
{
	static const struct {
		double percent;
		const char *text;
	} marks[] = { { 50, "50 %" },     { 90, "90 %" },       { 99, "99 %" },
		      { 99.9, "99.9 %" }, { 99.99, "99.99 %" }, { 99.999, "99.999 %" } };

	svg_line(out, axis->from, bottom, axis->to, bottom, "axis");
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		double x = svg_place(axis, nines(marks[i].percent));

		if (nines(marks[i].percent) > axis->high + 0.01)
			break;
		svg_line(out, x, CURVES_TOP, x, bottom + 4, "grid");
		svg_text(out, x, bottom + 18, "tick", x > axis->to - 24 ? "end" : "middle",
		         marks[i].text);
	}
}

static void draw_value_axis(struct strbuf *out, const struct svg_axis *axis, const char *unit)
{
	struct figure_scale own = figure_scale(unit, axis->high / 2);
	double ticks[SVG_MAX_TICKS];
	size_t count = svg_ticks(axis, 8, ticks);
	char text[FIGURE_SIZE];

	for (size_t i = 0; i < count; i++) {
		double y = svg_place(axis, ticks[i]);

		/* Powers of ten are told each in its own unit: 100 µs, 1 ms. */
		if (axis->is_log)
			own = figure_scale(unit, ticks[i] * (1 + 1e-9));
		svg_line(out, CURVES_LEFT, y, PLOT_RIGHT, y, "grid");
		svg_text(out, CURVES_LEFT - 6, y + 4, "tick", "end",
		         figure_round(ticks[i], &own, text));
	}
}

static void draw_curve(struct strbuf *out, const struct report *report,
                       const struct report_curve *curve, const struct svg_axis *x_axis,
                       const struct svg_axis *y_axis)
{
	const char *class = plot_class(report, curve->subject);
	enum svg_shape shape = shape_of(report, curve->subject);
	char classes[32];

	strbuf_printf(out, "<path class=\"curve %s\" d=\"", class);
	for (size_t i = 0; i < curve->count; i++)
		strbuf_printf(out, "%c%.1f %.1f", i ? 'L' : 'M',
		              svg_place(x_axis, nines(curve->spots[i].x)),
		              svg_place(y_axis, curve->spots[i].middle));
	strbuf_puts(out, "\"/>\n");
	snprintf(classes, sizeof(classes), "mark %s", class);
	for (size_t i = 0; i < curve->count; i++) {
		const struct report_spot *spot = &curve->spots[i];
		double x = svg_place(x_axis, nines(spot->x));

		if (spot->high > spot->low)
			strbuf_printf(out, "<path class=\"error %s\" d=\"M%.1f %.1fV%.1f\"/>\n",
			              class, x, svg_place(y_axis, spot->low),
			              svg_place(y_axis, spot->high));
		svg_shape(out, shape, x, svg_place(y_axis, spot->middle), 3.6, classes);
	}
}

static void draw_legend(struct strbuf *out, const struct report *report,
                        const struct report_curves *curves, double y, size_t columns)
{
	double width = (PLOT_RIGHT - PLOT_LEFT) / (double)columns;

	for (size_t i = 0; i < curves->count; i++) {
		size_t subject = curves->items[i].subject;
		double x = PLOT_LEFT + width * (double)(i % columns);
		size_t number = i / columns;
		double line = y + LEGEND_LINE * (double)number;
		cleanup_free char *name =
			escape_shorten(report->subjects[subject].name, columns == 1 ? 58 : 26);
		char classes[32];

		snprintf(classes, sizeof(classes), "mark %s", plot_class(report, subject));
		svg_shape(out, shape_of(report, subject), x + 6, line + 10, 4.5, classes);
		svg_text(out, x + 18, line + 15, "legend", "start", name);
	}
}

/* Two columns of names where all are short enough. */
static size_t legend_columns(const struct report *report, const struct report_curves *curves)
{
	for (size_t i = 0; i < curves->count; i++)
		if (strlen(report->subjects[curves->items[i].subject].name) > 26)
			return 1;
	return 2;
}

void plot_percentiles(struct strbuf *out, const struct report *report, const struct report_row *row,
                      const struct report_curves *curves, const char *id)
{
	size_t columns = legend_columns(report, curves);
	size_t lines = (curves->count + columns - 1) / columns;
	double legend = LEGEND_LINE * (double)lines;
	double bottom = CURVES_TOP + CURVES_HEIGHT, low, high, end;
	struct svg_axis x_axis = { .from = CURVES_LEFT + 14, .to = PLOT_RIGHT - 8 };
	struct svg_axis y_axis = { .from = bottom, .to = CURVES_TOP };

	if (!find_extremes(curves, &low, &high, &end))
		return;
	x_axis.low = nines(50);
	x_axis.high = fmax(nines(end), 1);
	y_axis.low = low;
	y_axis.high = high;
	y_axis.is_log = low > 1e-100;
	svg_round_axis(&y_axis);
	begin_curves(out, row, curves, id, bottom + PLOT_AXIS + legend + 4, "percentiles",
	             "Medians over the rounds, by percentile; lines up and down are their "
	             "intervals.");
	draw_value_axis(out, &y_axis, curves->unit);
	draw_percent_axis(out, &x_axis, bottom);
	for (size_t i = 0; i < curves->count; i++)
		draw_curve(out, report, &curves->items[i], &x_axis, &y_axis);
	draw_legend(out, report, curves, bottom + PLOT_AXIS, columns);
	svg_end(out);
}

/* The median over all spots of a curve. */
static double level_of(const struct report_curve *curve)
{
	cleanup_free double *values = xcalloc(curve->count + 1, sizeof(*values));
	struct stats_summary summary;

	for (size_t i = 0; i < curve->count; i++)
		values[i] = curve->spots[i].middle;
	stats_summarise(values, curve->count, 0.5, &summary);
	return summary.median;
}

static void draw_series(struct strbuf *out, const struct report *report,
                        const struct report_curve *curve, const struct svg_axis *time, double high,
                        const struct figure_scale *scale, double y)
{
	struct svg_axis axis = { .high = high,
		                 .from = y + PLOT_LABEL + SERIES_HEIGHT,
		                 .to = y + PLOT_LABEL };
	const char *class = plot_class(report, curve->subject);
	char number[FIGURE_SIZE], text[FIGURE_SIZE + 16];

	snprintf(text, sizeof(text), "median %s", figure_text(level_of(curve), scale, number));
	plot_label(out, report, curve->subject, y, text);
	svg_rect(out, PLOT_LEFT, axis.to, PLOT_RIGHT - PLOT_LEFT, SERIES_HEIGHT, "lane");
	strbuf_printf(out, "<path class=\"band %s\" d=\"", class);
	for (size_t i = 0; i < curve->count; i++)
		strbuf_printf(out, "%c%.1f %.1f", i ? 'L' : 'M', svg_place(time, curve->spots[i].x),
		              svg_place(&axis, curve->spots[i].high));
	for (size_t i = curve->count; i-- > 0;)
		strbuf_printf(out, "L%.1f %.1f", svg_place(time, curve->spots[i].x),
		              svg_place(&axis, curve->spots[i].low));
	strbuf_printf(out, "z\"/>\n<path class=\"curve %s\" d=\"", class);
	for (size_t i = 0; i < curve->count; i++)
		strbuf_printf(out, "%c%.1f %.1f", i ? 'L' : 'M', svg_place(time, curve->spots[i].x),
		              svg_place(&axis, curve->spots[i].middle));
	strbuf_puts(out, "\"/>\n");
}

void plot_series(struct strbuf *out, const struct report *report, const struct report_row *row,
                 const struct report_curves *curves, const char *id)
{
	struct svg_axis time = { .from = PLOT_LEFT, .to = PLOT_RIGHT };
	struct figure_scale scale, seconds = { .divisor = 1, .suffix = " s" };
	double y = 0, low, high, bottom = SERIES_LANE * (double)curves->count;
	cleanup_free char *desc = NULL;
	char text[FIGURE_SIZE];

	if (!find_extremes(curves, &low, &high, &time.high))
		return;
	high = high > 0 ? high : 1;
	scale = figure_scale(curves->unit, high);
	desc = xasprintf("Each lane reaches from 0 to %s; the line is the median of the rounds, "
	                 "the band their extremes.",
	                 figure_text(high, &scale, text));
	begin_curves(out, row, curves, id, bottom + PLOT_AXIS, "over time", desc);
	if (!(time.high > 0))
		time.high = 1;
	svg_axis_x(out, &time, bottom, 0, &seconds);
	for (size_t i = 0; i < curves->count; i++) {
		draw_series(out, report, &curves->items[i], &time, high, &scale, y);
		y += SERIES_LANE;
	}
	svg_end(out);
}
