/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small steps through a profile's JSON: see json_read.h. */
#include "modules/seccomp/json_read.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 16

int pjson_refuse(struct stor_err *err, const char *what, const char *word)
{
	return err_fail(err, STOR_USAGE, 0, "%s \"%s\"", what, word);
}

struct json_object *pjson_parse(const char *text, struct stor_err *err)
{
	struct json_tokener *tokener = json_tokener_new_ex(MAX_DEPTH);
	size_t length = strnlen(text, INT_MAX - 1);
	struct json_object *root;
	enum json_tokener_error error;

	if (!tokener)
		abort();
	/* Else it takes comments, quotes of other kinds, and any text after the end. */
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	/* With its end, that nothing may be missing there. */
	root = json_tokener_parse_ex(tokener, text, (int)length + 1);
	error = json_tokener_get_error(tokener);
	json_tokener_free(tokener);
	if (error != json_tokener_success)
		err_fail(err, STOR_USAGE, 0, "not JSON: %s", json_tokener_error_desc(error));
	else if (!root)
		err_fail(err, STOR_USAGE, 0, "not an object");
	return root;
}

static bool is_among(const char *key, const char *const *keys)
{
	for (; *keys; keys++)
		if (!strcmp(key, *keys))
			return true;
	return false;
}

int pjson_check_object(struct json_object *object, const char *const *keys, struct stor_err *err)
{
	struct json_object_iterator at, end;

	if (!json_object_is_type(object, json_type_object))
		return err_fail(err, STOR_USAGE, 0, "not an object");
	end = json_object_iter_end(object);
	for (at = json_object_iter_begin(object); !json_object_iter_equal(&at, &end);
	     json_object_iter_next(&at))
		if (!is_among(json_object_iter_peek_name(&at), keys))
			return pjson_refuse(err, "unknown key", json_object_iter_peek_name(&at));
	return 0;
}

int pjson_member(struct json_object *object, const char *key, enum json_type type,
                 struct json_object **out, struct stor_err *err)
{
	*out = NULL;
	if (!json_object_object_get_ex(object, key, out) || !*out)
		return 0;
	if (!json_object_is_type(*out, type))
		return pjson_refuse(err, "wrong type of", key);
	return 0;
}

const char *pjson_string(struct json_object *list, size_t index, const char *key,
                         struct stor_err *err)
{
	struct json_object *item = json_object_array_get_idx(list, index);

	if (json_object_is_type(item, json_type_string))
		return json_object_get_string(item);
	pjson_refuse(err, "wrong type in", key);
	return NULL;
}
