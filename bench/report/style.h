/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The style sheet of the HTML form, which stands in the page itself. */
#ifndef BENCH_REPORT_STYLE_H
#define BENCH_REPORT_STYLE_H

extern const char style_sheet[];

#endif
