/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor doctor: what this machine has of what stor can use. */
#include <stdio.h>

#include <stor/util.h>

#include "core/base/json.h"
#include "core/base/table.h"
#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/doctor/doctor.h"

struct options {
	bool is_json, only_trouble;
	struct table table;
	struct json json;
	struct strbuf remedies;
	unsigned counts[DOCTOR_MISSING + 1];
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_format(&options->is_json, value, err);
}

static int set_only_trouble(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->only_trouble, "--trouble", value, err);
}

static const char *status_name(enum doctor_status status)
{
	static const char *const names[] = { "ok", "limited", "missing" };

	return names[status];
}

static void report(void *ctx, const struct doctor_finding *finding)
{
	struct options *options = ctx;

	options->counts[finding->status]++;
	if (options->only_trouble && finding->status == DOCTOR_OK)
		return;
	json_open_object(&options->json, NULL);
	json_string(&options->json, "area", finding->area);
	json_string(&options->json, "what", finding->what);
	json_string(&options->json, "status", status_name(finding->status));
	json_string(&options->json, "detail", finding->detail);
	json_string(&options->json, "remedy", finding->remedy);
	json_close_object(&options->json);
	table_cell(&options->table, finding->area);
	table_cell(&options->table, finding->what);
	table_cell(&options->table, status_name(finding->status));
	table_cell(&options->table, finding->detail);
	if (finding->status != DOCTOR_OK && finding->remedy)
		strbuf_printf(&options->remedies, "%s, %s: %s\n", finding->area, finding->what,
		              finding->remedy);
}

static void examine(const struct store *store, struct options *options)
{
	const struct doctor doctor = { report, options };
	static const char *const head[] = { "AREA", "WHAT", "STATUS", "DETAIL" };

	for (size_t i = 0; i < sizeof(head) / sizeof(*head); i++)
		table_cell(&options->table, head[i]);
	json_open_array(&options->json, NULL);
	doctor_kernel(&doctor);
	doctor_privileges(&doctor);
	doctor_cgroups(&doctor);
	doctor_network(&doctor);
	doctor_store(&doctor, store);
	doctor_modules(&doctor);
	json_close_array(&options->json);
}

int cmd_doctor(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt list[] = {
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0, "trouble", NULL, "Only what is limited or missing", set_only_trouble },
		{ 0 },
	};
	static const struct opt_command command = {
		"doctor",
		"[OPTIONS]",
		"Tell what this machine supports, and what to do about the rest",
		NULL,
		list,
		0,
		0,
		false,
	};
	struct options options = { .table = TABLE_INIT(4), .json = JSON_INIT };
	char **operands;
	int count, result = opts_parse(&command, &options, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	examine(store, &options);
	result = listing_print(options.is_json, false, &options.table, &options.json);
	if (!options.is_json && options.remedies.length)
		printf("\nWhat to do:\n%s", options.remedies.text);
	if (!options.is_json)
		printf("\n%u ok, %u limited, %u missing\n", options.counts[DOCTOR_OK],
		       options.counts[DOCTOR_LIMITED], options.counts[DOCTOR_MISSING]);
	strbuf_free(&options.remedies);
	if (result < 0)
		return err_fail(err, STOR_FAILED, 0, "print what was found");
	return options.counts[DOCTOR_MISSING] ? STOR_FAILED : 0;
}
