/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor inspect: all that is known of containers, as JSON. */
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/json.h"
#include "core/cgroup/cgroup.h"
#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/container_show.h"
#include "core/container_store.h"

/* The output of the command that runs: for_each_operand() hands nothing on. */
static struct json json = JSON_INIT;

static void network_json(const struct record *record)
{
	const char *addresses = record_get(record, "net.address");
	cleanup_free char *copy = addresses ? xstrdup(addresses) : NULL;
	char *rest = copy, *address;

	json_open_object(&json, "network");
	json_open_array(&json, "addresses");
	while ((address = strsep(&rest, ",")))
		json_string(&json, NULL, address);
	json_close_array(&json);
	json_string(&json, "hosts", record_get(record, "net.hosts"));
	json_string(&json, "resolv_conf", record_get(record, "net.resolv"));
	json_close_object(&json);
}

static void storage_json(struct store *store, const char *id, const struct record *record)
{
	bool is_in_place = record_get(record, "volume.root") != NULL;
	cleanup_free char *path = xasprintf("%s/containers/%s/data", store->path, id);
	cleanup_free char *log = xasprintf("%s/containers/%s/log", store->path, id);

	json_string(&json, "golden", record_get(record, "volume.golden"));
	json_string(&json, "volume_path", is_in_place ? NULL : path);
	json_string(&json, "log_path", record_get(record, "detached") ? log : NULL);
}

static int inspect_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	pid_t monitor = 0;
	const char *rm;

	if (container_find(store, name, &id, &record, err) < 0)
		return -1;
	if (!strcmp(record_get(&record, "status"), "running") && cgroup_is_paused(store, id))
		record_set(&record, "status", "paused");
	rm = record_get(&record, "rm");
	json_open_object(&json, NULL);
	container_json(&json, id, &record);
	json_bool(&json, "rm", rm && !strcmp(rm, "yes"));
	/* The stor process that stays with it. */
	if (store_is_live(store, id, &monitor))
		json_i64(&json, "monitor_pid", monitor);
	else
		json_string(&json, "monitor_pid", NULL);
	container_json_list(&json, "env", &record, "env");
	json_string(&json, "user", record_get(&record, "user"));
	json_string(&json, "workdir", record_get(&record, "workdir"));
	json_string(&json, "stop_signal", record_get(&record, "stop-signal"));
	json_string(&json, "stop_timeout", record_get(&record, "stop-timeout"));
	container_json_list(&json, "options", &record, "option");
	network_json(&record);
	storage_json(store, id, &record);
	json_close_object(&json);
	return 0;
}

int cmd_inspect(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		.name = "inspect",
		.synopsis = "NAME|ID...",
		.summary = "Print all that is known of containers, as JSON",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
	};
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	json_open_array(&json, NULL);
	result = for_each_operand(store, count, operands, inspect_one, err);
	json_close_array(&json);
	return json_print(&json) < 0 ? err_fail(err, STOR_FAILED, 0, "write") : result;
}
