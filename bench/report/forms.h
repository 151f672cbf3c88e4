/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The forms in which a report is written. Each puts a whole document behind what `out` holds. */
#ifndef BENCH_REPORT_FORMS_H
#define BENCH_REPORT_FORMS_H

#include "bench/report/summary.h"

void form_markdown(const struct report *report, struct strbuf *out);
/* One self-contained page with its plots. */
void form_html(const struct report *report, struct strbuf *out);
/* The summary: what the tables show, unrounded. */
void form_json(const struct report *report, struct strbuf *out);
/* Every sample and failure, one a line (RFC 4180). */
void form_csv(const struct report *report, struct strbuf *out);

#endif
