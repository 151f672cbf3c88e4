/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings as a table and as JSON: see cmd_stats.h. */
#include "core/cmd_stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

#define COLUMNS 15
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static uint64_t add(uint64_t a, uint64_t b)
{
	if (a == CGROUP_UNKNOWN || b == CGROUP_UNKNOWN)
		return a == CGROUP_UNKNOWN ? b : a;
	return a + b;
}

void stats_sum(const struct cgroup_stats *payload, const struct cgroup_stats *server,
               struct cgroup_stats *sum)
{
	*sum = *payload;
	sum->cpu_us = add(payload->cpu_us, server->cpu_us);
	sum->cpu_user_us = add(payload->cpu_user_us, server->cpu_user_us);
	sum->cpu_system_us = add(payload->cpu_system_us, server->cpu_system_us);
	sum->memory_bytes = add(payload->memory_bytes, server->memory_bytes);
	sum->memory_peak_bytes = add(payload->memory_peak_bytes, server->memory_peak_bytes);
	sum->oom_kills = add(payload->oom_kills, server->oom_kills);
	sum->pids = add(payload->pids, server->pids);
	sum->read_bytes = add(payload->read_bytes, server->read_bytes);
	sum->write_bytes = add(payload->write_bytes, server->write_bytes);
	sum->read_ops = add(payload->read_ops, server->read_ops);
	sum->write_ops = add(payload->write_ops, server->write_ops);
}

/* --- the table ------------------------------------------------------------------------------ */

static void size_cell(struct table *table, uint64_t bytes)
{
	char text[32];

	table_cell(table,
	           bytes == CGROUP_UNKNOWN ? NULL : str_from_size(bytes, text, sizeof(text)));
}

static void number_cell(struct table *table, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	table_cell(table, number == CGROUP_UNKNOWN ? NULL : text);
}

static void seconds_cell(struct table *table, uint64_t us)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%02" PRIu64, us / 1000000, us % 1000000 / 10000);
	table_cell(table, us == CGROUP_UNKNOWN ? NULL : text);
}

static void percent_cell(struct table *table, double percent)
{
	char text[32];

	snprintf(text, sizeof(text), "%.1f%%", percent);
	table_cell(table, percent < 0 ? NULL : text);
}

struct table stats_table(void)
{
	static const char *const header[COLUMNS] = {
		"NAME", "LEAF", "CPU",     "SECONDS",   "THROTTLED",    "MEM",      "LIMIT", "PEAK",
		"PIDS", "READ", "WRITTEN", "ROOT-READ", "ROOT-WRITTEN", "RECEIVED", "SENT"
	};
	struct table table = TABLE_INIT(COLUMNS);

	for (size_t i = 0; i < COLUMNS; i++)
		table_cell(&table, header[i]);
	return table;
}

static void row(struct table *table, const struct stats_reading *reading, const char *leaf,
                const struct cgroup_stats *stats)
{
	bool has_net, has_volume;

	table_cell(table, reading->name);
	table_cell(table, leaf);
	percent_cell(table, stats == &reading->payload ? reading->cpu_percent : -1);
	seconds_cell(table, stats->cpu_us);
	seconds_cell(table, stats->throttled_us);
	size_cell(table, stats->memory_bytes);
	size_cell(table, stats->memory_limit_bytes);
	size_cell(table, stats->memory_peak_bytes);
	number_cell(table, stats->pids);
	size_cell(table, stats->read_bytes);
	size_cell(table, stats->write_bytes);
	/* The root and the network are the payload's. */
	has_volume = stats == &reading->payload && reading->has_volume;
	size_cell(table, has_volume ? reading->volume.read_bytes : CGROUP_UNKNOWN);
	size_cell(table, has_volume ? reading->volume.write_bytes : CGROUP_UNKNOWN);
	has_net = stats == &reading->payload && reading->has_net;
	size_cell(table, has_net ? reading->net.received_bytes : CGROUP_UNKNOWN);
	size_cell(table, has_net ? reading->net.sent_bytes : CGROUP_UNKNOWN);
}

