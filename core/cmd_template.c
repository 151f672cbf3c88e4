/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cmd_template.h. */
#include "core/cmd_template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <stor/util.h>

bool template_is(const char *text)
{
	return strstr(text, "{{") != NULL;
}

/* The field that {{.NAME}} at `text` names, and its whole length. NULL: there is no such field. */
static const struct template_field *parse_field(const char *text,
                                                const struct template_field *fields, size_t *length)
{
	const char *name = text + 2 + strspn(text + 2, " "), *end;
	size_t size;

	if (*name++ != '.')
		return NULL;
	size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	end = name + size + strspn(name + size, " ");
	if (!str_starts(end, "}}"))
		return NULL;
	*length = (size_t)(end + 2 - text);
	for (; fields->name; fields++)
		if (strlen(fields->name) == size && !strncasecmp(fields->name, name, size))
			return fields;
	return NULL;
}

int template_check(const char *text, const struct template_field *fields, struct stor_err *err)
{
	cleanup_strbuf struct strbuf known = STRBUF_INIT;
	size_t length = 0;

	while ((text = strstr(text, "{{"))) {
		if (!parse_field(text, fields, &length))
			break;
		text += length;
	}
	if (!text)
		return 0;
	for (; fields->name; fields++)
		strbuf_printf(&known, " {{.%s}}", fields->name);
	err_fail(err, STOR_USAGE, 0, "--format: unknown \"%.*s\"", (int)strcspn(text, "}") + 2,
	         text);
	err_hint(err, "known are table, json and%s", known.text);
	return -1;
}

void template_print(const char *text, const struct template_field *fields,
                    char *(*value)(void *ctx, int number), void *ctx)
{
	while (*text) {
		const struct template_field *field = NULL;
		size_t length = 1;

		if (str_starts(text, "{{"))
			field = parse_field(text, fields, &length);
		if (field) {
			cleanup_free char *what = value(ctx, field->number);

			fputs(what ? what : "", stdout);
		} else if (text[0] == '\\' && (text[1] == 't' || text[1] == 'n')) {
			putchar(text[1] == 't' ? '\t' : '\n');
			length = 2;
		} else {
			putchar(*text);
		}
		text += length;
	}
	putchar('\n');
}
