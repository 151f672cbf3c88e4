/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power cuts. A random workload runs on a recording directory; then states that a cut may leave are
 * made of the record, opened, checked and compared with the model.
 */
#ifndef TEST_CRASH_H
#define TEST_CRASH_H

#include <stdint.h>

struct crash_params {
	uint64_t seed;
	unsigned states; /* to try */
	unsigned faults; /* PLOOP_FAULT_*; only heeded by the faulty build */
	unsigned ops;    /* of the workload */
	/* One in so many operations is of the kind; 0: never. */
	unsigned grow_every, compact_every;
};

/* The number of states that broke a promise; the first few are told on standard error. */
unsigned crash_engine(const struct crash_params *params);

#endif
