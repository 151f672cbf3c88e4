/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor ps: the containers that run, or all. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/cgroup/cgroup.h"
#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/container_store.h"

#define COLUMNS 7
#define COMMAND_WIDTH 30

struct options {
	bool is_json, is_quiet, is_all, is_whole;
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_format(&options->is_json, value, err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_quiet, "--quiet", value, err);
}

static int set_all(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_all, "--all", value, err);
}

static int set_whole(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_whole, "--no-trunc", value, err);
}

/* "sh -c …", cut to the column's width unless it is to be whole. */
static char *command_text(const struct record *record, bool is_whole)
{
	struct strbuf buf = STRBUF_INIT;
	const char *word;

	for (size_t at = 0; (word = record_next(record, "command", &at));)
		strbuf_printf(&buf, "%s%s", buf.length ? " " : "", word);
	if (!is_whole && buf.length > COMMAND_WIDTH) {
		buf.length = COMMAND_WIDTH - 3;
		buf.text[buf.length] = '\0';
		strbuf_puts(&buf, "...");
	}
	return strbuf_steal(&buf);
}

/* "running", "exited (7)" */
static const char *status_text(const struct record *record, char *buf, size_t size)
{
	const char *code = record_get(record, "exit-code");

	if (strcmp(record_get(record, "status"), "exited") != 0 || !code)
		return record_get(record, "status");
	snprintf(buf, size, "exited (%s)", code);
	return buf;
}

/* What it runs on: an image, or a volume in place. */
static const char *image_text(const struct record *record)
{
	const char *image = record_get(record, "image");

	return image ? image : record_get(record, "volume.root");
}

static void container_row(struct table *table, const char *id, const struct record *record,
                          bool is_whole)
{
	cleanup_free char *command = command_text(record, is_whole);
	char created[32], status[64];

	table_cell(table, id);
	table_cell(table, record_get(record, "name"));
	table_cell(table, image_text(record));
	table_cell(table, record_get(record, "backend"));
	table_cell(table, status_text(record, status, sizeof(status)));
	table_cell(table, listing_created(record, created, sizeof(created)));
	table_cell(table, command);
}

static void labels_json(struct json *json, const struct record *record)
{
	const char *label;

	json_open_object(json, "labels");
	for (size_t at = 0; (label = record_next(record, "label", &at));) {
		cleanup_free char *key = xstrndup(label, strcspn(label, "="));

		json_string(json, key, label[strlen(key)] ? label + strlen(key) + 1 : "");
	}
	json_close_object(json);
}

static void container_json(struct json *json, const char *id, const struct record *record)
{
	const char *code = record_get(record, "exit-code"), *value;
	const char *status = record_get(record, "status");
	bool is_running = status && (!strcmp(status, "running") || !strcmp(status, "paused"));
	uint64_t number;

	json_open_object(json, NULL);
	json_string(json, "id", id);
	json_string(json, "name", record_get(record, "name"));
	json_string(json, "image", record_get(record, "image"));
	json_string(json, "root", record_get(record, "volume.root"));
	json_string(json, "backend", record_get(record, "backend"));
	json_string(json, "clone", record_get(record, "volume.clone"));
	json_string(json, "status", status);
	/* null: still running, or not known after a kill -9. */
	if (code && status && !strcmp(status, "exited") && str_to_u64(code, &number) == 0)
		json_u64(json, "exit_code", number);
	else
		json_string(json, "exit_code", NULL);
	/* The host's number of the container's first process. */
	if (is_running)
		json_u64(json, "pid", record_get_u64(record, "pid", 0));
	else
		json_string(json, "pid", NULL);
	json_u64(json, "created", record_get_u64(record, "created", 0));
	json_open_array(json, "command");
	for (size_t at = 0; (value = record_next(record, "command", &at));)
		json_string(json, NULL, value);
	json_close_array(json);
	labels_json(json, record);
	json_close_object(json);
}

static void list_one(struct store *store, const char *id, const struct options *opts,
                     const struct strv *live, struct table *table, struct json *json)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err why = STOR_ERR_INIT;
	int result = container_load(store, id, &record, &why);

	/* One that died unnoticed is noticed here; it may go away with that. */
	if (!result && !strv_has(live, id)) {
		record_free(&record);
		result = container_load_current(store, id, &record, &why);
	}
	if (result < 0 && why.status == STOR_NOT_FOUND)
		return;
	if (result < 0)
		record_set(&record, "status", "damaged");
	else if (!strcmp(record_get(&record, "status"), "running") && cgroup_is_paused(store, id))
		record_set(&record, "status", "paused");
	if (!opts->is_all && !strv_has(live, id))
		return;
	if (opts->is_quiet)
		puts(id);
	else if (opts->is_json)
		container_json(json, id, &record);
	else
		container_row(table, id, &record, opts->is_whole);
}

int cmd_ps(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 'a', "all", NULL, "Those that do not run too", set_all },
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0, "no-trunc", NULL, "Print commands whole", set_whole },
		{ 'q', "quiet", NULL, "Print ids only", set_quiet },
		{ 0 },
	};
	static const struct opt_command command = {
		"ps", "[OPTIONS]", "List the containers that run", NULL, options, 0, 0, false,
	};
	static const char *const header[COLUMNS] = { "ID",     "NAME",    "IMAGE",  "BACKEND",
		                                     "STATUS", "CREATED", "COMMAND" };
	struct options opts = { .is_json = false };
	cleanup_strv struct strv ids = STRV_INIT, live = STRV_INIT;
	struct table table = TABLE_INIT(COLUMNS);
	struct json json = JSON_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (container_list(store, &ids, err) < 0 || store_list_live(store, &live, err) < 0)
		return -1;
	for (size_t i = 0; i < COLUMNS; i++)
		table_cell(&table, header[i]);
	json_open_array(&json, NULL);
	for (size_t i = 0; i < ids.count; i++)
		list_one(store, ids.items[i], &opts, &live, &table, &json);
	json_close_array(&json);
	return listing_print(opts.is_json, opts.is_quiet, &table, &json);
}
