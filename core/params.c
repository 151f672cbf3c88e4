/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backend parameters: the table's own sanity, and values from the command line, the volume's record
 * and the defaults. */
#include <string.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/backend_check.h"

#define PARAMS_MAX 64
#define RECORD_PREFIX "param."

/* Position of text[0..length) in "one|two|three", or -1. */
static int find_choice(const char *choices, const char *text, size_t length)
{
	int index = 0;

	for (const char *at = choices;; index++) {
		size_t n = strcspn(at, "|");

		if (n == length && !strncmp(at, text, n))
			return index;
		if (!at[n])
			return -1;
		at += n + 1;
	}
}

/* Reads `text` as the parameter's type. 0, or -1 with *wanted saying what it ought to be. */
static int parse_value(const struct stor_param *param, const char *text, uint64_t *number,
                       const char **wanted)
{
	bool is_true;
	int index;

	*number = 0;
	switch (param->type) {
	case STOR_PARAM_STRING:
		return 0;
	case STOR_PARAM_BOOL:
		*wanted = "yes or no";
		if (str_to_bool(text, &is_true) < 0)
			return -1;
		*number = is_true;
		return 0;
	case STOR_PARAM_UINT:
		*wanted = "a whole number";
		return str_to_u64(text, number);
	case STOR_PARAM_SIZE:
		*wanted = "a size such as 512M or 10G";
		return str_to_size(text, number);
	case STOR_PARAM_ENUM:
		*wanted = param->choices;
		index = find_choice(param->choices, text, strlen(text));
		if (index < 0)
			return -1;
		*number = (uint64_t)index;
		return 0;
	}
	*wanted = "of a known type";
	return -1;
}

static int refuse(const struct backend *b, const char *key, const char *why, struct stor_err *err)
{
	return err_fail(err, STOR_UNSUPPORTED, 0, "load %s: parameter \"%s\": %s", b->file, key,
	                why);
}

static int refuse_endless(const struct backend *b, const char *key, struct stor_err *err)
{
	return refuse(b, key, "too many parameters, or no end mark", err);
}

/* "one|two|three": no part empty, none twice. */
static bool are_choices(const char *choices)
{
	int index = 0;

	for (const char *at = choices;; index++) {
		size_t n = strcspn(at, "|");

		/* find_choice() finds the first of two equal ones. */
		if (!n || strcspn(at, " \t\n") < n || find_choice(choices, at, n) != index)
			return false;
		if (!at[n])
			return true;
		at += n + 1;
	}
}

static int check_param(const struct backend *b, const struct stor_param *param,
                       struct stor_err *err)
{
	const char *key = param->key, *wanted = NULL;
	uint64_t number;

	if (!*key || strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(key))
		return refuse(b, key, "keys are lower case letters, digits and '-'", err);
	for (const struct stor_param *before = b->ops.params; before < param; before++)
		if (!strcmp(before->key, key))
			return refuse(b, key, "the key stands twice", err);
	if ((unsigned)param->type > STOR_PARAM_ENUM)
		return refuse(b, key, "unknown type", err);
	if (!param->scope ||
	    param->scope & ~(STOR_PARAM_CREATE | STOR_PARAM_ATTACH | STOR_PARAM_CHANGE))
		return refuse(b, key, "its scope is neither create, attach nor change", err);
	if (!param->help || !*param->help || strchr(param->help, '\n') ||
	    str_ends(param->help, "."))
		return refuse(b, key, "needs a help text of one line without a full stop", err);
	if ((param->type == STOR_PARAM_ENUM) != (param->choices != NULL))
		return refuse(b, key, "an enum, and nothing else, has choices", err);
	if (param->choices && !are_choices(param->choices))
		return refuse(b, key, "bad choices: an empty or a repeated one", err);
	if (param->default_value && parse_value(param, param->default_value, &number, &wanted) < 0)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "load %s: parameter \"%s\": bad default \"%s\", not %s", b->file,
		                key, param->default_value, wanted);
	return 0;
}

/* Entry `i` of an array whose entries are `size` apart. */
static const struct stor_param *param_at(const struct stor_backend *ops, size_t i)
{
	return (const struct stor_param *)(const void *)((const char *)ops->params +
	                                                 i * ops->param_size);
}

int params_take_table(struct backend *backend, struct stor_err *err)
{
	struct stor_backend *ops = &backend->ops;
	size_t count = 0, known = sizeof(struct stor_param);

	if (!ops->params || ops->param_size == sizeof(struct stor_param))
		return 0;
	while (param_at(ops, count)->key)
		if (count++ == PARAMS_MAX)
			return refuse_endless(backend, param_at(ops, PARAMS_MAX)->key, err);
	if (known > ops->param_size)
		known = ops->param_size;
	backend->own_params = xcalloc(count + 1, sizeof(struct stor_param));
	for (size_t i = 0; i < count; i++)
		memcpy(&backend->own_params[i], param_at(ops, i), known);
	ops->params = backend->own_params;
	return 0;
}

int params_check_table(const struct backend *backend, struct stor_err *err)
{
	const struct stor_param *table = backend->ops.params;

	for (size_t i = 0; table && table[i].key; i++) {
		if (i == PARAMS_MAX)
			return refuse_endless(backend, table[i].key, err);
		if (check_param(backend, &table[i], err) < 0)
			return -1;
	}
	return 0;
}

static size_t count_params(const struct backend *b)
{
	size_t n = 0;

	while (b->ops.params && b->ops.params[n].key)
		n++;
	return n;
}

