/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For which machines, kernels and capabilities a profile and its groups of calls are: as Docker
 * decides it, but for words that Docker passes over and that are refused here.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/container/caps.h"
#include "modules/seccomp/compile.h"
#include "modules/seccomp/json_read.h"

/* --- architectures -------------------------------------------------------------------------- */

/* What the OCI runtime specification lists, with the tokens of those that a call here can have. */
static const struct {
	const char *name;
	uint32_t token;
} architectures[] = {
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
	{ "SCMP_ARCH_X32", 0 },
	{ "SCMP_ARCH_LOONGARCH64", 0 },
	{ "SCMP_ARCH_M68K", 0 },
	{ "SCMP_ARCH_MIPS", 0 },
	{ "SCMP_ARCH_MIPS64", 0 },
	{ "SCMP_ARCH_MIPS64N32", 0 },
	{ "SCMP_ARCH_MIPSEL", 0 },
	{ "SCMP_ARCH_MIPSEL64", 0 },
	{ "SCMP_ARCH_MIPSEL64N32", 0 },
	{ "SCMP_ARCH_PARISC", 0 },
	{ "SCMP_ARCH_PARISC64", 0 },
	{ "SCMP_ARCH_PPC", 0 },
	{ "SCMP_ARCH_PPC64", 0 },
	{ "SCMP_ARCH_PPC64LE", 0 },
	{ "SCMP_ARCH_RISCV64", 0 },
	{ "SCMP_ARCH_S390", 0 },
	{ "SCMP_ARCH_S390X", 0 },
	{ "SCMP_ARCH_SH", 0 },
	{ "SCMP_ARCH_SHEB", 0 },
};

static int find_token(const char *name, uint32_t *token, struct stor_err *err)
{
	for (size_t i = 0; i < sizeof(architectures) / sizeof(*architectures); i++) {
		if (!strcmp(name, architectures[i].name)) {
			*token = architectures[i].token;
			return 0;
		}
	}
	return pjson_refuse(err, "unknown architecture", name);
}

static int has_32_bit(struct json_object *list, const char *key, bool *has, struct stor_err *err)
{
	*has = false;
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		const char *name = pjson_string(list, i, key, err);
		uint32_t token = 0;

		if (!name || find_token(name, &token, err) < 0)
			return -1;
		if (token && token == compiler_narrow_arch())
			*has = true;
	}
	return 0;
}

static int parse_map_entry(struct json_object *entry, uint32_t *token, bool *has,
                           struct stor_err *err)
{
	static const char *const keys[] = { "architecture", "subArchitectures", NULL };
	struct json_object *name, *list;

	if (pjson_check_object(entry, keys, err) < 0 ||
	    pjson_member(entry, "architecture", json_type_string, &name, err) < 0 ||
	    pjson_member(entry, "subArchitectures", json_type_array, &list, err) < 0)
		return -1;
	if (!name)
		return pjson_refuse(err, "lacks", "architecture");
	if (find_token(json_object_get_string(name), token, err) < 0)
		return -1;
	return has_32_bit(list, "subArchitectures", has, err);
}

/* The entry for this machine's own architecture decides. */
static int map_has_32_bit(struct json_object *map, bool *has, struct stor_err *err)
{
	*has = false;
	for (size_t i = 0; i < json_object_array_length(map); i++) {
		uint32_t token = 0;
		bool entry_has = false;

		if (parse_map_entry(json_object_array_get_idx(map, i), &token, &entry_has, err) < 0)
			return err_context(err, "archMap[%zu]", i);
		if (token == seccomp_arch_native())
			*has = entry_has;
	}
	return 0;
}

int pjson_wants_32_bit(struct json_object *root, bool *wanted, struct stor_err *err)
{
	struct json_object *map, *list;

	if (pjson_member(root, "archMap", json_type_array, &map, err) < 0 ||
	    pjson_member(root, "architectures", json_type_array, &list, err) < 0)
		return -1;
	if (map && !json_object_array_length(map))
		map = NULL;
	if (list && !json_object_array_length(list))
		list = NULL;
	if (map && list)
		return pjson_refuse(err, "besides \"architectures\", there is", "archMap");
	*wanted = true;
	if (map)
		return map_has_32_bit(map, wanted, err);
	return list ? has_32_bit(list, "architectures", wanted, err) : 0;
}

/* Go's names of architectures, as in "arches"; with those of Docker's own profile that Go does not
 * have. */
