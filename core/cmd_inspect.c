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
#include "core/volume_info.h"

/* The output of the command that runs, and what was asked for: for_each_operand() hands nothing on.
 */
static struct json json = JSON_INIT;
static bool with_size;

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

/* What is removed with the root is its alone; the rest it shares. */
static uint64_t shared_bytes(const struct stor_info *info)
{
	if (info->allocated_bytes == STOR_UNKNOWN || info->exclusive_bytes == STOR_UNKNOWN)
		return STOR_UNKNOWN;
	return info->allocated_bytes > info->exclusive_bytes
	               ? info->allocated_bytes - info->exclusive_bytes
	               : 0;
}

/* own: NULL: it has no root yet. */
static void size_json(const struct volume_info *own)
{
	if (!own) {
		json_string(&json, "size", NULL);
		return;
	}
	json_open_object(&json, "size");
	volume_info_json_bytes(&json, "virtual", own->info.size_bytes);
	volume_info_json_bytes(&json, "allocated", own->info.allocated_bytes);
	volume_info_json_bytes(&json, "exclusive", own->info.exclusive_bytes);
	volume_info_json_bytes(&json, "shared", shared_bytes(&own->info));
	volume_info_json_details(&json, own);
	json_close_object(&json);
}

static int inspect_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_volume_info struct volume_info own = { .details = RECORD_INIT };
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	pid_t monitor = 0;
	int has_root = 0;
	const char *rm;

	if (container_find(store, name, &id, &record, err) < 0)
		return -1;
	if (with_size)
		has_root = root_measure(store, id, &record, &own, err);
	if (has_root < 0)
		return err_context(err, "size of container %s", name);
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
	if (with_size)
		size_json(has_root ? &own : NULL);
	json_close_object(&json);
	return 0;
}

static int set_size(void *target, const char *value, struct stor_err *err)
{
	return option_switch(target, "--size", value, err);
}

int cmd_inspect(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 's', "size", NULL, "What their roots take on the disk, too", set_size },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "inspect",
		.synopsis = "[OPTIONS] NAME|ID...",
		.summary = "Print all that is known of containers, as JSON",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
	};
	char **operands;
	int count, result = opts_parse(&command, &with_size, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	json_open_array(&json, NULL);
	result = for_each_operand(store, count, operands, inspect_one, err);
	json_close_array(&json);
	return json_print(&json) < 0 ? err_fail(err, STOR_FAILED, 0, "write") : result;
}
