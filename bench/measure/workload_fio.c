/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fio prints with --output-format=json: sums over its jobs, and the latencies of the first
 * one. */
#include <json-c/json.h>
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

int workload_read_fio(const char *output, struct reading *reading, struct stor_err *err)
{
	static const char *const directions[] = { "read", "write" };
	/* Notes may come before it. */
	const char *start = strchr(output, '{');
	struct json_object *all = start ? json_tokener_parse(start) : NULL;
	struct json_object *jobs = djson_get(all, "jobs");
	double iops = 0, bandwidth = 0;

	if (!json_object_is_type(jobs, json_type_array)) {
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
	return 0;
}