static int fail_unknown(const struct backend *b, const char *key, struct stor_err *err)
{
	cleanup_strbuf struct strbuf known = STRBUF_INIT;

	for (size_t i = 0; i < count_params(b); i++)
		strbuf_printf(&known, "%s%s", i ? ", " : "", b->ops.params[i].key);
	err_fail(err, STOR_USAGE, 0, "backend \"%s\" has no parameter \"%s\"", b->ops.name, key);
	if (known.length)
		err_hint(err, "it has: %s; stor backend info %s explains them", known.text,
		         b->ops.name);
	else
		err_hint(err, "it has no parameters at all");
	return -1;
}

/* Index of the parameter with this key, or -1. */
static int find_param(const struct backend *b, const char *key, size_t length)
{
	for (size_t i = 0; i < count_params(b); i++)
		if (strlen(b->ops.params[i].key) == length &&
		    !strncmp(b->ops.params[i].key, key, length))
			return (int)i;
	return -1;
}

static int set_value(struct params *params, const struct backend *b, size_t index, const char *text,
                     struct stor_err *err)
{
	const struct stor_param *param = &b->ops.params[index];
	struct stor_value *value = &params->values[index];
	const char *wanted = NULL;
	uint64_t number;

	if (parse_value(param, text, &number, &wanted) < 0)
		return err_fail(err, STOR_USAGE, 0, "parameter \"%s\": \"%s\" is not %s%s",
		                param->key, text, param->type == STOR_PARAM_ENUM ? "one of " : "",
		                wanted);
	strv_add(&params->texts, text);
	value->string = params->texts.items[params->texts.count - 1];
	value->number = number;
	value->is_set = true;
	return 0;
}

static const char *where_it_counts(uint32_t scope)
{
	if (scope & STOR_PARAM_CREATE)
		return "is fixed when a volume is made";
	return scope & STOR_PARAM_ATTACH
	               ? "has a meaning only when a volume is attached"
	               : "has a meaning only when a volume is made, changed or checked";
}

/* One KEY=VALUE of the command line. */
static int set_given(struct params *params, const struct backend *b, const char *given,
                     uint32_t scope, struct stor_err *err)
{
	size_t length = strcspn(given, "=");
	cleanup_free char *key = xstrndup(given, length);
	int index = find_param(b, key, length);

	if (!given[length])
		return err_fail(err, STOR_USAGE, 0, "parameter \"%s\": no value; write %s=VALUE",
		                key, key);
	if (index < 0)
		return fail_unknown(b, key, err);
	if (!(b->ops.params[index].scope & scope))
		return err_fail(err, STOR_USAGE, 0, "parameter \"%s\" of backend \"%s\" %s", key,
		                b->ops.name, where_it_counts(b->ops.params[index].scope));
	if (set_value(params, b, (size_t)index, given + length + 1, err) < 0)
		return -1;
	params->values[index].is_explicit = true;
	return 0;
}

/* What the record or else the table says. A recorded key that the backend no longer has is left
 * alone: an older version of it may have had one. */
static int set_unless_given(struct params *params, const struct backend *b, size_t index,
                            const struct record *recorded, struct stor_err *err)
{
	const struct stor_param *param = &b->ops.params[index];
	cleanup_free char *key = xasprintf(RECORD_PREFIX "%s", param->key);
	const char *text =
		recorded && param->scope & STOR_PARAM_CREATE ? record_get(recorded, key) : NULL;

	if (params->values[index].is_set)
		return 0;
	if (text && set_value(params, b, index, text, err) < 0)
		return err_context(err, "the volume's record");
	if (!text && param->default_value)
		return set_value(params, b, index, param->default_value, err);
	return 0;
}

/* The values, as far apart as the backend's header has them. */
static void hand_values(struct params *params, const struct backend *b)
{
	size_t size = b->ops.value_size, known = sizeof(struct stor_value);
	char *handed;

	if (size == known) {
		params->handed = params->values;
		return;
	}
	handed = xcalloc(params->count, size);
	if (known > size)
		known = size;
	for (size_t i = 0; i < params->count; i++)
		memcpy(handed + i * size, &params->values[i], known);
	params->handed = (struct stor_value *)(void *)handed;
}

int params_parse(struct params *params, const struct backend *backend, const struct strv *given,
                 const struct record *recorded, uint32_t scope, struct stor_err *err)
{
	memset(params, 0, sizeof(*params));
	params->count = count_params(backend);
	params->values = xcalloc(params->count, sizeof(*params->values));
	for (size_t i = 0; given && i < given->count; i++)
		if (set_given(params, backend, given->items[i], scope, err) < 0)
			goto failed;
	for (size_t i = 0; i < params->count; i++)
		if (set_unless_given(params, backend, i, recorded, err) < 0)
			goto failed;
	hand_values(params, backend);
	return 0;
failed:
	params_free(params);
	return -1;
}

void params_save(const struct params *params, const struct backend *backend, struct record *record)
{
	for (size_t i = 0; i < params->count; i++) {
		const struct stor_param *param = &backend->ops.params[i];
		cleanup_free char *key = xasprintf(RECORD_PREFIX "%s", param->key);

		if (param->scope & STOR_PARAM_CREATE && params->values[i].is_set)
			record_set(record, key, params->values[i].string);
	}
}

void params_free(struct params *params)
{
	if (params->handed != params->values)
		free(params->handed);
	free(params->values);
	strv_free(&params->texts);
	memset(params, 0, sizeof(*params));
}
