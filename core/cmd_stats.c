/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor stats: what running containers use, once or every second. */
#include "core/cmd_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/container_cgroup.h"
#include "core/container_store.h"

/* A container that is watched. */
struct watched {
	char *name, *id;
	struct cgroup cgroup;
	uint64_t cpu_us; /* at the reading before; CGROUP_UNKNOWN: there was none */
	struct timespec time;
};

struct watch {
	bool is_json, is_once;
	struct watched *items;
	size_t count;
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct watch *watch = target;

	return option_format(&watch->is_json, value, err);
}

static int set_once(void *target, const char *value, struct stor_err *err)
{
	struct watch *watch = target;

	return option_switch(&watch->is_once, "--no-stream", value, err);
}

/* The command that runs: for_each_operand() hands nothing on. */
static struct watch chosen;

static int add_watched(struct store *store, const char *name, struct stor_err *err)
{
	struct watched *item = &chosen.items[chosen.count];
	bool is_new;

	memset(item, 0, sizeof(*item));
	item->cpu_us = CGROUP_UNKNOWN;
	if (container_open_cgroup(store, name, &item->id, &item->cgroup, &is_new, err) < 0)
		return -1;
	if (is_new)
		log_warn("container %s was started without a cgroup: its readings begin now", name);
	item->name = xstrdup(name);
	chosen.count++;
	return 0;
}

/* Those that are named, or all that run: of these, one that has just ended does not matter. Of
 * those that are named the others are there when this fails. */
static int choose(struct store *store, int count, char **operands, struct stor_err *err)
{
	cleanup_strv struct strv ids = STRV_INIT;

	if (!count && (store_open(store, err) < 0 || store_list_live(store, &ids, err) < 0))
		return -1;
	chosen.items = xcalloc((size_t)count + ids.count, sizeof(*chosen.items));
	for (size_t i = 0; i < ids.count; i++) {
		struct stor_err ended = STOR_ERR_INIT;
		cleanup_record struct record record = RECORD_INIT;
		const char *name = NULL;

		if (container_load(store, ids.items[i], &record, &ended) == 0)
			name = record_get(&record, "name");
		if (add_watched(store, name ? name : ids.items[i], &ended) < 0)
			log_debug("%s", ended.text);
	}
	return for_each_operand(store, count, operands, add_watched, err);
}

static double percent_since(struct watched *item, uint64_t cpu_us)
{
	struct timespec now;
	double percent = -1, elapsed_us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	elapsed_us = (double)(now.tv_sec - item->time.tv_sec) * 1e6 +
	             (double)(now.tv_nsec - item->time.tv_nsec) / 1e3;
	if (item->cpu_us != CGROUP_UNKNOWN && cpu_us != CGROUP_UNKNOWN && elapsed_us > 0)
		percent = (double)(cpu_us - item->cpu_us) * 100 / elapsed_us;
	item->cpu_us = cpu_us;
	item->time = now;
	return percent;
}

/* What its record leads to: of another life than before, if it has been started again. */
static void read_by_record(struct store *store, const char *id, struct stats_reading *reading)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err gone = STOR_ERR_INIT;

	if (container_load(store, id, &record, &gone) < 0)
		return;
	reading->has_net = stats_read_net(container_first_process(store, &record), &reading->net);
	reading->has_volume = stats_read_volume(&record, &reading->volume);
}

/* False: it has ended. */
static bool read_one(struct watched *item, struct store *store, struct stats_reading *reading)
{
	memset(reading, 0, sizeof(*reading));
	if (!store_is_live(store, item->id, NULL) ||
	    !cgroup_read_stats(&item->cgroup, CGROUP_PAYLOAD, &reading->payload))
		return false;
	reading->id = item->id;
	reading->name = item->name;
	reading->is_paused = cgroup_is_frozen(&item->cgroup);
	reading->has_server = cgroup_read_stats(&item->cgroup, CGROUP_SERVER, &reading->server);
	if (reading->has_server)
		stats_add_server_io(&item->cgroup, &reading->server);
	stats_sum(&reading->payload, &reading->server, &reading->sum);
	read_by_record(store, item->id, reading);
	reading->cpu_percent = percent_since(item, reading->payload.cpu_us);
	return true;
}

/* Returns how many still run, or -1 with errno: the output is gone. */
static int show(struct watch *watch, struct store *store)
{
	struct table table = stats_table();
	struct json json = JSON_INIT;
	int shown = 0;

	json_open_array(&json, NULL);
	for (size_t i = 0; i < watch->count; i++) {
		struct stats_reading reading;

		if (!read_one(&watch->items[i], store, &reading))
			continue;
		shown++;
		if (watch->is_json)
			stats_json(&json, &reading);
		else
			stats_rows(&table, &reading);
	}
	json_close_array(&json);
	if (!watch->is_once && !watch->is_json && isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	if (watch->is_json) {
		strv_free(&table.cells);
		if (json_print(&json) < 0)
			return -1;
	} else {
		strbuf_free(&json.out);
		table_print(&table);
	}
	return fflush(stdout) < 0 ? -1 : shown;
}

static void free_watch(struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++) {
		free(watch->items[i].name);
		free(watch->items[i].id);
		cgroup_close(&watch->items[i].cgroup);
	}
	free(watch->items);
}

int cmd_stats(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0, "no-stream", NULL, "Print one reading, not one every second", set_once },
		{ 0 },
	};
	static const struct opt_command command = {
		"stats",
		"[OPTIONS] [NAME|ID...]",
		"Show what running containers use",
		NULL,
		options,
		0,
		-1,
		false,
	};
	const struct timespec second = { .tv_sec = 1 };
	char **operands;
	int count, result = opts_parse(&command, &chosen, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	result = choose(store, count, operands, err);
	/* A view is of all that were named; one reading is of those that there are. */
	if (chosen.is_once && (result == 0 || chosen.count || (count && chosen.is_json)))
		show(&chosen, store);
	while (result == 0 && !chosen.is_once && show(&chosen, store) > 0)
		nanosleep(&second, NULL);
	free_watch(&chosen);
	return result;
}
