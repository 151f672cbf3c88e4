/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor volume ls|inspect. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/cmd_volume.h"
#include "core/golden.h"
#include "core/volume_info.h"
#include "core/volume_users.h"

#define COLUMNS 7

/* All that is known of a volume. */
struct description {
	struct volume volume;
	struct volume_users users;
	struct volume_info told;
};

static void description_free(struct description *d)
{
	volume_free(&d->volume);
	volume_users_free(&d->users);
	volume_info_free(&d->told);
}
#define cleanup_description __attribute__((cleanup(description_free)))

/* Fills in the rest, once d->volume was found. */
static int describe(struct store *store, struct description *d, struct stor_err *err)
{
	if (volume_users_load(store, &d->volume, &d->users, err) < 0 ||
	    volume_info_load(&d->volume, &d->told, err) < 0)
		return err_context(err, "volume %s", d->volume.name);
	return 0;
}

static const char *kind_name(enum volume_kind kind)
{
	static const char *const names[] = { "named", "foreign", "golden", "ephemeral" };

	return names[kind];
}

static const char *size_text(uint64_t bytes, char *buf, size_t size)
{
	return bytes == STOR_UNKNOWN ? NULL : str_from_size(bytes, buf, size);
}

/* "container web, mounted at /mnt" */
static char *users_text(const struct description *d)
{
	struct strbuf buf = STRBUF_INIT;
	char name[512];

	for (size_t i = 0; i < d->users.count; i++)
		strbuf_printf(&buf, "%s%s", i ? ", " : "",
		              volume_user_name(&d->users.list[i], name, sizeof(name)));
	if (!d->users.count && d->told.info.in_use)
		strbuf_puts(&buf, "in use");
	return strbuf_steal(&buf);
}

static void json_users(struct json *json, const struct description *d)
{
	json_open_array(json, "users");
	for (size_t i = 0; i < d->users.count; i++) {
		const struct volume_user *user = &d->users.list[i];
		char name[512];

		json_open_object(json, NULL);
		json_string(json, "name", volume_user_name(user, name, sizeof(name)));
		if (user->pid)
			json_i64(json, "pid", user->pid);
		else
			json_string(json, "dir", record_get(&user->record, "mount-point"));
		json_string(json, "access", record_get(&user->record, "access"));
		json_string(json, "how", record_get(&user->record, "how"));
		json_close_object(json);
	}
	json_close_array(json);
}

/* The parameters that a volume has, by whoever chose them. */
static void json_params(struct json *json, const struct volume *volume)
{
	const struct stor_param *table = volume->backend->ops.params;

	json_open_object(json, "parameters");
	for (size_t i = 0; i < volume->params.count; i++)
		if (volume->params.values[i].is_set)
			json_string(json, table[i].key, volume->params.values[i].string);
	json_close_object(json);
}

static void volume_json(struct json *json, const struct description *d, bool is_whole)
{
	const struct record *record = &d->volume.record;
	uint64_t created = record_get_u64(record, "created", 0);

	json_open_object(json, NULL);
	json_string(json, "name", d->volume.name);
	json_string(json, "kind", kind_name(d->volume.kind));
	json_string(json, "backend", d->volume.backend->ops.name);
	volume_info_json_bytes(json, "size", d->told.info.size_bytes);
	volume_info_json_bytes(json, "allocated", d->told.info.allocated_bytes);
	volume_info_json_bytes(json, "exclusive", d->told.info.exclusive_bytes);
	json_string(json, "fs", d->told.info.fs_type);
	json_bool(json, "in_use", d->told.info.in_use || d->users.count);
	json_users(json, d);
	if (is_whole) {
		json_string(json, "path", d->volume.path);
		json_string(json, "format", d->told.info.format);
		volume_info_json_bytes(json, "created", created ? created : STOR_UNKNOWN);
		json_string(json, "image", record_get(record, "image"));
		json_string(json, "clone_of", record_get(record, "clone-of"));
		json_string(json, "label", record_get(record, "label"));
		json_params(json, &d->volume);
		volume_info_json_details(json, &d->told);
	}
	json_close_object(json);
}

/* One that cannot be described is listed all the same, with the reason. */
static void damaged_json(struct json *json, const char *name, const struct stor_err *why)
{
	json_open_object(json, NULL);
	json_string(json, "name", name);
	json_string(json, "error", why->text);
	json_close_object(json);
}

static void damaged_row(struct table *table, const char *name, const struct stor_err *why)
{
	table_cell(table, name);
	for (size_t i = 1; i < COLUMNS - 1; i++)
		table_cell(table, NULL);
	table_cell(table, why->text);
}

static void volume_row(struct table *table, const struct description *d)
{
	cleanup_free char *users = users_text(d);
	char size[16], allocated[16];

	table_cell(table, d->volume.name);
	table_cell(table, d->volume.backend->ops.name);
	table_cell(table, kind_name(d->volume.kind));
	table_cell(table, d->told.info.fs_type);
	table_cell(table, size_text(d->told.info.size_bytes, size, sizeof(size)));
	table_cell(table, size_text(d->told.info.allocated_bytes, allocated, sizeof(allocated)));
	table_cell(table, users);
}

/* --- ls ----------------------------------------------------------------------------------- */

