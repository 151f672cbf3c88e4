/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Profiles in Docker's JSON form. Whatever it does not understand it refuses: a filter that is
 * weaker than its author meant would be worse than none. */
#include <errno.h>
#include <json-c/json.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/container/caps.h"
#include "modules/seccomp/compile.h"

#define MAX_ARGS 6

struct profile {
	const char *path; /* for messages */
	uint64_t caps;
	struct compiler compiler;
	bool default_is_errno;
};

static void put_json(struct json_object **object)
{
	if (*object)
		json_object_put(*object);
}

static int refuse(const struct profile *p, struct stor_err *err, const char *what,
                  const char *value)
{
	return err_fail(err, STOR_USAGE, 0, "seccomp profile %s: %s \"%s\"", p->path, what, value);
}

/* A member of the type, or NULL: absent. A member of another type is refused. */
static int member(const struct profile *p, struct json_object *object, const char *key,
                  enum json_type type, struct json_object **out, struct stor_err *err)
{
	*out = NULL;
	if (!json_object_object_get_ex(object, key, out) || !*out)
		return 0;
	if (!json_object_is_type(*out, type))
		return refuse(p, err, "wrong type of", key);
	return 0;
}

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

/* ERRNO and TRACE carry a number, which stands beside them. */
static int parse_action(const struct profile *p, const char *name, struct json_object *number,
                        uint32_t *action, struct stor_err *err)
{
	int64_t value = number ? json_object_get_int64(number) : EPERM;

	if (value < 0 || value > 4095)
		return refuse(p, err, "error number out of range for", name);
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
		return refuse(p, err, "unknown action", name);
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

static int parse_arg(const struct profile *p, struct json_object *object, struct scmp_arg_cmp *arg,
                     struct stor_err *err)
{
	struct json_object *index, *value, *value_two, *op;

	if (!json_object_is_type(object, json_type_object))
		return refuse(p, err, "wrong type in", "args");
	if (member(p, object, "index", json_type_int, &index, err) < 0 ||
	    member(p, object, "value", json_type_int, &value, err) < 0 ||
	    member(p, object, "valueTwo", json_type_int, &value_two, err) < 0 ||
	    member(p, object, "op", json_type_string, &op, err) < 0)
		return -1;
	if (!op || !index || json_object_get_int64(index) < 0 ||
	    json_object_get_int64(index) >= MAX_ARGS)
		return refuse(p, err, "incomplete or wrong", "args");
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		if (strcmp(json_object_get_string(op), operators[i].name) != 0)
			continue;
		arg->arg = (unsigned)json_object_get_int64(index);
		arg->op = operators[i].op;
		arg->datum_a = value ? json_object_get_uint64(value) : 0;
		arg->datum_b = value_two ? json_object_get_uint64(value_two) : 0;
		return 0;
	}
	return refuse(p, err, "unknown operator", json_object_get_string(op));
}

/* --- includes and excludes ------------------------------------------------------------------ */

/* Docker's names of architectures, as they are in "arches". */
static bool is_this_arch(const char *name)
{
	uint32_t native = seccomp_arch_native();

	if (!strcmp(name, "amd64"))
		return native == SCMP_ARCH_X86_64;
	if (!strcmp(name, "arm64"))
		return native == SCMP_ARCH_AARCH64;
	return false;
}

static bool kernel_is_at_least(const char *version)
{
	int major = 0, minor = 0;
	char *end;
	struct utsname name;

	major = (int)strtol(version, &end, 10);
	minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
	if (uname(&name) < 0)
		return false;
	if (strtol(name.release, &end, 10) != major)
		return strtol(name.release, NULL, 10) > major;
	return *end == '.' && strtol(end + 1, NULL, 10) >= minor;
}

struct matches {
	bool caps, arches, kernel; /* true also when the filter does not name any */
	bool any_caps, any_arches, any_kernel;
};

static int match_filter(const struct profile *p, struct json_object *filter, struct matches *m,
                        struct stor_err *err)
{
	struct json_object *caps, *arches, *kernel;

