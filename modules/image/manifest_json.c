/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small steps through parsed JSON: see manifest_json.h. */
#include "modules/image/manifest_json.h"

#include <stdbool.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/image/manifest.h"

struct json_object *mjson_parse(const char *text, size_t size)
{
	struct json_tokener *tokener;
	struct json_object *object = NULL;

	if (size > MANIFEST_SIZE_MAX)
		return NULL;
	tokener = json_tokener_new_ex(32);
	if (!tokener)
		abort();
	object = json_tokener_parse_ex(tokener, text, (int)size);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		json_object_put(object);
		object = NULL;
	}
	for (size_t i = json_tokener_get_parse_end(tokener); object && i < size; i++) {
		if (!strchr(" \t\r\n", text[i]) || !text[i]) {
			json_object_put(object);
			object = NULL;
		}
	}
	json_tokener_free(tokener);
	return object;
}

struct json_object *mjson_get(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *member;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &member) || !json_object_is_type(member, type))
		return NULL;
	return member;
}

static const char *checked_string(struct json_object *object)
{
	const char *text;

	if (!json_object_is_type(object, json_type_string))
		return NULL;
	text = json_object_get_string(object);
	return strlen(text) == (size_t)json_object_get_string_len(object) ? text : NULL;
}

const char *mjson_string(struct json_object *object, const char *key)
{
	struct json_object *member = mjson_get(object, key, json_type_string);

	return member ? checked_string(member) : NULL;
}

const char *mjson_item(struct json_object *array, size_t index)
{
	return checked_string(json_object_array_get_idx(array, index));
}

int mjson_fail(const char *document, const char *why, struct stor_err *err)
{
	return err_fail(err, STOR_FAILED, 0, "%s: %s", document, why);
}

bool mjson_suits(const char *wanted, const char *os, const char *arch, const char *variant)
{
	cleanup_free char *given = xasprintf("%s/%s", os, arch);
	size_t length = strlen(given);

	if (strncmp(wanted, given, length) != 0)
		return false;
	if (!wanted[length])
		return true;
	return wanted[length] == '/' && (!*variant || !strcmp(wanted + length + 1, variant));
}

bool mjson_is_ref(const char *name, const char *ref)
{
	size_t name_length = strlen(name), ref_length = strlen(ref);
	const char *tag;

	if (!strcmp(name, ref))
		return true;
	/* The end of a longer name, from a separator on: "debian:12" of "docker.io/library/…". */
	if (name_length > ref_length && !strcmp(name + name_length - ref_length, ref) &&
	    strchr("/:", name[name_length - ref_length - 1]))
		return true;
	/* "debian" is "debian:latest". */
	tag = str_ends(name, ":latest") ? name + name_length - strlen(":latest") : NULL;
	if (tag && ref_length && !strchr(ref, ':')) {
		size_t stem = (size_t)(tag - name);

		return stem >= ref_length && !strncmp(tag - ref_length, ref, ref_length) &&
		       (stem == ref_length || tag[-(ptrdiff_t)ref_length - 1] == '/');
	}
	return false;
}
