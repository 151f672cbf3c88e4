/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members of a JSON object with their types, for the lines of a data file. Each reports what is
 * wrong with the member's name; the caller puts file and line before it. */
#ifndef BENCH_DATA_JSON_H
#define BENCH_DATA_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

/* The member; NULL: absent, or null. */
struct json_object *djson_get(struct json_object *object, const char *key);

/* A text, malloc'ed; required ones may not be absent. Absent: *out stays. */
int djson_text(struct json_object *object, const char *key, bool is_required, char **out,
               struct stor_err *err);
/* A whole number; absent ones are refused when required, and leave *out. */
int djson_whole(struct json_object *object, const char *key, bool is_required, int64_t *out,
                struct stor_err *err);
/* A finite number, absent as above. */
int djson_number(struct json_object *object, const char *key, bool is_required, double *out,
                 struct stor_err *err);
int djson_bool(struct json_object *object, const char *key, bool *out, struct stor_err *err);

/* Is it a finite number that plots can bear, below 1e300? */
bool djson_is_number(struct json_object *value, double *out);

/* A list of words, or a text as the only one, added to `words`. */
int djson_words(struct json_object *object, const char *key, struct strv *words,
                struct stor_err *err);

/* Name and text of the scalars within an object, inner ones as "outer.inner", put behind `list`:
 * the first `limit` of them, and so many bytes of each name. */
void djson_flatten(struct json_object *object, const char *prefix, size_t limit, struct strv *list);

#endif
