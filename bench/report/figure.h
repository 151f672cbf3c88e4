/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures as people read them: three significant digits in a unit that suits. */
#ifndef BENCH_REPORT_FIGURE_H
#define BENCH_REPORT_FIGURE_H

#include <stddef.h>

#include "core/base/str.h"

enum { FIGURE_SIZE = 48 }; /* room for a figure in text */

/* What a value is divided by, and what is then written behind it: " ms", "/s", "" … */
struct figure_scale {
	double divisor;
	char suffix[32];
};

/* The scale in which `magnitude`, in a unit of the data file (s, bytes, bytes/s, 1/s, "" or any
 * other), has one to three digits before its point. */
struct figure_scale figure_scale(const char *unit, double magnitude);

/* "1.93", "210", "51200": rounded to `digits` significant ones (1 to 9), the scale's unit not
 * written. Returns buf, of FIGURE_SIZE bytes. */
const char *figure_number(double value, const struct figure_scale *scale, int digits, char *buf);

/* "1.93 ms": the number and its unit. */
const char *figure_text(double value, const struct figure_scale *scale, char *buf);

/* The same without zeros at its end: "2 GiB", for round values and labels of axes. */
const char *figure_round(double value, const struct figure_scale *scale, char *buf);

/* How many significant digits (3 to 6) of a ratio tell an interval that leaves 1 out from 1. */
int figure_ratio_digits(double low, double high);

#endif
