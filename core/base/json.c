/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON writer: see json.h. */
#include "core/base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_string(struct strbuf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	strbuf_putc(out, '"');
	while (*s) {
		size_t length = str_utf8_length((const char *)s);

		if (!length) {
			strbuf_puts(out, "\xef\xbf\xbd");
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\')
			strbuf_printf(out, "\\%c", *s);
		else if (*s == '\n')
			strbuf_puts(out, "\\n");
		else if (*s == '\t')
			strbuf_puts(out, "\\t");
		else if (*s < 0x20 || *s == 0x7f)
			strbuf_printf(out, "\\u%04x", *s);
		else
			strbuf_add(out, s, length);
		s += length;
	}
	strbuf_putc(out, '"');
}

static void begin_value(struct json *json, const char *key)
{
	if (json->needs_comma)
		strbuf_putc(&json->out, ',');
	if (json->depth)
		strbuf_printf(&json->out, "\n%*s", (int)json->depth * 2, "");
	if (key) {
		put_string(&json->out, key);
		strbuf_puts(&json->out, ": ");
	}
	json->needs_comma = true;
}

static void open_group(struct json *json, const char *key, char bracket)
{
	begin_value(json, key);
	strbuf_putc(&json->out, bracket);
	json->depth++;
	json->needs_comma = false;
}

static void close_group(struct json *json, char bracket)
{
	json->depth--;
	if (json->needs_comma)
		strbuf_printf(&json->out, "\n%*s", (int)json->depth * 2, "");
	strbuf_putc(&json->out, bracket);
	json->needs_comma = true;
}

void json_open_object(struct json *json, const char *key)
{
	open_group(json, key, '{');
}

void json_open_array(struct json *json, const char *key)
{
	open_group(json, key, '[');
}

void json_close_object(struct json *json)
{
	close_group(json, '}');
}

void json_close_array(struct json *json)
{
	close_group(json, ']');
}

void json_string(struct json *json, const char *key, const char *value)
{
	begin_value(json, key);
	if (value)
		put_string(&json->out, value);
	else
		strbuf_puts(&json->out, "null");
}

void json_u64(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	strbuf_printf(&json->out, "%" PRIu64, value);
}

void json_i64(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	strbuf_printf(&json->out, "%" PRId64, value);
}

void json_double(struct json *json, const char *key, double value)
{
	begin_value(json, key);
	strbuf_printf(&json->out, "%.2f", value);
}

void json_number(struct json *json, const char *key, double value)
{
	begin_value(json, key);
	if (isfinite(value))
		strbuf_printf(&json->out, "%.17g", value);
	else
		strbuf_puts(&json->out, "null");
}

void json_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	strbuf_puts(&json->out, value ? "true" : "false");
}

void json_flatten(struct json *json)
{
	struct strbuf *out = &json->out;
	size_t kept = 0;

	/* In strings they are escaped. */
	for (size_t i = 0; i < out->length; i++) {
		if (out->text[i] != '\n') {
			out->text[kept++] = out->text[i];
			continue;
		}
		while (i + 1 < out->length && out->text[i + 1] == ' ')
			i++;
	}
	out->length = kept;
	if (out->text)
		out->text[kept] = '\0';
}

int json_print(struct json *json)
{
	int result;

	strbuf_putc(&json->out, '\n');
	result = fwrite(json->out.text, 1, json->out.length, stdout) == json->out.length ? 0 : -1;
	strbuf_free(&json->out);
	return result;
}
