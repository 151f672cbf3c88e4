/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles in Docker's JSON form. Whatever it does not understand it refuses: a filter that is
 * weaker than its author meant would be worse than none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/seccomp/compile.h"
#include "modules/seccomp/json_read.h"

#define MAX_ARGS 6

struct profile {
	uint64_t caps;
	struct compiler compiler;
	bool default_is_errno;
};

/* A group of calls, as it is written. */
struct group {
	struct json_object *names, *name;
	uint32_t action;
	struct scmp_arg_cmp args[MAX_ARGS];
	unsigned arg_count;
	int applies;
};

static void put_json(struct json_object **object)
{
	if (*object)
		json_object_put(*object);
}

/* --- actions and conditions ----------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t action;
} actions[] = {
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
};

/* The number beside an action. Podman's profiles name it too, in a key of their own. */
static int read_errno(struct json_object *object, const char *number_key, const char *name_key,
                      struct json_object **number, struct stor_err *err)
{
	struct json_object *name;
	const char *is;

	if (pjson_member(object, number_key, json_type_int, number, err) < 0 ||
	    pjson_member(object, name_key, json_type_string, &name, err) < 0)
		return -1;
	is = *number ? strerrorname_np(json_object_get_int(*number)) : NULL;
	if (name && (!is || strcmp(is, json_object_get_string(name)) != 0))
		return pjson_refuse(err, "not the name of the number beside it:", name_key);
	return 0;
}

/* ERRNO and TRACE carry a number, which stands beside them. */
static int parse_action(const char *name, struct json_object *number, uint32_t *action,
                        struct stor_err *err)
{
	int64_t value = number ? json_object_get_int64(number) : EPERM;

	if (value < 0 || value > 4095)
		return pjson_refuse(err, "error number out of range for", name);
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		if (!strcmp(name, actions[i].name)) {
			*action = actions[i].action;
			return 0;
		}
	}
	if (!strcmp(name, "SCMP_ACT_ERRNO"))
		*action = SCMP_ACT_ERRNO((uint32_t)value);
	else if (!strcmp(name, "SCMP_ACT_TRACE"))
		*action = SCMP_ACT_TRACE((uint32_t)value);
	else
		return pjson_refuse(err, "unknown action", name);
	return 0;
}

static const struct {
	const char *name;
	enum scmp_compare op;
} operators[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

static int parse_operator(const char *name, enum scmp_compare *op, struct stor_err *err)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		if (!strcmp(name, operators[i].name)) {
			*op = operators[i].op;
			return 0;
		}
	}
	return pjson_refuse(err, "unknown operator", name);
}

/* An unsigned number of 64 bits; absent: 0. */
static int parse_datum(struct json_object *object, const char *key, scmp_datum_t *datum,
                       struct stor_err *err)
{
	struct json_object *value;

	if (pjson_member(object, key, json_type_int, &value, err) < 0)
		return -1;
	if (value && json_object_get_int64(value) < 0)
		return pjson_refuse(err, "negative", key);
	*datum = value ? json_object_get_uint64(value) : 0;
	return 0;
}

static int parse_arg(struct json_object *object, struct scmp_arg_cmp *arg, struct stor_err *err)
{
	static const char *const keys[] = { "index", "value", "valueTwo", "op", NULL };
	struct json_object *index, *op;

	if (pjson_check_object(object, keys, err) < 0 ||
	    pjson_member(object, "index", json_type_int, &index, err) < 0 ||
	    pjson_member(object, "op", json_type_string, &op, err) < 0 ||
	    parse_datum(object, "value", &arg->datum_a, err) < 0 ||
	    parse_datum(object, "valueTwo", &arg->datum_b, err) < 0)
		return -1;
	if (!index || !op)
		return pjson_refuse(err, "lacks", index ? "op" : "index");
	if (json_object_get_int64(index) < 0 || json_object_get_int64(index) >= MAX_ARGS)
		return pjson_refuse(err, "not 0 to 5:", "index");
	arg->arg = (unsigned)json_object_get_int64(index);
	return parse_operator(json_object_get_string(op), &arg->op, err);
}

static int parse_args(struct json_object *object, struct group *group, struct stor_err *err)
{
	struct json_object *list;

	if (pjson_member(object, "args", json_type_array, &list, err) < 0)
		return -1;
	if (list && json_object_array_length(list) > MAX_ARGS)
		return pjson_refuse(err, "more than 6", "args");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (parse_arg(json_object_array_get_idx(list, i), &group->args[group->arg_count++],
		              err) < 0)
			return err_context(err, "args[%zu]", i);
	return 0;
}

/* --- groups of calls ------------------------------------------------------------------------ */

static int parse_group(const struct profile *p, struct json_object *object, struct group *group,
                       struct stor_err *err)
{
	static const char *const keys[] = { "names", "name",    "action",   "errnoRet", "errno",
		                            "args",  "comment", "includes", "excludes", NULL };
	struct json_object *action, *number, *comment;

