/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be measured: a matrix of rows (workload, image, size, cache, limits), and the subjects
 * that each row is measured on; and how. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

struct plan {
	struct strv backends; /* "ploop:attach=engine": parameters after colons */
	struct strv peers;    /* names; "all": those that are there */
	struct strv workloads, images, sizes, caches, limits;
	uint64_t least, most; /* rounds; most > least: until the intervals are narrow enough */
	uint64_t warmups;
	double precision;  /* half the interval as a share of the median */
	double confidence; /* 0 to 1 */
	uint64_t seed;
	bool has_seed;
	char *output; /* data file; NULL: stor-bench-TIME.jsonl */
	char *folder; /* where stores and roots lie; NULL: TMPDIR or /var/tmp */
	bool resumes; /* output is an experiment to go on with */
};

void plan_init(struct plan *plan);
void plan_free(struct plan *plan);
#define cleanup_plan __attribute__((cleanup(plan_free)))

/* Items of a list, at its commas, added. */
void plan_add(struct strv *list, const char *value);

/* The setting of that name, which a run file and the command line have in common: "workloads".
 * Returns 0; or -1 with STOR_USAGE reported. */
int plan_set(struct plan *plan, const char *name, const char *value, struct stor_err *err);

/* Settings of a file of JSON: stor-bench(1) describes it. Lists add to what is there. */
int plan_read(struct plan *plan, const char *path, struct stor_err *err);

/* Defaults for what was not said, and what cannot be together is refused. */
int plan_complete(struct plan *plan, struct stor_err *err);

#endif