	*m = (struct matches){ .caps = true, .arches = true, .kernel = true };
	if (member(p, filter, "caps", json_type_array, &caps, err) < 0 ||
	    member(p, filter, "arches", json_type_array, &arches, err) < 0 ||
	    member(p, filter, "minKernel", json_type_string, &kernel, err) < 0)
		return -1;
	for (size_t i = 0; caps && i < json_object_array_length(caps); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(caps, i));
		int cap = name ? caps_from_name(name) : -1;
		bool has = cap >= 0 && (p->caps & CAPS_BIT(cap));

		m->caps = m->caps && has;
		m->any_caps = m->any_caps || has;
	}
	if (arches && json_object_array_length(arches))
		m->arches = false;
	for (size_t i = 0; arches && i < json_object_array_length(arches); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(arches, i));

		if (name && is_this_arch(name))
			m->arches = m->any_arches = true;
	}
	if (kernel)
		m->kernel = m->any_kernel = kernel_is_at_least(json_object_get_string(kernel));
	return 0;
}

/* Does this group of calls apply here? As Docker decides: all that includes names must be so, and
 * nothing that excludes names. 1, 0, or -1. */
static int applies(const struct profile *p, struct json_object *group, struct stor_err *err)
{
	struct json_object *includes, *excludes;
	struct matches m;

	if (member(p, group, "includes", json_type_object, &includes, err) < 0 ||
	    member(p, group, "excludes", json_type_object, &excludes, err) < 0)
		return -1;
	if (includes) {
		if (match_filter(p, includes, &m, err) < 0)
			return -1;
		if (!m.caps || !m.arches || !m.kernel)
			return 0;
	}
	if (excludes) {
		if (match_filter(p, excludes, &m, err) < 0)
			return -1;
		if (m.any_caps || m.any_arches || m.any_kernel)
			return 0;
	}
	return 1;
}

/* --- groups of calls ------------------------------------------------------------------------ */

static int add_call(struct profile *p, struct json_object *name, uint32_t action,
                    const struct scmp_arg_cmp *args, unsigned arg_count, struct stor_err *err)
{
	unsigned seen = 0;
	bool repeats = false;

	if (!name || !json_object_is_type(name, json_type_string))
		return refuse(p, err, "wrong type in", "names");
	for (unsigned i = 0; i < arg_count; i++) {
		repeats = repeats || (seen & 1u << args[i].arg);
		seen |= 1u << args[i].arg;
	}
	if (!repeats)
		return compiler_add(&p->compiler, action, json_object_get_string(name), args,
		                    arg_count, err);
	/* Several conditions on one argument: any of them, as Docker's runtimes take it. */
	for (unsigned i = 0; i < arg_count; i++)
		if (compiler_add(&p->compiler, action, json_object_get_string(name), args + i, 1,
		                 err) < 0)
			return -1;
	return 0;
}

static int parse_args(const struct profile *p, struct json_object *group, struct scmp_arg_cmp *args,
                      unsigned *count, struct stor_err *err)
{
	struct json_object *list;

	*count = 0;
	if (member(p, group, "args", json_type_array, &list, err) < 0)
		return -1;
	if (list && json_object_array_length(list) > MAX_ARGS)
		return refuse(p, err, "too many", "args");
	for (size_t i = 0; list && i < json_object_array_length(list); i++)
		if (parse_arg(p, json_object_array_get_idx(list, i), &args[(*count)++], err) < 0)
			return -1;
	return 0;
}

