/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor backend ls|info|check. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/base/json.h"
#include "core/base/table.h"
#include "core/cmd_backend.h"
#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/module.h"

#define CHECK_PROGRAM "stor-backend-check"

/* The optional callbacks by name, for has_X. */
static const struct callback {
	const char *name;
	size_t offset;
} callbacks[] = {
#define CALLBACK(member)                                                                           \
	{                                                                                          \
#member, offsetof(struct stor_backend, member)                                     \
	}
	CALLBACK(load),          CALLBACK(probe),           CALLBACK(create),   CALLBACK(attach),
	CALLBACK(detach),        CALLBACK(release),         CALLBACK(info),     CALLBACK(destroy),
	CALLBACK(clone),         CALLBACK(resize),          CALLBACK(check),    CALLBACK(snapshot),
	CALLBACK(snapshot_list), CALLBACK(snapshot_delete), CALLBACK(rollback), CALLBACK(merge),
	CALLBACK(compact),       CALLBACK(convert),         CALLBACK(send),     CALLBACK(receive),
	CALLBACK(examine),
#undef CALLBACK
};

#define CALLBACK_COUNT (sizeof(callbacks) / sizeof(callbacks[0]))

static bool has_callback(const struct backend *b, const struct callback *callback)
{
	void (*function)(void);

	memcpy(&function, (const char *)&b->ops + callback->offset, sizeof(function));
	return function != NULL;
}

static const char *type_name(enum stor_param_type type)
{
	static const char *const names[] = { "string", "bool", "uint", "size", "enum" };

	return names[type];
}

static const char *scope_name(uint32_t scope)
{
	static const char *const names[] = {
		"",       "create",        "attach",        "create,attach",
		"change", "create,change", "attach,change", "create,attach,change"
	};

	return names[scope & 7];
}

struct options {
	bool is_json;
	struct strv params;
	struct strv tests;
	bool is_listing;
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_format(&options->is_json, value, err);
}

static int add_param(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	(void)err;
	strv_add(&options->params, value);
	return 0;
}

static int add_test(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	(void)err;
	strv_add(&options->tests, value);
	return 0;
}

static int set_listing(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_listing, "--list", value, err);
}

/* --- ls ------------------------------------------------------------------------------------ */

/* "clone,resize,check": the optional callbacks that people ask for. */
static char *capabilities(const struct backend *b)
{
	static const char *const shown[] = { "clone", "resize",  "check",   "snapshot",
		                             "merge", "compact", "convert", "send" };
	struct strbuf buf = STRBUF_INIT;

	for (size_t i = 0; i < CALLBACK_COUNT; i++)
		for (size_t j = 0; j < sizeof(shown) / sizeof(shown[0]); j++)
			if (!strcmp(callbacks[i].name, shown[j]) && has_callback(b, &callbacks[i]))
				strbuf_printf(&buf, "%s%s", buf.length ? "," : "", shown[j]);
	return strbuf_steal(&buf);
}

static void list_json(struct json *json, const char *name, const struct backend *b,
                      const struct stor_err *why)
{
	json_open_object(json, NULL);
	json_string(json, "name", name);
	json_bool(json, "usable", b != NULL);
	if (!b) {
		json_string(json, "reason", why->text);
	} else {
		json_string(json, "path", b->file);
		json_string(json, "version", b->ops.version);
		json_string(json, "summary", b->ops.summary);
		json_string(json, "fs_types", b->ops.fs_types);
		json_open_array(json, "capabilities");
		for (size_t i = 0; i < CALLBACK_COUNT; i++)
			if (has_callback(b, &callbacks[i]))
				json_string(json, NULL, callbacks[i].name);
		json_close_array(json);
	}
	json_close_object(json);
}

static void list_row(struct table *table, const char *name, const struct backend *b,
                     const struct stor_err *why)
{
	cleanup_free char *reason = b ? NULL : xasprintf("cannot be used: %s", why->text);
	cleanup_free char *can = b ? capabilities(b) : NULL;

	table_cell(table, name);
	table_cell(table, b ? b->ops.version : NULL);
	table_cell(table, b ? b->ops.fs_types : NULL);
	table_cell(table, can);
	table_cell(table, b ? b->ops.summary : reason);
}

