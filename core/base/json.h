/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes JSON for --format json, indented by two spaces. Reading JSON is the internal modules' work
 * (json-c). Commas and quotes are put where they belong; a NULL key means "array element". */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

struct json {
	struct strbuf out;
	unsigned depth;
	bool needs_comma;
};

#define JSON_INIT                                                                                  \
	{                                                                                          \
		.depth = 0                                                                         \
	}

void json_open_object(struct json *json, const char *key);
void json_open_array(struct json *json, const char *key);
void json_close_object(struct json *json);
void json_close_array(struct json *json);
/* value NULL writes null. Bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json *json, const char *key, const char *value);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
/* Two decimals. */
void json_double(struct json *json, const char *key, double value);
/* All digits that tell it from its neighbours; null where it is no finite number. */
void json_number(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
/* Take the line breaks and the indentation out of what is written so far: one value a line. */
void json_flatten(struct json *json);
/* Print the text and a newline on standard output, and free it. Returns 0, or -1 with errno. */
int json_print(struct json *json);

#endif
