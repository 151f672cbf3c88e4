/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SVG elements and axes: see svg.h. */
#include "bench/report/svg.h"

#include <math.h>
#include <string.h>

#include "bench/report/escape.h"

void svg_begin(struct strbuf *out, const char *id, double height, const char *title,
               const char *desc)
{
	strbuf_printf(out,
	              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" "
	              "role=\"img\" aria-labelledby=\"%s-t %s-d\">\n<title id=\"%s-t\">",
	              SVG_WIDTH, height, id, id, id);
	escape_html(out, title);
	strbuf_printf(out, "</title>\n<desc id=\"%s-d\">", id);
	escape_html(out, desc);
	strbuf_puts(out, "</desc>\n");
}

void svg_end(struct strbuf *out)
{
	strbuf_puts(out, "</svg>\n");
}

void svg_text(struct strbuf *out, double x, double y, const char *classes, const char *anchor,
              const char *text)
{
	strbuf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\"", x, y, classes);
	if (strcmp(anchor, "start") != 0)
		strbuf_printf(out, " text-anchor=\"%s\"", anchor);
	strbuf_putc(out, '>');
	escape_html(out, text);
	strbuf_puts(out, "</text>\n");
}

void svg_line(struct strbuf *out, double x1, double y1, double x2, double y2, const char *classes)
{
	strbuf_printf(out, "<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"%s\"/>\n", x1, y1, x2, y2,
	              classes);
}

void svg_rect(struct strbuf *out, double x, double y, double width, double height,
              const char *classes)
{
	strbuf_printf(out,
	              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n",
	              x, y, width, height, classes);
}

void svg_shape(struct strbuf *out, enum svg_shape shape, double x, double y, double radius,
               const char *classes)
{
	double r = radius;

	switch (shape) {
	case SVG_CIRCLE:
	case SVG_SHAPES:
		strbuf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>\n", x,
		              y, r, classes);
		break;
	case SVG_SQUARE:
		svg_rect(out, x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8, classes);
		break;
	case SVG_TRIANGLE:
		strbuf_printf(out, "<path d=\"M%.1f %.1fl%.1f %.1fh%.1fz\" class=\"%s\"/>\n", x,
		              y - r * 1.2, r * 1.2, r * 2.1, -r * 2.4, classes);
		break;
	case SVG_DIAMOND:
		strbuf_printf(
			out,
			"<path d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz\" class=\"%s\"/>\n", x,
			y - r * 1.3, r * 1.3, r * 1.3, -r * 1.3, r * 1.3, -r * 1.3, -r * 1.3,
			classes);
		break;
	}
}

double svg_place(const struct svg_axis *axis, double value)
{
	double low = axis->low, high = axis->high, share;

	if (axis->is_log) {
		low = log10(low);
		high = log10(high);
		value = value > 0 ? log10(value) : low;
	}
	share = high > low ? (value - low) / (high - low) : 0.5;
	share = share < 0 ? 0 : share > 1 ? 1 : share;
	return axis->from + share * (axis->to - axis->from);
}

/* The step of about `count` round intervals: 1, 2 or 5 times a power of ten. */
static double round_step(double width, double count)
{
	double raw = width / count, power = pow(10, floor(log10(raw))), lead = raw / power;

	return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

/* The 1, 2 or 5 times a power of ten that is next to a value, below or above it. */
static double round_value(double value, bool is_up)
{
	static const double leads[] = { 1, 2, 5, 10 };
	double power = pow(10, floor(log10(value))), lead = value / power;
	size_t i = 0;

	while (i < 3 && (is_up ? leads[i] < lead - 1e-9 : leads[i + 1] <= lead + 1e-9))
		i++;
	return leads[i] * power;
}

void svg_round_axis(struct svg_axis *axis)
{
	double step;

	if (axis->is_log) {
		axis->low = round_value(axis->low, false);
		axis->high = round_value(axis->high, true);
		return;
	}
	if (!(axis->high > axis->low)) {
		double room = fabs(axis->high) > 0 ? fabs(axis->high) * 0.05 : 1;

		axis->low -= axis->low == 0 ? 0 : room;
		axis->high += room;
	}
	step = round_step(axis->high - axis->low, 5);
	axis->low = floor(axis->low / step + 1e-9) * step;
	axis->high = ceil(axis->high / step - 1e-9) * step;
}

static size_t log_ticks(const struct svg_axis *axis, size_t limit, double *ticks)
{
	static const double leads[] = { 1, 2, 5 };
	double first = floor(log10(axis->low)), decades = log10(axis->high) - log10(axis->low);
	size_t count = 0, each = decades * 3 <= (double)limit ? 3 : 1;
	double stride = each == 3 ? 1 : ceil((decades + 1) / (double)limit);

	for (size_t n = 0; first + stride * (double)n <= log10(axis->high) + 1e-9; n++)
		for (size_t i = 0; i < each && count < limit; i++) {
			double value = leads[i] * pow(10, first + stride * (double)n);

			if (value >= axis->low * (1 - 1e-9) && value <= axis->high * (1 + 1e-9))
				ticks[count++] = value;
		}
	return count;
}

size_t svg_ticks(const struct svg_axis *axis, size_t limit, double *ticks)
{
	double step, first;
	size_t count = 0;

	if (axis->is_log)
		return log_ticks(axis, limit, ticks);
	if (!(axis->high > axis->low))
		return 0;
	step = round_step(axis->high - axis->low, (double)limit - 1);
	first = ceil(axis->low / step - 1e-9);
	while (count < limit && (first + (double)count) * step <= axis->high + step * 1e-9) {
		ticks[count] = (first + (double)count) * step;
		count++;
	}
	return count;
}

void svg_axis_x(struct strbuf *out, const struct svg_axis *axis, double y, double top,
                const struct figure_scale *scale)
{
	double ticks[SVG_MAX_TICKS];
	size_t count = svg_ticks(axis, 6, ticks);
	const struct figure_scale bare = { .divisor = scale->divisor };
	char text[FIGURE_SIZE];

	svg_line(out, axis->from, y, axis->to, y, "axis");
	for (size_t i = 0; i < count; i++) {
		double x = svg_place(axis, ticks[i]);
		const char *anchor = x < axis->from + 12 ? "start"
		                     : x > axis->to - 12 ? "end"
		                                         : "middle";

		svg_line(out, x, top, x, y + 4, "grid");
		figure_round(ticks[i], i + 1 == count ? scale : &bare, text);
		svg_text(out, x, y + 18, "tick", anchor, text);
	}
}