static int is_this_arch(const char *name, struct stor_err *err)
{
	static const char *const others[] = {
		"386",         "arm",     "loong64",     "mips",     "mips64", "mips64le",
		"mips64n32",   "mipsel",  "mipsel64",    "mipsle",   "ppc",    "ppc64",
		"mipsel64n32", "ppc64le", "loongarch64", "s390",     "s390x",  "riscv64",
		"x32",         "x86",     "parisc",      "parisc64",
	};

	if (!strcmp(name, "amd64"))
		return seccomp_arch_native() == SCMP_ARCH_X86_64;
	if (!strcmp(name, "arm64"))
		return seccomp_arch_native() == SCMP_ARCH_AARCH64;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (!strcmp(name, others[i]))
			return 0;
	return pjson_refuse(err, "unknown architecture", name);
}

/* --- includes and excludes ------------------------------------------------------------------ */

/* "MAJOR.MINOR": 1 when the running kernel is at least that, 0, or -1. */
static int kernel_is_at_least(const char *version, struct stor_err *err)
{
	struct utsname name;
	char *end;
	long major, minor, own_major, own_minor = 0;

	major = isdigit((unsigned char)*version) ? strtol(version, &end, 10) : -1;
	minor = major >= 0 && *end == '.' && isdigit((unsigned char)end[1])
	                ? strtol(end + 1, &end, 10)
	                : -1;
	if (minor < 0 || *end)
		return pjson_refuse(err, "minKernel: not MAJOR.MINOR:", version);
	if (uname(&name) < 0)
		return 0;
	own_major = strtol(name.release, &end, 10);
	if (*end == '.')
		own_minor = strtol(end + 1, NULL, 10);
	return own_major > major || (own_major == major && own_minor >= minor);
}

/* How much of what a filter names is so here. */
struct matches {
	bool all, any;
};

static int match_caps(struct json_object *caps, uint64_t given, struct matches *m,
                      struct stor_err *err)
{
	for (size_t i = 0; caps && i < json_object_array_length(caps); i++) {
		const char *name = pjson_string(caps, i, "caps", err);
		int cap = name ? caps_from_name(name) : -1;
		bool has = cap >= 0 && (given & CAPS_BIT(cap));

		if (!name)
			return -1;
		if (cap < 0)
			return pjson_refuse(err, "unknown capability", name);
		m->all = m->all && has;
		m->any = m->any || has;
	}
	return 0;
}

/* Of several architectures one is enough. */
static int match_arches(struct json_object *arches, struct matches *m, struct stor_err *err)
{
	bool is_here = false;

	for (size_t i = 0; arches && i < json_object_array_length(arches); i++) {
		const char *name = pjson_string(arches, i, "arches", err);
		int is_this = name ? is_this_arch(name, err) : -1;

		if (is_this < 0)
			return -1;
		is_here = is_here || is_this;
	}
	if (arches && json_object_array_length(arches)) {
		m->all = m->all && is_here;
		m->any = m->any || is_here;
	}
	return 0;
}

static int match(struct json_object *filter, uint64_t given_caps, struct matches *m,
                 struct stor_err *err)
{
	static const char *const keys[] = { "caps", "arches", "minKernel", NULL };
	struct json_object *caps, *arches, *kernel;
	int is_at_least;

	*m = (struct matches){ .all = true };
	if (!filter)
		return 0;
	if (pjson_check_object(filter, keys, err) < 0 ||
	    pjson_member(filter, "caps", json_type_array, &caps, err) < 0 ||
	    pjson_member(filter, "arches", json_type_array, &arches, err) < 0 ||
	    pjson_member(filter, "minKernel", json_type_string, &kernel, err) < 0 ||
	    match_caps(caps, given_caps, m, err) < 0 || match_arches(arches, m, err) < 0)
		return -1;
	if (!kernel)
		return 0;
	is_at_least = kernel_is_at_least(json_object_get_string(kernel), err);
	if (is_at_least < 0)
		return -1;
	m->all = m->all && is_at_least;
	m->any = m->any || is_at_least;
	return 0;
}

int pjson_applies(struct json_object *group, uint64_t caps, struct stor_err *err)
{
	struct json_object *includes, *excludes;
	struct matches included, excluded;

	if (pjson_member(group, "includes", json_type_object, &includes, err) < 0 ||
	    pjson_member(group, "excludes", json_type_object, &excludes, err) < 0)
		return -1;
	if (match(includes, caps, &included, err) < 0)
		return err_context(err, "includes");
	if (match(excludes, caps, &excluded, err) < 0)
		return err_context(err, "excludes");
	return included.all && !excluded.any;
}
