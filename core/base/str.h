/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strings that grow, lists of strings, and numbers read from text. Running out of memory ends the
 * process: stor's processes are short, and what they began is recovered from disk.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t size);
/* Formatted, malloc'ed; the caller frees. */
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A growing text, always terminated once something was added. */
struct strbuf {
	char *text; /* NULL while empty */
	size_t length;
	size_t room;
};

#define STRBUF_INIT                                                                                \
	{                                                                                          \
		.text = NULL                                                                       \
	}

void strbuf_add(struct strbuf *buf, const void *data, size_t size);
void strbuf_puts(struct strbuf *buf, const char *s);
void strbuf_putc(struct strbuf *buf, char c);
void strbuf_printf(struct strbuf *buf, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *buf, const char *format, va_list args);
/* Hands the text over ("" when nothing was added); the buffer is empty afterwards. */
char *strbuf_steal(struct strbuf *buf);
void strbuf_free(struct strbuf *buf);
#define cleanup_strbuf __attribute__((cleanup(strbuf_free)))

/* A growing list of strings that it owns, ended by NULL, as execve() wants it. */
struct strv {
	char **items; /* NULL while nothing was ever added */
	size_t count;
	size_t room;
};

#define STRV_INIT                                                                                  \
	{                                                                                          \
		.items = NULL                                                                      \
	}

void strv_add(struct strv *list, const char *s);
/* Takes ownership of s. */
void strv_take(struct strv *list, char *s);
/* All strings of another list, copied. */
void strv_add_all(struct strv *list, const struct strv *more);
bool strv_has(const struct strv *list, const char *s);
/* One text with `between` between two of them; malloc'ed, "" of an empty list. */
char *strv_join(const struct strv *list, const char *between);
/* In the order of their bytes. */
void strv_sort(struct strv *list);
/* strv_has() of a list that is in that order. */
bool strv_has_sorted(const struct strv *list, const char *s);
void strv_free(struct strv *list);
#define cleanup_strv __attribute__((cleanup(strv_free)))

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Whole of s as a decimal number without sign or space. Returns 0, or -1 with *out untouched. */
int str_to_u64(const char *s, uint64_t *out);
/* Whole of s as bytes: a decimal number, perhaps with a fraction, and one of B K M G T P E (powers
 * of 1024; "KiB", "kb" and the like too). Returns 0, or -1: not such a number, or beyond 2^63. */
int str_to_size(const char *s, uint64_t *bytes);
/* yes|no, true|false, on|off, 1|0. Returns 0, or -1. */
int str_to_bool(const char *s, bool *out);

/* "1.5G": at most `size` bytes with the terminator; 16 are enough. Returns buf. */
char *str_from_size(uint64_t bytes, char *buf, size_t size);

/* Length of the UTF-8 character at s, or 0 when it is none (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
size_t str_utf8_length(const char *s);

/* A name for an image, volume or container: [A-Za-z0-9][A-Za-z0-9_.-]{0,127}. */
bool str_is_name(const char *s);

#endif
