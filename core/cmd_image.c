/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor image ls|inspect|rm. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/cmd_image.h"
#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/image.h"

struct options {
	bool is_json, is_quiet, only_goldens;
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

static int set_golden(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->only_goldens, "--golden", value, err);
}

int cmd_image_open_store(struct store *store, struct stor_err *err)
{
	struct stor_err left = STOR_ERR_INIT;

	if (store_open(store, err) < 0)
		return -1;
	/* What cannot be removed is in nobody's way. */
	if (store_sweep(store, &left) < 0)
		log_debug("sweep: %s", left.text);
	return 0;
}

/* --- ls ----------------------------------------------------------------------------------- */

static void list_json(struct json *json, const char *name, const struct record *record,
                      bool is_damaged)
{
	json_open_object(json, NULL);
	json_string(json, "name", name);
	json_bool(json, "damaged", is_damaged);
	if (!is_damaged) {
		json_string(json, "id", record_get(record, "id"));
		json_u64(json, "created", record_get_u64(record, "created", 0));
		json_string(json, "kind", record_get(record, "kind"));
		json_string(json, "source", record_get(record, "source"));
		json_string(json, "arch", record_get(record, "config.arch"));
		json_u64(json, "entries", record_get_u64(record, "entries", 0));
		json_u64(json, "bytes", record_get_u64(record, "bytes", 0));
	}
	json_close_object(json);
}

static void list_row(struct table *table, const char *name, const struct record *record,
                     bool is_damaged)
{
	char created[32], size[16], entries[24];

	table_cell(table, name);
	if (is_damaged) {
		table_cell(table, "damaged");
		for (int i = 0; i < 5; i++)
			table_cell(table, NULL);
		return;
	}
	snprintf(entries, sizeof(entries), "%" PRIu64, record_get_u64(record, "entries", 0));
	table_cell(table, record_get(record, "id"));
	table_cell(table, listing_created(record, created, sizeof(created)));
	table_cell(table, str_from_size(record_get_u64(record, "bytes", 0), size, sizeof(size)));
	table_cell(table, entries);
	table_cell(table, record_get(record, "config.arch"));
	table_cell(table, record_get(record, "kind"));
}

static int image_ls(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 'q', "quiet", NULL, "Print names only", set_quiet },
		{ 0 },
	};
	static const struct opt_command command = {
		"image ls", "[OPTIONS]", "List the images", NULL, options, 0, 0, false,
	};
	static const char *const header[] = { "NAME",    "ID",   "CREATED", "SIZE",
		                              "ENTRIES", "ARCH", "KIND" };
	struct options opts = { .is_json = false };
	cleanup_strv struct strv names = STRV_INIT;
	struct table table = TABLE_INIT(7);
	struct json json = JSON_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (cmd_image_open_store(store, err) < 0 || image_names(store, &names, err) < 0)
		return -1;
	json_open_array(&json, NULL);
	for (size_t i = 0; i < 7; i++)
		table_cell(&table, header[i]);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf("images/%s/record", names.items[i]);
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err damage = STOR_ERR_INIT;
		bool is_damaged = record_load(&record, store->fd, path, &damage) < 0;

		if (opts.is_quiet)
			puts(names.items[i]);
		else if (opts.is_json)
			list_json(&json, names.items[i], &record, is_damaged);
		else
			list_row(&table, names.items[i], &record, is_damaged);
	}
	json_close_array(&json);
	return listing_print(opts.is_json, opts.is_quiet, &table, &json);
}

/* --- inspect ------------------------------------------------------------------------------ */

/* The record's keys that may stand several times, and what they are called in JSON. */
static const struct {
	const char *key, *shown;
	bool is_list;
} config[] = {
	{ "config.env", "env", true },    { "config.entrypoint", "entrypoint", true },
	{ "config.cmd", "cmd", true },    { "config.workdir", "workdir", false },
	{ "config.user", "user", false }, { "config.stop-signal", "stop_signal", false },
	{ "config.arch", "arch", false }, { "config.label", "labels", true },
};

#define CONFIG_COUNT (sizeof(config) / sizeof(*config))

static void inspect_labels(struct json *json, const struct record *record)
{
	const char *value;

	json_open_object(json, "labels");
	for (size_t at = 0; (value = record_next(record, "config.label", &at));) {
		cleanup_free char *key = xstrndup(value, strcspn(value, "="));
		const char *equals = strchr(value, '=');

		json_string(json, key, equals ? equals + 1 : "");
	}
	json_close_object(json);
}

