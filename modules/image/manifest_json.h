/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small steps through parsed JSON that refuse what is not as it should be; for manifest_*.c. */
#ifndef IMAGE_MANIFEST_JSON_H
#define IMAGE_MANIFEST_JSON_H

#include <json-c/json.h>

#include "core/base/err.h"

/* Parse the whole text; NULL: not one JSON value. The caller frees with json_object_put(). */
struct json_object *mjson_parse(const char *text, size_t size);

static inline void mjson_put(struct json_object **object)
{
	json_object_put(*object);
}
#define cleanup_json __attribute__((cleanup(mjson_put)))

/* Member of an object, of that type; NULL: absent, null, or of another type. Borrowed. */
struct json_object *mjson_get(struct json_object *object, const char *key, enum json_type type);

/* A string without NUL; NULL: none. Borrowed. */
const char *mjson_string(struct json_object *object, const char *key);
const char *mjson_item(struct json_object *array, size_t index);

/* Report a document that is damaged. Always -1. */
int mjson_fail(const char *document, const char *why, struct stor_err *err);

/* Platform "os/arch[/variant]": does it suit what is wanted? A variant that is not asked for is
 * any; one that is not given suits. */
bool mjson_suits(const char *wanted, const char *os, const char *arch, const char *variant);

/* Is `ref`, as a user wrote it, this tag or name ("1.2", "debian:12",
 * "docker.io/library/debian:12")? */
bool mjson_is_ref(const char *name, const char *ref);

#endif
