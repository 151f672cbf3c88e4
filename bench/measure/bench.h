/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One experiment while it runs. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "bench/measure/daemon.h"
#include "bench/measure/plan.h"

/* What all parts need: programs, and the folders that go when it ends. */
struct bench {
	const struct plan *plan;
	const char *stor;      /* the program */
	const char *self;      /* this one */
	char *folder;          /* below it all that is made */
	char *store, *state;   /* of the stor that is measured */
	struct room room;      /* of peers */
	struct daemon traffic; /* the other end of workloads with a network */
	bool has_network;      /* there are such workloads */
};

/* A row of the matrix. */
struct row {
	const char *workload, *image, *size, *cache;
	const char *limits; /* "cpus=1,memory=256M"; "": none */
	bool has_network;   /* the workload talks to the host */
};

/* The value of a limit, malloc'ed; NULL: it is not set. */
char *row_limit(const struct row *row, const char *name);
/* Limits as numbers, 0 where they are not set: bytes, and processors. */
uint64_t row_memory(const struct row *row);
double row_cpus(const struct row *row);

bool bench_is_in_path(const char *program);

/* stor's name of an image: what a folder or archive is imported as. malloc'ed. */
char *bench_image_name(const char *image);
/* The tree that subjects without storage of their own have as their root. malloc'ed. */
char *bench_root(const struct bench *bench, const char *image);

#endif