void stats_rows(struct table *table, const struct stats_reading *reading)
{
	row(table, reading, reading->is_paused ? "payload (paused)" : "payload", &reading->payload);
	if (!reading->has_server)
		return;
	row(table, reading, "server", &reading->server);
	row(table, reading, "sum", &reading->sum);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void number_json(struct json *json, const char *key, uint64_t value)
{
	if (value == CGROUP_UNKNOWN)
		json_string(json, key, NULL);
	else
		json_u64(json, key, value);
}

struct number {
	const char *key;
	uint64_t value;
};

static void numbers_json(struct json *json, const struct number *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		number_json(json, numbers[i].key, numbers[i].value);
}

/* An object of numbers; null where there is none. */
static void object_json(struct json *json, const char *key, bool is_there,
                        const struct number *numbers, size_t count)
{
	if (!is_there) {
		json_string(json, key, NULL);
		return;
	}
	json_open_object(json, key);
	numbers_json(json, numbers, count);
	json_close_object(json);
}

static void pressure_json(struct json *json, const char *key,
                          const struct cgroup_pressure *pressure)
{
	if (pressure->some_avg10 < 0) {
		json_string(json, key, NULL);
		return;
	}
	json_open_object(json, key);
	json_double(json, "some_avg10", pressure->some_avg10);
	json_u64(json, "some_total_us", pressure->some_total_us);
	json_close_object(json);
}

static void leaf_json(struct json *json, const char *key, const struct cgroup_stats *s)
{
	const struct number numbers[] = {
		{ "cpu_us", s->cpu_us },
		{ "cpu_user_us", s->cpu_user_us },
		{ "cpu_system_us", s->cpu_system_us },
		{ "periods", s->periods },
		{ "throttled_periods", s->throttled_periods },
		{ "throttled_us", s->throttled_us },
		{ "memory_bytes", s->memory_bytes },
		{ "memory_peak_bytes", s->memory_peak_bytes },
		{ "memory_limit_bytes", s->memory_limit_bytes },
		{ "oom_kills", s->oom_kills },
		{ "pids", s->pids },
		{ "pids_limit", s->pids_limit },
		{ "read_bytes", s->read_bytes },
		{ "write_bytes", s->write_bytes },
		{ "read_ops", s->read_ops },
		{ "write_ops", s->write_ops },
	};

	json_open_object(json, key);
	numbers_json(json, numbers, COUNT(numbers));
	pressure_json(json, "cpu_pressure", &s->cpu_pressure);
	pressure_json(json, "memory_pressure", &s->memory_pressure);
	pressure_json(json, "io_pressure", &s->io_pressure);
	json_close_object(json);
}

static void volume_json(struct json *json, const struct stats_reading *reading)
{
	const struct number numbers[] = {
		{ "read_bytes", reading->volume.read_bytes },
		{ "write_bytes", reading->volume.write_bytes },
		{ "read_ops", reading->volume.read_ops },
		{ "write_ops", reading->volume.write_ops },
	};

	object_json(json, "root_volume", reading->has_volume, numbers, COUNT(numbers));
}

static void net_json(struct json *json, const struct stats_reading *reading)
{
	const struct number numbers[] = {
		{ "received_bytes", reading->net.received_bytes },
		{ "received_packets", reading->net.received_packets },
		{ "sent_bytes", reading->net.sent_bytes },
		{ "sent_packets", reading->net.sent_packets },
	};

	object_json(json, "network", reading->has_net, numbers, COUNT(numbers));
}

void stats_json(struct json *json, const struct stats_reading *reading)
{
	json_open_object(json, NULL);
	json_string(json, "id", reading->id);
	json_string(json, "name", reading->name);
	json_bool(json, "paused", reading->is_paused);
	leaf_json(json, "payload", &reading->payload);
	if (reading->has_server)
		leaf_json(json, "server", &reading->server);
	else
		json_string(json, "server", NULL);
	leaf_json(json, "sum", &reading->sum);
	volume_json(json, reading);
	net_json(json, reading);
	json_close_object(json);
}