static int add_group(struct profile *p, struct json_object *group, struct stor_err *err)
{
	struct json_object *names, *name, *action_name, *number;
	struct scmp_arg_cmp args[MAX_ARGS] = { 0 };
	unsigned arg_count = 0;
	uint32_t action = 0;
	int is_meant;

	if (!json_object_is_type(group, json_type_object))
		return refuse(p, err, "wrong type in", "syscalls");
	is_meant = applies(p, group, err);
	if (is_meant <= 0)
		return is_meant;
	if (member(p, group, "names", json_type_array, &names, err) < 0 ||
	    member(p, group, "name", json_type_string, &name, err) < 0 ||
	    member(p, group, "action", json_type_string, &action_name, err) < 0 ||
	    member(p, group, "errnoRet", json_type_int, &number, err) < 0)
		return -1;
	if (!action_name || (!names && !name))
		return refuse(p, err, "a group of calls lacks", action_name ? "names" : "action");
	if (parse_action(p, json_object_get_string(action_name), number, &action, err) < 0 ||
	    parse_args(p, group, args, &arg_count, err) < 0)
		return -1;
	if (name && add_call(p, name, action, args, arg_count, err) < 0)
		return -1;
	for (size_t i = 0; names && i < json_object_array_length(names); i++)
		if (add_call(p, json_object_array_get_idx(names, i), action, args, arg_count, err) <
		    0)
			return -1;
	return 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

/* Does a list of architectures, in either of its two forms, have the 32-bit one? No list: yes. */
static int wants_32_bit(const struct profile *p, struct json_object *root, bool *wanted,
                        struct stor_err *err)
{
	struct json_object *map, *list;
	const char *text;

	if (member(p, root, "archMap", json_type_array, &map, err) < 0 ||
	    member(p, root, "architectures", json_type_array, &list, err) < 0)
		return -1;
	if (!map && !list) {
		*wanted = true;
		return 0;
	}
	text = json_object_to_json_string_ext(map ? map : list, JSON_C_TO_STRING_PLAIN);
	*wanted = strstr(text, "\"SCMP_ARCH_X86\"") || strstr(text, "\"SCMP_ARCH_ARM\"");
	return 0;
}

static int begin(struct profile *p, struct json_object *root, struct stor_err *err)
{
	struct json_object *action_name, *number, *listener, *flags;
	bool with_32_bit;
	uint32_t action;

	if (member(p, root, "defaultAction", json_type_string, &action_name, err) < 0 ||
	    member(p, root, "defaultErrnoRet", json_type_int, &number, err) < 0 ||
	    member(p, root, "listenerPath", json_type_string, &listener, err) < 0 ||
	    member(p, root, "flags", json_type_array, &flags, err) < 0)
		return -1;
	if (listener)
		return refuse(p, err, "not supported:", "listenerPath");
	if (flags && json_object_array_length(flags))
		return refuse(p, err, "not supported:", "flags");
	if (!action_name)
		return refuse(p, err, "lacks", "defaultAction");
	if (parse_action(p, json_object_get_string(action_name), number, &action, err) < 0 ||
	    wants_32_bit(p, root, &with_32_bit, err) < 0)
		return -1;
	p->default_is_errno = !strcmp(json_object_get_string(action_name), "SCMP_ACT_ERRNO");
	return compiler_begin(&p->compiler, action, with_32_bit, err);
}

static int add_groups(struct profile *p, struct json_object *root, struct stor_err *err)
{
	struct json_object *groups;

	if (member(p, root, "syscalls", json_type_array, &groups, err) < 0)
		return -1;
	for (size_t i = 0; groups && i < json_object_array_length(groups); i++)
		if (add_group(p, json_object_array_get_idx(groups, i), err) < 0)
			return -1;
	return 0;
}

int compile_json(const char *text, const char *path, uint64_t caps, struct sock_filter **program,
                 unsigned short *length, struct stor_err *err)
{
	__attribute__((cleanup(put_json))) struct json_object *root = NULL;
	enum json_tokener_error error;
	struct profile p = { .path = path, .caps = caps };
	int result;

	root = json_tokener_parse_verbose(text, &error);
	if (!root)
		return refuse(&p, err, "not JSON:", json_tokener_error_desc(error));
	if (!json_object_is_type(root, json_type_object))
		return refuse(&p, err, "not an object:", "the whole");
	if (begin(&p, root, err) < 0)
		return -1;
	result = add_groups(&p, root, err);
	if (result == 0)
		result = compiler_finish(&p.compiler, p.default_is_errno, program, length, err);
	compiler_end(&p.compiler);
	return result;
}
