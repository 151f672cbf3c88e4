/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of the machine a figure depends on. */
#ifndef BENCH_ENVIRONMENT_H
#define BENCH_ENVIRONMENT_H

#include "bench/measure/bench.h"

struct json_object;
struct cells;

/* Kernel, processor, memory, load, the filesystem that the stores lie on, versions of programs here
 * and in the images. The caller owns it. What cannot be found out is left out. */
struct json_object *environment_describe(const struct bench *bench, const struct cells *cells);

#endif
