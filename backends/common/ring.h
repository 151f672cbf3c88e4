/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An event loop on io_uring, for servers of one thread. Operations are queued while completions
 * are handled, and go to the kernel together at the next turn.
 */
#ifndef COMMON_RING_H
#define COMMON_RING_H

#include <liburing.h>
#include <stdbool.h>

#include <stor/backend.h>

struct ring {
	struct io_uring uring;
	unsigned in_flight; /* operations that have not completed */
};

/* One operation; embedded in whatever it belongs to. */
struct ring_op {
	/* Called from ring_turn(); result as the system call's, errors as negative errno values. */
	void (*done)(struct ring_op *op, int result);
};

/* For the calling thread alone. `entries`: operations queued between two turns; is_wide: of 128
 * bytes each, as some commands to files need. */
int ring_init(struct ring *ring, unsigned entries, bool is_wide, struct stor_err *err);
void ring_free(struct ring *ring);

/* An entry to prepare with io_uring_prep_*(), queued by this call. Flags may be set after that, its
 * user data not. Never NULL: a full queue is given to the kernel first. */
struct io_uring_sqe *ring_queue(struct ring *ring);
/* The entry just prepared belongs to this operation. */
void ring_submit(struct ring *ring, struct io_uring_sqe *sqe, struct ring_op *op);

/*
 * Give what is queued to the kernel, and handle what has completed. When nothing has, look again
 * for spin_us microseconds, then sleep until something does, or timeout_ms have passed (-1:
 * without end). Returns how many completions were handled, or a negative errno value: the ring is
 * of no more use.
 */
int ring_turn(struct ring *ring, unsigned spin_us, int timeout_ms);

#endif