static void inspect_json(struct json *json, const struct image *image)
{
	const struct record *record = &image->record;
	const char *value;

	json_open_object(json, NULL);
	json_string(json, "name", image->name);
	json_string(json, "id", image->id);
	json_u64(json, "created", record_get_u64(record, "created", 0));
	json_string(json, "kind", record_get(record, "kind"));
	json_string(json, "source", record_get(record, "source"));
	json_string(json, "path", image->tree_path);
	json_u64(json, "entries", record_get_u64(record, "entries", 0));
	json_u64(json, "bytes", record_get_u64(record, "bytes", 0));
	json_open_object(json, "config");
	for (size_t i = 0; i < CONFIG_COUNT; i++) {
		if (!strcmp(config[i].shown, "labels")) {
			inspect_labels(json, record);
		} else if (!config[i].is_list) {
			json_string(json, config[i].shown, record_get(record, config[i].key));
		} else {
			json_open_array(json, config[i].shown);
			for (size_t at = 0; (value = record_next(record, config[i].key, &at));)
				json_string(json, NULL, value);
			json_close_array(json);
		}
	}
	json_close_object(json);
	json_close_object(json);
}

static void inspect_row(struct table *table, const char *what, const char *value)
{
	table_cell(table, what);
	table_cell(table, value);
}

static void inspect_table(struct table *table, const struct image *image)
{
	const struct record *record = &image->record;
	const char *value;
	char text[32];

	inspect_row(table, "name", image->name);
	inspect_row(table, "id", image->id);
	inspect_row(table, "created", listing_created(record, text, sizeof(text)));
	inspect_row(table, "kind", record_get(record, "kind"));
	inspect_row(table, "source", record_get(record, "source"));
	inspect_row(table, "path", image->tree_path);
	inspect_row(table, "entries", record_get(record, "entries"));
	inspect_row(table, "size",
	            str_from_size(record_get_u64(record, "bytes", 0), text, sizeof(text)));
	for (size_t i = 0; i < CONFIG_COUNT; i++)
		for (size_t at = 0; (value = record_next(record, config[i].key, &at));)
			inspect_row(table, config[i].shown, value);
}

static int image_inspect(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "format", "FORMAT", "Print json or a table", set_format },
		{ 0 },
	};
	static const struct opt_command command = {
		"image inspect", "[OPTIONS] NAME...", "Describe images", NULL, options, 1, -1,
		false,
	};
	struct options opts = { .is_json = true };
	struct table table = TABLE_INIT(2);
	struct json json = JSON_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (cmd_image_open_store(store, err) < 0)
		return -1;
	json_open_array(&json, NULL);
	for (int i = 0; i < count; i++) {
		cleanup_image struct image image = IMAGE_INIT;

		result = image_open(store, operands[i], &image, err);
		if (result < 0)
			break;
		if (opts.is_json)
			inspect_json(&json, &image);
		else
			inspect_table(&table, &image);
	}
	json_close_array(&json);
	if (!result && opts.is_json)
		result = json_print(&json);
	else if (!result)
		table_print(&table);
	strbuf_free(&json.out);
	strv_free(&table.cells);
	return result;
}

/* --- rm ----------------------------------------------------------------------------------- */

static int image_rm(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "golden", NULL, "Only what backends made of them; keep the images",
		  set_golden },
		{ 0 },
	};
	static const struct opt_command command = {
		"image rm", "[OPTIONS] NAME...", "Remove images", NULL, options, 1, -1, false,
	};
	struct options opts = { .only_goldens = false };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (cmd_image_open_store(store, err) < 0)
		return -1;
	/* What can be removed is removed. */
	return for_each_operand(store, count, operands,
	                        opts.only_goldens ? image_remove_goldens : image_remove, err);
}

int cmd_image(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct subcommand table[] = {
		{ "import", "Make an image of a directory, an archive or a container image",
		  cmd_image_import },
		{ "ls", "List the images", image_ls },
		{ "inspect", "Describe images", image_inspect },
		{ "export", "Write an image as a tar archive", cmd_image_export },
		{ "rm", "Remove images", image_rm },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch("image", table, store, argc, argv, err);
}