static int set_all(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	return option_switch(&options->is_all, "--all", value, err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	return option_switch(&options->is_quiet, "--quiet", value, err);
}

static void list_one(struct store *store, const struct volume_options *opts, const char *name,
                     bool is_golden, struct table *table, struct json *json)
{
	cleanup_description struct description d = { .volume = VOLUME_INIT };
	struct stor_err why = STOR_ERR_INIT;
	int result;

	if (opts->is_quiet) {
		puts(name);
		return;
	}
	result = is_golden ? golden_find(store, name, &d.volume, &why)
	                   : volume_find(store, name, NULL, NULL, &d.volume, &why);
	if (!result)
		result = describe(store, &d, &why);
	/* Removed since it was listed. */
	if (result < 0 && why.status == STOR_NOT_FOUND)
		return;
	if (opts->is_json && result < 0)
		damaged_json(json, name, &why);
	else if (opts->is_json)
		volume_json(json, &d, false);
	else if (result < 0)
		damaged_row(table, name, &why);
	else
		volume_row(table, &d);
}

int cmd_volume_ls(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 'a', "all", NULL, "Golden volumes of images too", set_all },
		VOLUME_OPT_FORMAT,
		{ 'q', "quiet", NULL, "Print names only", set_quiet },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume ls", "[OPTIONS]", "List the volumes", NULL, options, 0, 0, false,
	};
	static const char *const header[COLUMNS] = { "NAME", "BACKEND",   "KIND",   "FS",
		                                     "SIZE", "ALLOCATED", "USED BY" };
	struct volume_options opts = { .is_json = false };
	cleanup_strv struct strv names = STRV_INIT, keys = STRV_INIT;
	struct table table = TABLE_INIT(COLUMNS);
	struct json json = JSON_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (volume_list(store, &names, err) < 0 ||
	    (opts.is_all && golden_list(store, &keys, err) < 0))
		return -1;
	for (size_t i = 0; i < COLUMNS; i++)
		table_cell(&table, header[i]);
	json_open_array(&json, NULL);
	for (size_t i = 0; i < names.count; i++)
		list_one(store, &opts, names.items[i], false, &table, &json);
	for (size_t i = 0; i < keys.count; i++)
		list_one(store, &opts, keys.items[i], true, &table, &json);
	json_close_array(&json);
	return listing_print(opts.is_json, opts.is_quiet, &table, &json);
}

/* --- inspect ------------------------------------------------------------------------------ */

static void row(struct table *table, const char *what, const char *value)
{
	table_cell(table, what);
	table_cell(table, value);
}

static void inspect_table(struct table *table, const struct description *d)
{
	const struct stor_param *params = d->volume.backend->ops.params;
	const struct record *record = &d->volume.record;
	cleanup_free char *users = users_text(d);
	char text[32];

	row(table, "name", d->volume.name);
	row(table, "kind", kind_name(d->volume.kind));
	row(table, "backend", d->volume.backend->ops.name);
	row(table, "path", d->volume.path);
	row(table, "format", d->told.info.format);
	row(table, "fs", d->told.info.fs_type);
	if (*listing_created(record, text, sizeof(text)))
		row(table, "created", text);
	row(table, "size", size_text(d->told.info.size_bytes, text, sizeof(text)));
	row(table, "allocated", size_text(d->told.info.allocated_bytes, text, sizeof(text)));
	row(table, "exclusive", size_text(d->told.info.exclusive_bytes, text, sizeof(text)));
	row(table, "used by", users);
	for (size_t i = 0; i < d->users.count; i++)
		row(table, "attached", record_get(&d->users.list[i].record, "how"));
	if (record_get(record, "image"))
		row(table, "image", record_get(record, "image"));
	if (record_get(record, "clone-of"))
		row(table, "clone of", record_get(record, "clone-of"));
	for (size_t i = 0; i < d->volume.params.count; i++)
		if (d->volume.params.values[i].is_set)
			row(table, params[i].key, d->volume.params.values[i].string);
	for (size_t i = 0; i < d->told.details.keys.count; i++)
		row(table, d->told.details.keys.items[i], d->told.details.values.items[i]);
}

/* A named, foreign or golden one. */
static int find_any(struct store *store, const char *name, const char *backend,
                    struct volume *volume, struct stor_err *err)
{
	struct stor_err why = STOR_ERR_INIT;

	if (volume_find(store, name, backend, NULL, volume, &why) == 0)
		return 0;
	if (why.status == STOR_NOT_FOUND && str_is_name(name)) {
		struct stor_err ignored = STOR_ERR_INIT;

		if (golden_find(store, name, volume, &ignored) == 0)
			return 0;
	}
	*err = why;
	return -1;
}

int cmd_volume_inspect(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		VOLUME_OPT_BACKEND,
		{ 0, "format", "FORMAT", "Print json or a table", volume_set_format },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume inspect",
		"[OPTIONS] NAME|PATH...",
		"Describe volumes",
		NULL,
		options,
		1,
		-1,
		false,
	};
	struct volume_options opts = { .is_json = true };
	struct table table = TABLE_INIT(2);
	struct json json = JSON_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	json_open_array(&json, NULL);
	for (int i = 0; i < count && !result; i++) {
		cleanup_description struct description d = { .volume = VOLUME_INIT };

		if (find_any(store, operands[i], opts.backend, &d.volume, err) < 0 ||
		    describe(store, &d, err) < 0)
			result = -1;
		else if (opts.is_json)
			volume_json(&json, &d, true);
		else
			inspect_table(&table, &d);
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
