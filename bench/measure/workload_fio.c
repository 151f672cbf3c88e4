/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fio prints with --output-format=json: sums over its jobs, and the latencies of the first
 * one; and its logs of bandwidth, one for each job. */
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "bench/data_json.h"
#include "bench/measure/workload.h"

#define NANO 1e-9

static double number(struct json_object *object, const char *name)
{
	struct json_object *value = djson_get(object, name);

	return value ? json_object_get_double(value) : 0;
}

/* "clat_ns": { "percentile": { "1.000000": 1234, … } }, in ascending order. */
static void read_latency(struct json_object *direction, struct reading *reading)
{
	struct json_object *all = djson_get(djson_get(direction, "clat_ns"), "percentile");
	size_t most = sizeof(reading->latency) / sizeof(*reading->latency);

	if (!json_object_is_type(all, json_type_object))
		return;
	json_object_object_foreach(all, percent, value)
	{
		struct percentile *p = &reading->latency[reading->latency_count];

		if (reading->latency_count == most)
			return;
		p->percent = strtod(percent, NULL);
		p->value = json_object_get_double(value) * NANO;
		reading->latency_count++;
	}
}

/* --- throughput over time -------------------------------------------------------------------- */

/* A line of a log: "250, 81920, 0, 0, 0", which are milliseconds, KiB a second, and the direction.
 */
struct log_line {
	unsigned long long at_ms, kib;
	unsigned direction;
};

#define DIRECTIONS 3

/* Reads the line at *at, and goes to the next one. Is it one of a log? */
static bool next_line(const char **at, struct log_line *line)
{
	const char *text = *at;

	*at += strcspn(text, "\n");
	*at += **at == '\n';
	return sscanf(text, "%12llu, %12llu, %3u", &line->at_ms, &line->kib, &line->direction) ==
	               3 &&
	       line->direction < DIRECTIONS;
}

static unsigned long long last_ms(const char *logs)
{
	unsigned long long last = 0;
	struct log_line line;

	while (*logs)
		if (next_line(&logs, &line) && line.at_ms > last)
			last = line.at_ms;
	return last;
}

/* The sum of all jobs and directions, in steps of equal length but for the last one. */
struct steps {
	double length_ms, end_ms;
	size_t count;
	double *bytes;
};

static double step_end(const struct steps *steps, size_t step)
{
	return step + 1 < steps->count ? steps->length_ms * (double)(step + 1) : steps->end_ms;
}

/* What went by from one time to another goes to the steps that lie between, by their shares. */
static void spread(struct steps *steps, double from_ms, double to_ms, double bytes_per_second)
{
	size_t step = (size_t)(from_ms / steps->length_ms);

	for (; step < steps->count && from_ms < to_ms; step++) {
		double end = fmin(step_end(steps, step), to_ms);

		if (end <= from_ms)
			continue;
		steps->bytes[step] += bytes_per_second * (end - from_ms) / 1000;
		from_ms = end;
	}
}

/* A line tells the mean since the one before of its job and direction, which may come late. */
static void sum_up(const char *logs, struct steps *steps)
{
	double before[DIRECTIONS] = { 0 }, last = 0;
	struct log_line line;

	while (*logs) {
		double at;

		if (!next_line(&logs, &line))
			continue;
		at = (double)line.at_ms;
		/* Time begins again with each job. */
		if (at < last)
			memset(before, 0, sizeof(before));
		spread(steps, before[line.direction], at, (double)line.kib * 1024);
		before[line.direction] = at;
		last = at;
	}
}

static void read_logs(const char *logs, struct reading *reading)
{
	struct steps steps = { .length_ms = strtod(WORKLOAD_FIO_STEP, NULL),
		               .end_ms = (double)last_ms(logs) };

	if (!(steps.end_ms > 0))
		return;
	steps.length_ms = fmax(steps.length_ms, steps.end_ms / READING_MAX_POINTS);
	steps.count = (size_t)fmax(steps.end_ms / steps.length_ms + 0.5, 1);
	steps.bytes = xcalloc(steps.count, sizeof(*steps.bytes));
	sum_up(logs, &steps);
	reading_room_for_series(reading, steps.count);
	for (size_t i = 0; i < steps.count && i < READING_MAX_POINTS; i++) {
		double end = step_end(&steps, i);
		double length_ms = end - steps.length_ms * (double)i;

		reading->series[i].x = end / 1000;
		reading->series[i].y = steps.bytes[i] / length_ms * 1000;
		reading->series_count++;
	}
	free(steps.bytes);
}

/* --- all ------------------------------------------------------------------------------------- */

/* The object, and where it ends. */
static struct json_object *parse(const char *text, size_t *size)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *all = json_tokener_parse_ex(tokener, text, (int)strlen(text));

	*size = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	return all;
}

int workload_read_fio(const char *output, struct reading *reading, struct stor_err *err)
{
	static const char *const directions[] = { "read", "write" };
	/* Notes may come before it. */
	const char *start = strchr(output, '{');
	size_t size = 0;
	struct json_object *all = start ? parse(start, &size) : NULL;
	struct json_object *jobs = djson_get(all, "jobs");
	double iops = 0, bandwidth = 0;

	if (!start || !json_object_is_type(jobs, json_type_array)) {
		json_object_put(all);
		return err_fail(err, STOR_FAILED, 0, "fio printed no results");
	}
	for (size_t i = 0; i < json_object_array_length(jobs); i++) {
		struct json_object *job = json_object_array_get_idx(jobs, i);

		for (size_t d = 0; d < 2; d++) {
			struct json_object *direction = djson_get(job, directions[d]);

			iops += number(direction, "iops");
			bandwidth += number(direction, "bw_bytes");
			if (!reading->latency_count && number(direction, "total_ios") > 0)
				read_latency(direction, reading);
		}
	}
	json_object_put(all);
	reading_add(reading, "iops", iops);
	reading_add(reading, "bandwidth", bandwidth);
	read_logs(start + size, reading);
	return 0;
}
