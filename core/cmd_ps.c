/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor ps: the containers that run, or all. */
#include "core/cmd_ps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/cgroup/cgroup.h"
#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/cmd_template.h"
#include "core/container_show.h"
#include "core/container_store.h"

#define COLUMNS 7

struct options {
	bool is_json, is_quiet, is_all, is_whole;
	const char *template;
	struct strv filters;
	uint64_t last; /* 0: all */
};

struct listing {
	struct store *store;
	const struct options *opts;
	struct strv live; /* sorted */
	struct table table;
	struct json json;
};

enum field { ID, NAME, IMAGE, BACKEND, STATUS, CREATED, COMMAND, LABELS, PID, EXIT_CODE };

static const struct template_field fields[] = {
	{ "ID", ID },         { "Name", NAME },       { "Names", NAME },
	{ "Image", IMAGE },   { "Backend", BACKEND }, { "Status", STATUS },
	{ "State", STATUS },  { "Created", CREATED }, { "Command", COMMAND },
	{ "Labels", LABELS }, { "Pid", PID },         { "ExitCode", EXIT_CODE },
	{ NULL, 0 },
};

/* --- options ------------------------------------------------------------------------------ */

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	if (!template_is(value))
		return option_format(&options->is_json, value, err);
	options->template = value;
	return template_check(value, fields, err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_quiet, "--quiet", value, err);
}

static int set_all(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_all, "--all", value, err);
}

static int set_whole(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_whole, "--no-trunc", value, err);
}

/* As in Docker, the last ones are those of all. */
static int set_last(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	options->is_all = true;
	return str_to_u64(value, &options->last) < 0 || !options->last
	               ? opts_fail_value("--last", value, "a number from 1 on", err)
	               : 0;
}

/* One who asks for those that ended wants to see them. */
static int set_filter(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	strv_add(&options->filters, value);
	options->is_all |= str_starts(value, "status=") || str_starts(value, "exited=");
	return ps_filter_check(value, err);
}

/* --- output ------------------------------------------------------------------------------- */

static char *labels_text(const struct record *record)
{
	struct strbuf text = STRBUF_INIT;
	const char *label;

	for (size_t at = 0; (label = record_next(record, "label", &at));)
		strbuf_printf(&text, "%s%s", text.length ? "," : "", label);
	return strbuf_steal(&text);
}

struct row {
	const char *id;
	const struct record *record;
	bool is_whole;
};

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

/* One of the fields; malloc'ed, or NULL. */
static char *field_text(void *ctx, int number)
{
	const struct row *row = ctx;
	char buf[64];

	switch ((enum field)number) {
	case ID:
		return xstrdup(row->id);
	case NAME:
		return copy(record_get(row->record, "name"));
	case IMAGE:
		return copy(container_image_text(row->record));
	case BACKEND:
		return copy(record_get(row->record, "backend"));
	case STATUS:
		return copy(container_status_text(row->record, buf, sizeof(buf)));
	case CREATED:
		return copy(listing_created(row->record, buf, sizeof(buf)));
	case COMMAND:
		return container_command_text(row->record, row->is_whole);
	case LABELS:
		return labels_text(row->record);
	case PID:
		return container_is_up(row->record) ? copy(record_get(row->record, "pid")) : NULL;
	case EXIT_CODE:
		return container_is_up(row->record) ? NULL
		                                    : copy(record_get(row->record, "exit-code"));
	}
	return NULL;
}

static void print(struct listing *listing, const struct container_item *item)
{
	const struct options *opts = listing->opts;
	struct row row = { item->id, &item->record, opts->is_whole };

	if (opts->is_quiet) {
		puts(item->id);
	} else if (opts->template) {
		template_print(opts->template, fields, field_text, &row);
	} else if (opts->is_json) {
		json_open_object(&listing->json, NULL);
		container_json(&listing->json, item->id, &item->record);
		json_close_object(&listing->json);
	} else {
		for (int column = 0; column < COLUMNS; column++) {
			cleanup_free char *text = field_text(&row, column);

			table_cell(&listing->table, text);
		}
	}
}

/* One that died unnoticed is noticed here; it may go away with that. False: it is gone. */
static bool bring_up_to_date(struct listing *listing, struct container_item *item, bool is_live)
{
	struct stor_err why = STOR_ERR_INIT;

	if (!item->is_damaged && !is_live) {
		record_free(&item->record);
		if (container_load_current(listing->store, item->id, &item->record, &why) < 0)
			item->is_damaged = true;
	}
	if (why.status == STOR_NOT_FOUND)
		return false;
	if (item->is_damaged)
		record_set(&item->record, "status", "damaged");
	else if (!strcmp(record_get(&item->record, "status"), "running") &&
	         cgroup_is_paused(listing->store, item->id))
		record_set(&item->record, "status", "paused");
	return true;
}

static void list(struct listing *listing, struct container_set *set)
{
	const struct options *opts = listing->opts;
	size_t kept = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct container_item item = set->items[i];
		bool is_live = strv_has_sorted(&listing->live, item.id);

		if (bring_up_to_date(listing, &item, is_live) && (opts->is_all || is_live) &&
		    ps_filter_passes(&opts->filters, item.id, &item.record)) {
			set->items[kept++] = item;
		} else {
			free(item.id);
			record_free(&item.record);
		}
	}
	set->count = kept;
	for (size_t i = opts->last && opts->last < kept ? kept - opts->last : 0; i < kept; i++)
		print(listing, &set->items[i]);
}

static int show(struct store *store, const struct options *opts, struct stor_err *err)
{
	static const char *const header[COLUMNS] = { "ID",     "NAME",    "IMAGE",  "BACKEND",
		                                     "STATUS", "CREATED", "COMMAND" };
	cleanup_container_set struct container_set set = CONTAINER_SET_INIT;
	struct listing listing = {
		.store = store, .opts = opts, .table = TABLE_INIT(COLUMNS), .json = JSON_INIT
	};

	if (container_load_all(store, &set, err) < 0 ||
	    store_list_live(store, &listing.live, err) < 0)
		return -1;
	strv_sort(&listing.live);
	for (size_t i = 0; i < COLUMNS; i++)
		table_cell(&listing.table, header[i]);
	json_open_array(&listing.json, NULL);
	list(&listing, &set);
	json_close_array(&listing.json);
	strv_free(&listing.live);
	return listing_print(opts->is_json, opts->is_quiet || opts->template, &listing.table,
	                     &listing.json);
}

int cmd_ps(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 'a', "all", NULL, "Those that do not run too", set_all },
		{ 'f', "filter", "KEY=VALUE", "Only those with this name, status, label, ...",
		  set_filter },
		{ 0, "format", "FORMAT", "Print a table, json, or a template: {{.Name}}",
		  set_format },
		{ 'n', "last", "NUMBER", "Only the so many made last, running or not", set_last },
		{ 0, "no-trunc", NULL, "Print commands whole", set_whole },
		{ 'q', "quiet", NULL, "Print ids only", set_quiet },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "ps",
		.synopsis = "[OPTIONS]",
		.summary = "List the containers that run",
		.options = options,
	};
	struct options opts = { .is_json = false };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (!result)
		result = show(store, &opts, err);
	else if (result > 0)
		result = 0;
	strv_free(&opts.filters);
	return result;
}
