/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Typed members of JSON objects: see data_json.h. */
#include "bench/data_json.h"

#include <math.h>
#include <string.h>

#include <stor/util.h>

struct json_object *djson_get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static int fail_absent(const char *key, bool is_required, struct stor_err *err)
{
	return is_required ? err_fail(err, STOR_FAILED, 0, "\"%s\" is missing", key) : 0;
}

int djson_text(struct json_object *object, const char *key, bool is_required, char **out,
               struct stor_err *err)
{
	struct json_object *value = djson_get(object, key);

	if (!value)
		return fail_absent(key, is_required, err);
	if (!json_object_is_type(value, json_type_string))
		return err_fail(err, STOR_FAILED, 0, "\"%s\" is not a text", key);
	free(*out);
	*out = xstrdup(json_object_get_string(value));
	return 0;
}

int djson_whole(struct json_object *object, const char *key, bool is_required, int64_t *out,
                struct stor_err *err)
{
	struct json_object *value = djson_get(object, key);

	if (!value)
		return fail_absent(key, is_required, err);
	if (!json_object_is_type(value, json_type_int))
		return err_fail(err, STOR_FAILED, 0, "\"%s\" is not a whole number", key);
	*out = json_object_get_int64(value);
	return 0;
}

bool djson_is_number(struct json_object *value, double *out)
{
	if (!json_object_is_type(value, json_type_double) &&
	    !json_object_is_type(value, json_type_int))
		return false;
	*out = json_object_get_double(value);
	return isfinite(*out) && fabs(*out) < 1e300;
}

int djson_number(struct json_object *object, const char *key, bool is_required, double *out,
                 struct stor_err *err)
{
	struct json_object *value = djson_get(object, key);

	if (!value)
		return fail_absent(key, is_required, err);
	if (!djson_is_number(value, out))
		return err_fail(err, STOR_FAILED, 0, "\"%s\" is not a finite number", key);
	return 0;
}

int djson_bool(struct json_object *object, const char *key, bool *out, struct stor_err *err)
{
	struct json_object *value = djson_get(object, key);

	if (!value)
		return 0;
	if (!json_object_is_type(value, json_type_boolean))
		return err_fail(err, STOR_FAILED, 0, "\"%s\" is neither true nor false", key);
	*out = json_object_get_boolean(value);
	return 0;
}

int djson_words(struct json_object *object, const char *key, struct strv *words,
                struct stor_err *err)
{
	struct json_object *value = djson_get(object, key);

	if (json_object_is_type(value, json_type_string)) {
		strv_add(words, json_object_get_string(value));
		return 0;
	}
	if (value && !json_object_is_type(value, json_type_array))
		return err_fail(err, STOR_FAILED, 0, "\"%s\" is not a list of words", key);
	for (size_t i = 0; value && i < json_object_array_length(value); i++) {
		struct json_object *word = json_object_array_get_idx(value, i);

		if (!json_object_is_type(word, json_type_string))
			return err_fail(err, STOR_FAILED, 0, "\"%s\" has what is not a word", key);
		strv_add(words, json_object_get_string(word));
	}
	return 0;
}

/* A scalar as it stands, a list as "a, b". */
static char *text_of(struct json_object *value)
{
	struct strbuf out = STRBUF_INIT;

	if (!json_object_is_type(value, json_type_array))
		return xstrdup(json_object_get_string(value));
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *item = json_object_array_get_idx(value, i);

		strbuf_printf(&out, "%s%s", i ? ", " : "",
		              item ? json_object_get_string(item) : "");
	}
	return strbuf_steal(&out);
}

void djson_flatten(struct json_object *object, const char *prefix, size_t limit, struct strv *list)
{
	json_object_object_foreach(object, key, value)
	{
		cleanup_free char *name =
			xasprintf("%s%s%.*s", prefix, *prefix ? "." : "", (int)limit, key);

		if (list->count >= 2 * limit)
			return;
		name[strnlen(name, limit)] = '\0';
		if (json_object_is_type(value, json_type_object)) {
			djson_flatten(value, name, limit, list);
		} else if (value) {
			strv_add(list, name);
			strv_take(list, text_of(value));
		}
	}
}
