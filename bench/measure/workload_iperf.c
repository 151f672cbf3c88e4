/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iperf3 from the container to the host: its words, and what it prints with --json. */
#include <json-c/json.h>
#include <string.h>

#include <stor/util.h>

#include "bench/data_json.h"
#include "bench/measure/workload.h"

#define BITS 8

/* The host is where the default route leads (/proc/net/route has it as hexadecimal digits, the last
 * byte first), and itself where there is none. */
void workload_iperf_payload(const struct workload *workload, struct strv *payload)
{
	(void)workload;
	strv_add(payload, "sh");
	strv_add(payload, "-c");
	/* It tells errors where its results would be. */
	strv_add(payload, "host=127.0.0.1; while read -r name to gate rest; do "
	                  "[ \"$to\" = 00000000 ] || continue; "
	                  "a=${gate#??????} b=${gate#????} c=${gate#??} d=$gate; "
	                  "host=$(printf %d.%d.%d.%d 0x$a 0x${b%??} 0x${c%????} 0x${d%??????}); "
	                  "done </proc/net/route; "
	                  "out=$(iperf3 --json --time 3 --interval 0.25 --client $host); s=$?; "
	                  "[ $s = 0 ] || exec >&2; printf '%s\\n' \"$out\"; exit $s");
}

static double number_of(struct json_object *object, const char *name, double otherwise)
{
	double number;

	return djson_is_number(djson_get(object, name), &number) ? number : otherwise;
}

static void read_intervals(struct json_object *intervals, struct reading *reading)
{
	size_t count = json_object_is_type(intervals, json_type_array)
	                       ? json_object_array_length(intervals)
	                       : 0;

	reading_room_for_series(reading, count);
	for (size_t i = 0; i < count && i < READING_MAX_POINTS; i++) {
		struct json_object *sum = djson_get(json_object_array_get_idx(intervals, i), "sum");
		struct data_point *point = &reading->series[reading->series_count];

		point->x = number_of(sum, "end", -1);
		point->y = number_of(sum, "bits_per_second", -1) / BITS;
		reading->series_count += point->x >= 0 && point->y >= 0;
	}
}

int workload_iperf_read(const char *output, struct reading *reading, struct stor_err *err)
{
	struct json_object *all = json_tokener_parse(output);
	struct json_object *received = djson_get(djson_get(all, "end"), "sum_received");
	double bits = number_of(received, "bits_per_second", -1);

	if (bits >= 0) {
		reading_add(reading, "bandwidth", bits / BITS);
		read_intervals(djson_get(all, "intervals"), reading);
	}
	json_object_put(all);
	return bits < 0 ? err_fail(err, STOR_FAILED, 0, "iperf3 printed no results") : 0;
}
