/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text of a data file, which may be anybody's, put into documents: it stays text there. What is not
 * UTF-8, control characters, and those that turn the direction of writing become U+FFFD; line ends
 * and tabs become spaces where they would end something.
 */
#ifndef BENCH_REPORT_ESCAPE_H
#define BENCH_REPORT_ESCAPE_H

#include "core/base/str.h"

/* Into HTML, or into SVG: content of elements and quoted attributes. */
void escape_html(struct strbuf *out, const char *text);

/* As escape_html(), and a line may end behind each of :=,/ within the text. */
void escape_html_name(struct strbuf *out, const char *text);

/* Into a Markdown table or paragraph: no character keeps a meaning. */
void escape_markdown(struct strbuf *out, const char *text);

/* One field of RFC 4180, quoted where it must be. The bytes stay as they are. */
void escape_csv(struct strbuf *out, const char *text);

/* At most `limit` characters of a text, "…" in place of its middle where it is longer. malloc'ed;
 * the caller frees. */
char *escape_shorten(const char *text, size_t limit);

#endif
