/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor bench report: tables and plots of a data file. */
#ifndef BENCH_REPORT_REPORT_H
#define BENCH_REPORT_REPORT_H

#include "core/base/err.h"

/* The command; argv[0] is its name. Returns 0, or -1 with its failure reported. */
int cmd_bench_report(int argc, char **argv, struct stor_err *err);

#endif
