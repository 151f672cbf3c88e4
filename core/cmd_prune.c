/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor prune: remove what nobody uses any more, after asking. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/table.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/cmd_time.h"
#include "core/cmd_prune_find.h"

struct options {
	bool is_json, is_forced, dry_run;
	struct prune_wish wish;
	struct strv labels;
};

static int set_force(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_forced, "--force", value, err);
}

static int set_dry_run(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->dry_run, "--dry-run", value, err);
}

static int set_volumes(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->wish.with_volumes, "--volumes", value,
	                     err);
}

static int set_format(void *target, const char *value, struct stor_err *err)
{
	return option_format(&((struct options *)target)->is_json, value, err);
}

static int set_filter(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	if (str_starts(value, "until="))
		return option_time("--filter until", value + strlen("until="), options->wish.until,
		                   err);
	if (str_starts(value, "label=") && value[strlen("label=")]) {
		strv_add(&options->labels, value + strlen("label="));
		return 0;
	}
	err_fail(err, STOR_USAGE, 0, "--filter: \"%s\" is no known KEY=VALUE", value);
	err_hint(err, "keys are until (a time) and label");
	return -1;
}

/* --- asking ------------------------------------------------------------------------------- */

static uint64_t total(const struct prune_list *list)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->count; i++)
		sum += list->items[i].is_kept ? 0 : list->items[i].bytes;
	return sum;
}

static void print_list(const struct prune_list *list)
{
	static const char *const header[] = { "KIND", "ID", "NAME", "SIZE" };
	struct table table = TABLE_INIT(4);

	for (size_t i = 0; i < 4; i++)
		table_cell(&table, header[i]);
	for (size_t i = 0; i < list->count; i++) {
		const struct prune_item *item = &list->items[i];
		char size[16];

		table_cell(&table, prune_kind_name(item->kind));
		table_cell(&table, item->kind == PRUNE_CONTAINER ? item->id : NULL);
		table_cell(&table, item->name);
		table_cell(&table, str_from_size(item->bytes, size, sizeof(size)));
	}
	table_print(&table);
}

/* 1: yes; 0: no; -1 with err filled. */
static int ask(const struct options *options, const struct prune_list *list, struct stor_err *err)
{
	char answer[16], size[16];

	if (options->is_forced)
		return 1;
	if (!isatty(STDIN_FILENO)) {
		err_fail(err, STOR_USAGE, 0, "prune: nobody is there to be asked");
		err_hint(err, "--force removes without asking, --dry-run only tells what");
		return -1;
	}
	fprintf(stderr, "Remove these %zu (%s)? [y/N] ", list->count,
	        str_from_size(total(list), size, sizeof(size)));
	return fgets(answer, sizeof(answer), stdin) && (*answer == 'y' || *answer == 'Y');
}

/* --- removing ----------------------------------------------------------------------------- */

/* What can be removed is removed. What somebody began to use meanwhile is no failure. */
static int remove_all(struct store *store, struct prune_list *list, struct stor_err *err)
{
	int result = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct prune_item *item = &list->items[i];
		struct stor_err why = STOR_ERR_INIT;

		if (prune_remove(store, item, &why) == 0)
			continue;
		if (item->is_kept) {
			log_warn("%s", why.text);
			continue;
		}
		item->is_kept = true;
		if (!result)
			*err = why;
		result = -1;
	}
	return result;
}

static void print_json(const struct prune_list *list)
{
	struct json json = JSON_INIT;

	json_open_array(&json, NULL);
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].is_kept)
			continue;
		json_open_object(&json, NULL);
		json_string(&json, "kind", prune_kind_name(list->items[i].kind));
		json_string(&json, "id", list->items[i].id);
		json_string(&json, "name", list->items[i].name);
		json_u64(&json, "bytes", list->items[i].bytes);
		json_close_object(&json);
	}
	json_close_array(&json);
	json_print(&json);
}

static int prune(struct store *store, const struct options *options, struct stor_err *err)
{
	cleanup_prune_list struct prune_list list = PRUNE_LIST_INIT;
	int result = 0;
	char size[16];

	if (store_open(store, err) < 0 || prune_find(store, &options->wish, &list, err) < 0)
		return -1;
	if (!options->is_json && list.count)
		print_list(&list);
	fflush(stdout);
	if (list.count && !options->dry_run) {
		result = ask(options, &list, err);
		if (result <= 0)
			return result;
		result = remove_all(store, &list, err);
	}
	if (options->is_json)
		print_json(&list);
	else if (!options->dry_run)
		printf("%s freed\n", str_from_size(total(&list), size, sizeof(size)));
	return result;
}

int cmd_prune(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt list[] = {
		{ 0, "dry-run", NULL, "Only print what would be removed", set_dry_run },
		{ 0, "filter", "KEY=VALUE", "Only what is older than until=TIME, or has label=...",
		  set_filter },
		{ 'f', "force", NULL, "Do not ask", set_force },
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0, "volumes", NULL, "Volumes that no container uses, too", set_volumes },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "prune",
		.synopsis = "[OPTIONS]",
		.summary = "Remove containers that do not run, and images without containers",
		.options = list,
	};
	struct options options = { .is_json = false };
	char **operands;
	int count, result = opts_parse(&command, &options, argc, argv, &operands, &count, err);

	options.wish.labels = &options.labels;
	if (!result)
		result = prune(store, &options, err);
	else if (result > 0)
		result = 0;
	strv_free(&options.labels);
	return result;
}
