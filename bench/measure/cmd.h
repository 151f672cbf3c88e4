/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor bench: takes measurements and writes a data file. */
#ifndef BENCH_CMD_H
#define BENCH_CMD_H

#include "core/base/err.h"

/* The command; argv[0] is its name. Returns 0, 128 + the number of the signal that interrupted it,
 * or -1 with its failure reported. */
int cmd_bench_measure(int argc, char **argv, struct stor_err *err);

#endif
