/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drawing: SVG elements written into a text, and axes. Colours and fonts come from the page's style
 * by class. Coordinates are in user units; a figure is SVG_WIDTH of them wide, which a phone shows
 * at some three quarters.
 */
#ifndef BENCH_REPORT_SVG_H
#define BENCH_REPORT_SVG_H

#include "core/base/str.h"

#include "bench/report/figure.h"

#define SVG_WIDTH 480.0

/* Begin a figure. title and desc are for those who do not see it; both are foreign text. id: of
 * this figure within the page. */
void svg_begin(struct strbuf *out, const char *id, double height, const char *title,
               const char *desc);
void svg_end(struct strbuf *out);

/* anchor: "start", "middle" or "end". text is foreign and escaped; classes are not. */
void svg_text(struct strbuf *out, double x, double y, const char *classes, const char *anchor,
              const char *text);
void svg_line(struct strbuf *out, double x1, double y1, double x2, double y2, const char *classes);
void svg_rect(struct strbuf *out, double x, double y, double width, double height,
              const char *classes);

/* Shapes of points, so that colour does not tell alone. */
enum svg_shape { SVG_CIRCLE, SVG_SQUARE, SVG_TRIANGLE, SVG_DIAMOND, SVG_SHAPES };
void svg_shape(struct strbuf *out, enum svg_shape shape, double x, double y, double radius,
               const char *classes);

/* Values from `low` to `high` laid from pixel `from` to pixel `to` (which may be the smaller). */
struct svg_axis {
	double low, high;
	double from, to;
	bool is_log;
};

double svg_place(const struct svg_axis *axis, double value);

/* Make the axis end at round values that hold low and high; a logarithmic one needs low > 0. */
void svg_round_axis(struct svg_axis *axis);

enum { SVG_MAX_TICKS = 24 };
/* Values for labels, at most `limit` (up to SVG_MAX_TICKS) of them. Returns how many. */
size_t svg_ticks(const struct svg_axis *axis, size_t limit, double *ticks);

/* A horizontal axis at y with labels below it, grid lines up to `top`, and the unit at its end. */
void svg_axis_x(struct strbuf *out, const struct svg_axis *axis, double y, double top,
                const struct figure_scale *scale);

#endif
