/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Foreign text in documents: see escape.h. */
#include "bench/report/escape.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

static uint32_t code_of(const char *s, size_t length)
{
	static const unsigned char first[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t code = (unsigned char)s[0] & first[length];

	for (size_t i = 1; i < length; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3f);
	return code;
}

/* Control characters, directions of writing, and what XML does not allow. */
static bool is_refused(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
	       (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || (code & 0xfffe) == 0xfffe;
}

/* The next character of a text as it may be shown, and where the one after it begins. */
static const char *next_char(const char **at, size_t *length)
{
	const char *c = *at;

	*length = str_utf8_length(c);
	*at += *length ? *length : 1;
	if (*c == '\n' || *c == '\r' || *c == '\t') {
		*length = 1;
		return " ";
	}
	if (!*length || is_refused(code_of(c, *length))) {
		*length = sizeof(REPLACEMENT) - 1;
		return REPLACEMENT;
	}
	return c;
}

static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void put_html(struct strbuf *out, const char *text, const char *breaks)
{
	while (*text) {
		size_t length;
		const char *c = next_char(&text, &length), *entity = entity_of(*c);

		if (entity)
			strbuf_puts(out, entity);
		else
			strbuf_add(out, c, length);
		if (strchr(breaks, *c))
			strbuf_puts(out, "<wbr>");
	}
}

void escape_html(struct strbuf *out, const char *text)
{
	put_html(out, text, "");
}

void escape_html_name(struct strbuf *out, const char *text)
{
	put_html(out, text, ":=,/");
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

void escape_markdown(struct strbuf *out, const char *text)
{
	for (char before = ' '; *text;) {
		size_t length;
		const char *c = next_char(&text, &length);
		const char *entity = *c == '\'' || *c == '"' ? NULL : entity_of(*c);

		/* Within a word, "_" is nothing but itself. */
		bool is_plain = !strchr("\\`*_[]#|~!$", *c) ||
		                (*c == '_' && is_word(before) && is_word(*text));

		before = *c;
		if (entity) {
			strbuf_puts(out, entity);
			continue;
		}
		if (!is_plain)
			strbuf_putc(out, '\\');
		strbuf_add(out, c, length);
	}
}

void escape_csv(struct strbuf *out, const char *text)
{
	if (!strpbrk(text, "\",\r\n")) {
		strbuf_puts(out, text);
		return;
	}
	strbuf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			strbuf_putc(out, '"');
		strbuf_putc(out, *text);
	}
	strbuf_putc(out, '"');
}

char *escape_shorten(const char *text, size_t limit)
{
	struct strbuf out = STRBUF_INIT;
	const char *at = text;
	size_t count = 0, length, head = limit * 2 / 3;

	while (*at) {
		next_char(&at, &length);
		count++;
	}
	if (count <= limit)
		return xstrdup(text);
	at = text;
	for (size_t i = 0; i < count; i++) {
		const char *c = next_char(&at, &length);

		if (i == head)
			strbuf_puts(&out, "…");
		if (i < head || i >= count - (limit - head - 1))
			strbuf_add(&out, c, length);
	}
	return strbuf_steal(&out);
}