	*group = (struct group){ .arg_count = 0 };
	if (pjson_check_object(object, keys, err) < 0 ||
	    pjson_member(object, "names", json_type_array, &group->names, err) < 0 ||
	    pjson_member(object, "name", json_type_string, &group->name, err) < 0 ||
	    pjson_member(object, "action", json_type_string, &action, err) < 0 ||
	    read_errno(object, "errnoRet", "errno", &number, err) < 0 ||
	    pjson_member(object, "comment", json_type_string, &comment, err) < 0)
		return -1;
	if (!action || (!group->names && !group->name))
		return pjson_refuse(err, "lacks", action ? "names" : "action");
	if (group->names && group->name)
		return pjson_refuse(err, "besides \"names\", there is", "name");
	for (size_t i = 0; group->names && i < json_object_array_length(group->names); i++)
		if (!pjson_string(group->names, i, "names", err))
			return -1;
	group->applies = pjson_applies(object, p->caps, err);
	if (group->applies < 0 ||
	    parse_action(json_object_get_string(action), number, &group->action, err) < 0)
		return -1;
	return parse_args(object, group, err);
}

static int add_call(struct profile *p, const struct group *group, const char *name,
                    struct stor_err *err)
{
	unsigned seen = 0;
	bool repeats = false;

	for (unsigned i = 0; i < group->arg_count; i++) {
		repeats = repeats || (seen & 1u << group->args[i].arg);
		seen |= 1u << group->args[i].arg;
	}
	if (!repeats)
		return compiler_add(&p->compiler, group->action, name, group->args,
		                    group->arg_count, err);
	/* Several conditions on one argument: any of them, as Docker's runtimes take it. */
	for (unsigned i = 0; i < group->arg_count; i++)
		if (compiler_add(&p->compiler, group->action, name, group->args + i, 1, err) < 0)
			return -1;
	return 0;
}

static int add_group(struct profile *p, struct json_object *object, struct stor_err *err)
{
	struct group group;

	if (parse_group(p, object, &group, err) < 0)
		return -1;
	if (!group.applies)
		return 0;
	if (group.name)
		return add_call(p, &group, json_object_get_string(group.name), err);
	for (size_t i = 0; i < json_object_array_length(group.names); i++)
		if (add_call(p, &group, pjson_string(group.names, i, "names", err), err) < 0)
			return -1;
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

static int begin(struct profile *p, struct json_object *root, struct stor_err *err)
{
	static const char *const keys[] = { "defaultAction",
		                            "defaultErrnoRet",
		                            "defaultErrno",
		                            "archMap",
		                            "architectures",
		                            "syscalls",
		                            "flags",
		                            "listenerPath",
		                            "listenerMetadata",
		                            NULL };
	struct json_object *action_name, *number, *listener, *flags;
	bool with_32_bit = true;
	uint32_t action = 0;

	if (pjson_check_object(root, keys, err) < 0 ||
	    pjson_member(root, "defaultAction", json_type_string, &action_name, err) < 0 ||
	    read_errno(root, "defaultErrnoRet", "defaultErrno", &number, err) < 0 ||
	    pjson_member(root, "listenerPath", json_type_string, &listener, err) < 0 ||
	    pjson_member(root, "flags", json_type_array, &flags, err) < 0)
		return -1;
	if (listener)
		return pjson_refuse(err, "not supported:", "listenerPath");
	if (flags && json_object_array_length(flags))
		return pjson_refuse(err, "not supported:", "flags");
	if (!action_name)
		return pjson_refuse(err, "lacks", "defaultAction");
	if (parse_action(json_object_get_string(action_name), number, &action, err) < 0 ||
	    pjson_wants_32_bit(root, &with_32_bit, err) < 0)
		return -1;
	p->default_is_errno = !strcmp(json_object_get_string(action_name), "SCMP_ACT_ERRNO");
	return compiler_begin(&p->compiler, action, with_32_bit, err);
}

static int add_groups(struct profile *p, struct json_object *root, struct stor_err *err)
{
	struct json_object *groups;

	if (pjson_member(root, "syscalls", json_type_array, &groups, err) < 0)
		return -1;
	for (size_t i = 0; groups && i < json_object_array_length(groups); i++)
		if (add_group(p, json_object_array_get_idx(groups, i), err) < 0)
			return err_context(err, "syscalls[%zu]", i);
	return 0;
}

int compile_json(const char *text, const char *path, uint64_t caps, struct sock_filter **program,
                 unsigned short *length, struct stor_err *err)
{
	__attribute__((cleanup(put_json))) struct json_object *root = pjson_parse(text, err);
	struct profile p = { .caps = caps };
	int result = -1;

	if (root && begin(&p, root, err) == 0) {
		result = add_groups(&p, root, err);
		if (result == 0)
			result = compiler_finish(&p.compiler, p.default_is_errno, program, length,
			                         err);
		compiler_end(&p.compiler);
	}
	return result < 0 ? err_context(err, "seccomp profile %s", path) : 0;
}
