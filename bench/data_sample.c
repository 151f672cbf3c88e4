/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values, percentiles and series of a sample: see data_sample.h. */
#include "bench/data_sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_values(struct json_object *values, const struct data *data,
                       struct data_sample *sample, struct stor_err *err)
{
	if (!values || !json_object_is_type(values, json_type_object))
		return err_fail(err, STOR_FAILED, 0, "\"values\" is missing, or not an object");
	sample->values = xcalloc(data->metric_count + 1, sizeof(*sample->values));
	for (size_t i = 0; i < data->metric_count; i++) {
		struct json_object *value = djson_get(values, data->metrics[i].name);
		struct data_value *next = &sample->values[sample->value_count];

		if (!value)
			continue;
		if (!djson_is_number(value, &next->value))
			return err_fail(err, STOR_FAILED, 0, "value \"%s\" is not a finite number",
			                data->metrics[i].name);
		next->metric = i;
		sample->value_count++;
	}
	json_object_object_foreach(values, key, value)
	{
		bool is_known = !value;

		for (size_t i = 0; i < data->metric_count; i++)
			is_known = is_known || !strcmp(data->metrics[i].name, key);
		if (!is_known)
			return err_fail(err, STOR_FAILED, 0, "metric \"%s\" was not told before",
			                key);
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct data_point *p = a, *q = b;

	return (p->x > q->x) - (p->x < q->x);
}

static int fail_curve(const struct data_curve *curve, const char *what, struct stor_err *err)
{
	return err_fail(err, STOR_FAILED, 0, "%s \"%s\": %s",
	                curve->is_series ? "series" : "percentiles", curve->name, what);
}

/* {"unit":"s","50":0.1,"99":0.2} */
static int read_percentiles(struct json_object *object, struct data_curve *curve,
                            struct stor_err *err)
{
	if (json_object_object_length(object) > DATA_MAX_POINTS)
		return fail_curve(curve, "too many", err);
	curve->points =
		xcalloc((size_t)json_object_object_length(object) + 1, sizeof(*curve->points));
	json_object_object_foreach(object, key, value)
	{
		struct data_point *point = &curve->points[curve->count];
		char *end;

		if (!strcmp(key, "unit") || !value)
			continue;
		point->x = strtod(key, &end);
		if (!strchr("0123456789", *key) || *end || !(point->x >= 0 && point->x <= 100))
			return fail_curve(curve, "a name is not a percentage", err);
		if (!djson_is_number(value, &point->y))
			return fail_curve(curve, "a value is not a finite number", err);
		curve->count++;
	}
	return 0;
}

/* {"unit":"bytes/s","points":[[0.5,1e8],…]} */
static int read_points(struct json_object *object, struct data_curve *curve, struct stor_err *err)
{
	struct json_object *points = djson_get(object, "points");
	size_t count;

	if (!points || !json_object_is_type(points, json_type_array))
		return fail_curve(curve, "\"points\" is missing, or not a list", err);
	count = json_object_array_length(points);
	if (count > DATA_MAX_POINTS)
		return fail_curve(curve, "too many points", err);
	curve->points = xcalloc(count + 1, sizeof(*curve->points));
	for (size_t i = 0; i < count; i++) {
		struct json_object *pair = json_object_array_get_idx(points, i);
		struct data_point *point = &curve->points[i];

		if (!json_object_is_type(pair, json_type_array) ||
		    json_object_array_length(pair) != 2 ||
		    !djson_is_number(json_object_array_get_idx(pair, 0), &point->x) ||
		    !djson_is_number(json_object_array_get_idx(pair, 1), &point->y) || point->x < 0)
			return fail_curve(curve, "a point is not [seconds, value]", err);
		curve->count++;
	}
	return 0;
}

static int read_curves(struct json_object *object, bool is_series, struct data_sample *sample,
                       struct stor_err *err)
{
	if (!object)
		return 0;
	if (!json_object_is_type(object, json_type_object))
		return err_fail(err, STOR_FAILED, 0, "\"%s\" is not an object",
		                is_series ? "series" : "percentiles");
	if (json_object_object_length(object) > DATA_MAX_KEYS)
		return err_fail(err, STOR_FAILED, 0, "more than %d %s", DATA_MAX_KEYS,
		                is_series ? "series" : "percentiles");
	json_object_object_foreach(object, key, value)
	{
		struct data_curve *curve = &sample->curves[sample->curve_count];

		if (!json_object_is_type(value, json_type_object))
			return err_fail(err, STOR_FAILED, 0, "\"%s\" is not an object", key);
		curve->is_series = is_series;
		curve->name = xstrdup(key);
		sample->curve_count++;
		if (djson_text(value, "unit", true, &curve->unit, err) < 0)
			return fail_curve(curve, "unit", err);
		if ((is_series ? read_points : read_percentiles)(value, curve, err) < 0)
			return -1;
		qsort(curve->points, curve->count, sizeof(*curve->points), compare);
	}
	return 0;
}

int data_read_values(struct json_object *line, const struct data *data, struct data_sample *sample,
                     struct stor_err *err)
{
	struct json_object *percentiles = djson_get(line, "percentiles");
	struct json_object *series = djson_get(line, "series");

	if (read_values(djson_get(line, "values"), data, sample, err) < 0)
		return -1;
	if (!percentiles && !series)
		return 0;
	sample->curves = xcalloc(2 * (size_t)DATA_MAX_KEYS, sizeof(*sample->curves));
	if (read_curves(percentiles, false, sample, err) < 0)
		return -1;
	return read_curves(series, true, sample, err);
}

const double *data_value_of(const struct data_sample *sample, size_t metric)
{
	for (size_t i = 0; i < sample->value_count; i++)
		if (sample->values[i].metric == metric)
			return &sample->values[i].value;
	return NULL;
}

void data_free_sample(struct data_sample *sample)
{
	for (size_t i = 0; i < sample->curve_count; i++) {
		free(sample->curves[i].name);
		free(sample->curves[i].unit);
		free(sample->curves[i].points);
	}
	free(sample->curves);
	free(sample->values);
}
