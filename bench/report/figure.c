/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures as people read them: see figure.h. */
#include "bench/report/figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Steps of a unit, from the smallest. */
struct step {
	double divisor;
	const char *suffix;
};

static const struct step seconds[] = {
	{ 1e-9, " ns" }, { 1e-6, " µs" }, { 1e-3, " ms" }, { 1, " s" }, { 0, NULL }
};
static const struct step bytes[] = { { 1, " B" },        { 0x1p10, " KiB" }, { 0x1p20, " MiB" },
	                             { 0x1p30, " GiB" }, { 0x1p40, " TiB" }, { 0, NULL } };
static const struct step bytes_per_second[] = {
	{ 1, " B/s" }, { 0x1p10, " KiB/s" }, { 0x1p20, " MiB/s" }, { 0x1p30, " GiB/s" }, { 0, NULL }
};
static const struct step per_second[] = {
	{ 1, "/s" }, { 1e3, " k/s" }, { 1e6, " M/s" }, { 1e9, " G/s" }, { 0, NULL }
};
static const struct step plain[] = {
	{ 1, "" }, { 1e3, " k" }, { 1e6, " M" }, { 1e9, " G" }, { 0, NULL }
};

static const struct step *steps_of(const char *unit)
{
	if (!strcmp(unit, "s"))
		return seconds;
	if (!strcmp(unit, "bytes"))
		return bytes;
	if (!strcmp(unit, "bytes/s"))
		return bytes_per_second;
	if (!strcmp(unit, "1/s"))
		return per_second;
	return *unit ? NULL : plain;
}

struct figure_scale figure_scale(const char *unit, double magnitude)
{
	const struct step *step = steps_of(unit);
	struct figure_scale scale = { .divisor = 1 };

	if (!step) {
		snprintf(scale.suffix, sizeof(scale.suffix), " %s", unit);
		return scale;
	}
	magnitude = fabs(magnitude);
	/* 0 s is no number of nanoseconds. */
	if (magnitude == 0 && step == seconds)
		step += 3;
	else
		while (step[1].suffix && magnitude >= step[1].divisor)
			step++;
	scale.divisor = step->divisor;
	snprintf(scale.suffix, sizeof(scale.suffix), "%s", step->suffix);
	return scale;
}

const char *figure_number(double value, const struct figure_scale *scale, int digits, char *buf)
{
	double scaled = value / scale->divisor, unit;
	int decimals;

	if (scaled == 0) {
		snprintf(buf, FIGURE_SIZE, "0");
		return buf;
	}
	decimals = digits - 1 - (int)floor(log10(fabs(scaled)));
	if (decimals > 12 || decimals < -12) {
		snprintf(buf, FIGURE_SIZE, "%.*e", digits - 1, scaled);
		return buf;
	}
	unit = pow(10, -decimals);
	/* 9.999 becomes 10.0: the rounded value, too, has these digits alone. */
	scaled = decimals < 0 ? round(scaled / unit) * unit : scaled;
	if (decimals > 0 && fabs(scaled) + unit / 2 >= pow(10, digits - decimals))
		decimals--;
	snprintf(buf, FIGURE_SIZE, "%.*f", decimals > 0 ? decimals : 0, scaled);
	return buf;
}

const char *figure_text(double value, const struct figure_scale *scale, char *buf)
{
	size_t used;

	figure_number(value, scale, 3, buf);
	used = strlen(buf);
	snprintf(buf + used, FIGURE_SIZE - used, "%s", scale->suffix);
	return buf;
}

const char *figure_round(double value, const struct figure_scale *scale, char *buf)
{
	snprintf(buf, FIGURE_SIZE, "%.4g%s", value / scale->divisor, scale->suffix);
	return buf;
}

int figure_ratio_digits(double low, double high)
{
	double nearest = low > 1 ? low - 1 : 1 - high;
	int digits = 3;

	/* Three digits are hundredths above 1, and thousandths below. */
	while (digits < 6 && nearest > 0 && nearest < pow(10, 1 - digits) / (low > 1 ? 2 : 20))
		digits++;
	return digits;
}