static const struct opt ls_options[] = {
	{ 0, "format", "FORMAT", "table (the default) or json", set_format },
	{ 0, NULL, NULL, NULL, NULL },
};

static const struct opt_command cmd_backend_ls = {
	.name = "backend ls",
	.synopsis = "[OPTIONS]",
	.summary = "List the backends that are installed, and why one cannot be used",
	.options = ls_options,
};

static int run_ls(struct store *store, int argc, char **argv, struct stor_err *err)
{
	struct options options = { .is_json = false };
	struct table table = TABLE_INIT(5);
	struct json json = JSON_INIT;
	cleanup_strv struct strv names = STRV_INIT;
	char **operands;
	int count, result;

	(void)store;
	result = opts_parse(&cmd_backend_ls, &options, argc, argv, &operands, &count, err);
	if (result)
		return result > 0 ? 0 : -1;
	if (backend_names(&names, err) < 0)
		return -1;
	table_cell(&table, "NAME");
	table_cell(&table, "VERSION");
	table_cell(&table, "FILESYSTEMS");
	table_cell(&table, "CAN");
	table_cell(&table, "SUMMARY");
	json_open_array(&json, NULL);
	for (size_t i = 0; i < names.count; i++) {
		struct stor_err why = STOR_ERR_INIT;
		const struct backend *b = backend_load(names.items[i], &why);

		if (options.is_json)
			list_json(&json, names.items[i], b, &why);
		else
			list_row(&table, names.items[i], b, &why);
	}
	json_close_array(&json);
	return listing_print(options.is_json, false, &table, &json);
}

/* --- info ---------------------------------------------------------------------------------- */

static void info_text(const struct backend *b)
{
	printf("path=%s\nname=%s\nversion=%s\nsummary=%s\n", b->file, b->ops.name, b->ops.version,
	       b->ops.summary);
	printf("abi_version=%u\nstruct_size=%zu\n", b->ops.abi_version, b->ops.struct_size);
	printf("fs_types=%s\n", b->ops.fs_types ? b->ops.fs_types : "");
	for (size_t i = 0; i < CALLBACK_COUNT; i++)
		printf("has_%s=%s\n", callbacks[i].name,
		       has_callback(b, &callbacks[i]) ? "yes" : "no");
	for (const struct stor_param *p = b->ops.params; p && p->key; p++) {
		printf("param.%s.type=%s\n", p->key, type_name(p->type));
		printf("param.%s.scope=%s\n", p->key, scope_name(p->scope));
		if (p->default_value)
			printf("param.%s.default=%s\n", p->key, p->default_value);
		if (p->choices)
			printf("param.%s.choices=%s\n", p->key, p->choices);
		printf("param.%s.help=%s\n", p->key, p->help);
	}
}

static void info_json(const struct backend *b)
{
	struct json json = JSON_INIT;

	json_open_object(&json, NULL);
	json_string(&json, "path", b->file);
	json_string(&json, "name", b->ops.name);
	json_string(&json, "version", b->ops.version);
	json_string(&json, "summary", b->ops.summary);
	json_u64(&json, "abi_version", b->ops.abi_version);
	json_u64(&json, "struct_size", b->ops.struct_size);
	json_string(&json, "fs_types", b->ops.fs_types);
	json_open_object(&json, "has");
	for (size_t i = 0; i < CALLBACK_COUNT; i++)
		json_bool(&json, callbacks[i].name, has_callback(b, &callbacks[i]));
	json_close_object(&json);
	json_open_array(&json, "params");
	for (const struct stor_param *p = b->ops.params; p && p->key; p++) {
		json_open_object(&json, NULL);
		json_string(&json, "key", p->key);
		json_string(&json, "type", type_name(p->type));
		json_string(&json, "scope", scope_name(p->scope));
		json_string(&json, "default", p->default_value);
		json_string(&json, "choices", p->choices);
		json_string(&json, "help", p->help);
		json_close_object(&json);
	}
	json_close_array(&json);
	json_close_object(&json);
	json_print(&json);
}

