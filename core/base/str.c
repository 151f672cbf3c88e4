/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings, lists of strings, numbers in text: see str.h. */
#include "core/base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void out_of_memory(void)
{
	fputs("stor: out of memory\n", stderr);
	abort();
}

void *xmalloc(size_t size)
{
	void *ptr = malloc(size ? size : 1);

	if (!ptr)
		out_of_memory();
	return ptr;
}

void *xcalloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size ? size : 1);

	if (!ptr)
		out_of_memory();
	return ptr;
}

void *xrealloc(void *ptr, size_t size)
{
	void *grown = realloc(ptr, size ? size : 1);

	if (!grown)
		out_of_memory();
	return grown;
}

char *xstrndup(const char *s, size_t size)
{
	size_t length = strnlen(s, size);
	char *copy = xmalloc(length + 1);

	memcpy(copy, s, length);
	copy[length] = '\0';
	return copy;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xasprintf(const char *format, ...)
{
	struct strbuf buf = STRBUF_INIT;
	va_list args;

	va_start(args, format);
	strbuf_vprintf(&buf, format, args);
	va_end(args);
	return strbuf_steal(&buf);
}

/* Makes room for `more` bytes and a terminator. */
static void strbuf_grow(struct strbuf *buf, size_t more)
{
	size_t needed = buf->length + more + 1;

	if (needed <= buf->room)
		return;
	buf->room = needed < 64 ? 64 : needed + needed / 2;
	buf->text = xrealloc(buf->text, buf->room);
}

void strbuf_add(struct strbuf *buf, const void *data, size_t size)
{
	strbuf_grow(buf, size);
	if (size)
		memcpy(buf->text + buf->length, data, size);
	buf->length += size;
	buf->text[buf->length] = '\0';
}

void strbuf_puts(struct strbuf *buf, const char *s)
{
	strbuf_add(buf, s, strlen(s));
}

void strbuf_putc(struct strbuf *buf, char c)
{
	strbuf_add(buf, &c, 1);
}

void strbuf_vprintf(struct strbuf *buf, const char *format, va_list args)
{
	va_list again;
	int n;

	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0)
		return;
	strbuf_grow(buf, (size_t)n);
	vsnprintf(buf->text + buf->length, (size_t)n + 1, format, args);
	buf->length += (size_t)n;
}

void strbuf_printf(struct strbuf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	strbuf_vprintf(buf, format, args);
	va_end(args);
}

char *strbuf_steal(struct strbuf *buf)
{
	char *text;

	strbuf_grow(buf, 0);
	text = buf->text;
	text[buf->length] = '\0';
	memset(buf, 0, sizeof(*buf));
	return text;
}

void strbuf_free(struct strbuf *buf)
{
	free(buf->text);
	memset(buf, 0, sizeof(*buf));
}

void strv_take(struct strv *list, char *s)
{
	if (list->count + 2 > list->room) {
		list->room = list->room ? list->room * 2 : 8;
		list->items = xrealloc(list->items, list->room * sizeof(*list->items));
	}
	list->items[list->count++] = s;
	list->items[list->count] = NULL;
}

void strv_add(struct strv *list, const char *s)
{
	strv_take(list, xstrdup(s));
}

void strv_add_all(struct strv *list, const struct strv *more)
{
	for (size_t i = 0; i < more->count; i++)
		strv_add(list, more->items[i]);
}

bool strv_has(const struct strv *list, const char *s)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i], s))
			return true;
	return false;
}

char *strv_join(const struct strv *list, const char *between)
{
	struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < list->count; i++)
		strbuf_printf(&text, "%s%s", i ? between : "", list->items[i]);
	return strbuf_steal(&text);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *list)
{
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_strings);
}

bool strv_has_sorted(const struct strv *list, const char *s)
{
	return list->count &&
	       bsearch(&s, list->items, list->count, sizeof(*list->items), compare_strings);
}

void strv_free(struct strv *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_ends(const char *s, const char *suffix)
{
	size_t length = strlen(s), tail = strlen(suffix);

	return length >= tail && !strcmp(s + length - tail, suffix);
}

int str_to_u64(const char *s, uint64_t *out)
{
	uint64_t value = 0;

	if (!*s)
		return -1;
	for (; *s; s++) {
		if (!isdigit((unsigned char)*s) || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -1;
	}
	*out = value;
	return 0;
}

int str_to_size(const char *s, uint64_t *bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t whole = 0, shift = 0, result;
	double fraction = 0, place = 0.1;
	const char *unit;

	if (!isdigit((unsigned char)*s))
		return -1;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -1;
	if (*s == '.')
		for (s++; isdigit((unsigned char)*s); s++, place /= 10)
			fraction += (*s - '0') * place;
	unit = *s ? strchr(units, toupper((unsigned char)*s)) : NULL;
	if (unit) {
		shift = 10 * (uint64_t)(unit - units + 1);
		s++;
		if (!strcasecmp(s, "b") || !strcasecmp(s, "ib"))
			s += strlen(s);
	} else if (*s == 'b' || *s == 'B') {
		s++;
	}
	if (*s || whole > ((uint64_t)INT64_MAX >> shift))
		return -1;
	result = whole << shift;
	result += (uint64_t)(fraction * (double)(UINT64_C(1) << shift));
	if (result > INT64_MAX)
		return -1;
	*bytes = result;
	return 0;
}

int str_to_bool(const char *s, bool *out)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < 4; i++) {
		if (!strcmp(s, yes[i]) || !strcmp(s, no[i])) {
			*out = !strcmp(s, yes[i]);
			return 0;
		}
	}
	return -1;
}

char *str_from_size(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1023.95 && unit + 2 < sizeof(units)) {
		value /= 1024;
		unit++;
	}
	if (!unit || value >= 99.95)
		snprintf(buf, size, "%.0f%c", value, units[unit]);
	else
		snprintf(buf, size, "%.1f%c", value, units[unit]);
	return buf;
}

bool str_is_name(const char *s)
{
	size_t length = 0;

	if (!isalnum((unsigned char)*s))
		return false;
	for (; *s; s++, length++)
		if (!isalnum((unsigned char)*s) && !strchr("_.-", *s))
			return false;
	return length <= 128;
}

size_t str_utf8_length(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return (s[1] & 0xc0) == 0x80 ? 2 : 0;
	if (s[0] >= 0xe0 && s[0] <= 0xef) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 ||
		    (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80 ||
		    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}
