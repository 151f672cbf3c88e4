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

/* The same for operations on stopped disks (ploop/ops.h): one on a random tree of snapshots. After
 * every cut the disk must recover by itself, every snapshot that both trees have must be there, and
 * every state must read as before or as after. */
enum crash_op {
	CRASH_SNAPSHOT,
	CRASH_ROLLBACK,
	CRASH_MERGE,
	CRASH_MERGE_ALL,
	CRASH_DELETE,
	CRASH_VERSION,
	CRASH_LAYOUT,
	CRASH_COMPACT,
	CRASH_OPS
};

struct crash_ops_params {
	uint64_t seed;
	unsigned states;
	enum crash_op op;
	unsigned faults; /* PLOOP_OP_FAULT_* */
};

/* *applied is counted up when the operation did its work. */
unsigned crash_ops(const struct crash_ops_params *params, unsigned *applied);

/* The operation interrupted by the user at each point where it can be: it fails, and the same holds
 * then. The number of points, or -1 when a promise was broken. */
int crash_ops_cancelled(const struct crash_ops_params *params);

#endif