static const struct opt_command cmd_backend_info = {
	.name = "backend info",
	.synopsis = "[OPTIONS] NAME|FILE.so",
	.summary = "Print what a backend is, can do, and takes as parameters",
	.options = ls_options,
	.min_operands = 1,
	.max_operands = 1,
};

static int run_info(struct store *store, int argc, char **argv, struct stor_err *err)
{
	struct options options = { .is_json = false };
	const struct backend *b;
	char **operands;
	int count, result;

	(void)store;
	result = opts_parse(&cmd_backend_info, &options, argc, argv, &operands, &count, err);
	if (result)
		return result > 0 ? 0 : -1;
	b = backend_load(operands[0], err);
	if (!b)
		return -1;
	if (options.is_json)
		info_json(b);
	else
		info_text(b);
	return 0;
}

/* --- check --------------------------------------------------------------------------------- */

static const struct opt check_options[] = {
	{ 'o', "option", "KEY=VALUE", "A parameter of the backend (repeatable)", add_param },
	{ 0, "test", "NAME", "Run only this test (repeatable)", add_test },
	{ 0, "list", NULL, "List the tests instead of running them", set_listing },
	{ 0, NULL, NULL, NULL, NULL },
};

static const struct opt_command cmd_backend_check = {
	.name = "backend check",
	.synopsis = "[OPTIONS] NAME|FILE.so",
	.summary = "Run the conformance suite against a backend",
	.details =
		"It works in a store of its own below TMPDIR (/tmp) and removes it. The result is\n"
		"in TAP; the exit status is 1 when a test failed.",
	.options = check_options,
	.min_operands = 1,
	.max_operands = 1,
};

/* Becomes the program that has the suite, which lies among the modules. */
static int exec_check(const struct options *options, const char *what, struct stor_err *err)
{
	const char *dir = module_dir(err);
	cleanup_free char *program = dir ? xasprintf("%s/" CHECK_PROGRAM, dir) : NULL;
	cleanup_strv struct strv words = STRV_INIT;

	if (!program)
		return -1;
	strv_add(&words, program);
	if (options->is_listing)
		strv_add(&words, "--list");
	for (size_t i = 0; i < options->params.count; i++) {
		strv_add(&words, "-o");
		strv_add(&words, options->params.items[i]);
	}
	for (size_t i = 0; i < options->tests.count; i++) {
		strv_add(&words, "--test");
		strv_add(&words, options->tests.items[i]);
	}
	strv_add(&words, what);
	if (setenv("STOR_MODULES", dir, 1) < 0)
		return err_fail(err, STOR_FAILED, errno, "set STOR_MODULES");
	fflush(stdout);
	execv(program, words.items);
	err_fail(err, STOR_UNSUPPORTED, errno, "run %s", program);
	err_hint(err, "the conformance suite is part of the SDK: make install-sdk");
	return -1;
}

static int run_check(struct store *store, int argc, char **argv, struct stor_err *err)
{
	struct options options = { .is_json = false };
	char **operands;
	int count, result;

	(void)store;
	result = opts_parse(&cmd_backend_check, &options, argc, argv, &operands, &count, err);
	if (result)
		result = result > 0 ? 0 : -1;
	/* Loaded here first, so that a refusal has the exit status that it has everywhere. */
	else if (!backend_load(operands[0], err))
		result = -1;
	else
		result = exec_check(&options, operands[0], err);
	strv_free(&options.params);
	strv_free(&options.tests);
	return result;
}

static const struct subcommand subcommands[] = {
	{ "ls", "List the backends, and why one cannot be used", run_ls },
	{ "info", "Print what a backend is and can do", run_info },
	{ "check", "Run the conformance suite against a backend", run_check },
	{ NULL, NULL, NULL },
};

int cmd_backend(struct store *store, int argc, char **argv, struct stor_err *err)
{
	return cmd_dispatch("backend", subcommands, store, argc, argv, err);
}
