/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures of one row of the matrix, each an SVG element that stands alone in a page. */
#ifndef BENCH_REPORT_PLOTS_H
#define BENCH_REPORT_PLOTS_H

#include "bench/report/summary.h"
#include "bench/report/svg.h"

/* Medians as bars from 0, with their intervals. id: of the figure, within its page. */
void plot_bars(struct strbuf *out, const struct report *report, const struct report_row *row,
               const char *id);

/* Every sample as a dot: its value from left to right, its time from top to bottom. */
void plot_samples(struct strbuf *out, const struct report *report, const struct report_row *row,
                  const char *id);

/* Values by percentile, both on logarithmic scales. */
void plot_percentiles(struct strbuf *out, const struct report *report, const struct report_row *row,
                      const struct report_curves *curves, const char *id);

/* Values over the seconds of a sample, a small plot for each subject, all of one scale. */
void plot_series(struct strbuf *out, const struct report *report, const struct report_row *row,
                 const struct report_curves *curves, const char *id);

#define PLOT_LEFT 6.0
#define PLOT_RIGHT (SVG_WIDTH - 6.0)
#define PLOT_LABEL 22.0 /* height of the line above a lane */
#define PLOT_AXIS 30.0  /* height below the last lane */

/* Class of the style sheet for what is drawn of a subject: "s0" to "s5", "host", "floor". */
const char *plot_class(const struct report *report, size_t subject);

/* The line above a lane that begins at y: the subject's name, and a text at the right. */
void plot_label(struct strbuf *out, const struct report *report, size_t subject, double y,
                const char *text);

#endif
