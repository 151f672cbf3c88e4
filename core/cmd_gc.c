/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor gc: remove everything that dead stor processes left, and say what. */
#include <stdio.h>
#include <string.h>

#include "core/base/json.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"

struct options {
	bool is_json, dry_run;
	struct json json;
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_format(&options->is_json, value, err);
}

static int set_dry_run(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->dry_run, "--dry-run", value, err);
}

static void report(void *ctx, const char *kind, const char *name, const char *why)
{
	struct options *options = ctx;

	if (!options->is_json) {
		printf("%s %s: %s\n", kind, name, why);
		return;
	}
	json_open_object(&options->json, NULL);
	json_string(&options->json, "kind", kind);
	json_string(&options->json, "name", name);
	json_string(&options->json, "reason", why);
	json_close_object(&options->json);
}

int cmd_gc(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "dry-run", NULL, "Only print what would be removed", set_dry_run },
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0 },
	};
	static const struct opt_command command = {
		"gc", "[OPTIONS]", "Remove what killed stor processes left behind",
		NULL, options,     0,
		0,    false,
	};
	struct options opts = { .json = JSON_INIT };
	struct sweep_opts sweep = { .is_thorough = true, .report = report, .ctx = &opts };
	char **operands;
	int count, swept, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	sweep.dry_run = opts.dry_run;
	json_open_array(&opts.json, NULL);
	swept = store_collect(store, &sweep, err);
	json_close_array(&opts.json);
	if (opts.is_json)
		result = json_print(&opts.json);
	strbuf_free(&opts.json.out);
	return swept < 0 ? -1 : result;
}
