/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the HTML form. */
#ifndef BENCH_REPORT_HTML_TABLE_H
#define BENCH_REPORT_HTML_TABLE_H

#include "bench/report/summary.h"

/* A row's workload, emphasised, and its conditions. */
void html_row_name(struct strbuf *out, const struct report_row *row);

/* Medians, ratios and what is blank, with its reasons below. */
void html_main_table(struct strbuf *out, const struct report *report);

/* All other metrics, with a heading; nothing where there is none. */
void html_other_table(struct strbuf *out, const struct report *report);

#endif
