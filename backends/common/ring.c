/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An event loop on io_uring: see ring.h. */
#include "common/ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <stor/util.h>

#include "common/host.h"

int ring_init(struct ring *ring, unsigned entries, bool is_wide, struct stor_err *err)
{
	/* Completions are handled when this thread asks for them, and never interrupt it. */
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		         IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE |
		         (is_wide ? IORING_SETUP_SQE128 : 0),
		.cq_entries = entries * 4,
	};
	int r = io_uring_queue_init_params(entries, &ring->uring, &params);

	ring->in_flight = 0;
	if (!r)
		return 0;
	host->fail(err, r == -ENOSYS || r == -EPERM ? STOR_UNSUPPORTED : STOR_FAILED, -r,
	           "set up io_uring");
	if (r == -EPERM)
		host->hint(err, "the sysctl kernel.io_uring_disabled may forbid it");
	return -1;
}

void ring_free(struct ring *ring)
{
	io_uring_queue_exit(&ring->uring);
}

struct io_uring_sqe *ring_queue(struct ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

	while (!sqe) {
		int r = io_uring_submit(&ring->uring);

		/* Completions wait in the kernel until they are taken, so this cannot go on. */
		if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
			abort();
		sqe = io_uring_get_sqe(&ring->uring);
	}
	return sqe;
}

void ring_submit(struct ring *ring, struct io_uring_sqe *sqe, struct ring_op *op)
{
	io_uring_sqe_set_data(sqe, op);
	ring->in_flight++;
}

/* The kernel has completions, or work to do that may become some. */
static bool has_news(struct ring *ring)
{
	return io_uring_cq_ready(&ring->uring) ||
	       __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED) &
	               (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int spin(struct ring *ring, unsigned spin_us)
{
	int64_t end = monotonic_ns() + (int64_t)spin_us * 1000;

	do {
		if (has_news(ring)) {
			int r = io_uring_cq_ready(&ring->uring) ? 0
			                                        : io_uring_get_events(&ring->uring);

			if (r < 0 && r != -EINTR && r != -EAGAIN && r != -EBUSY)
				return r;
			if (io_uring_cq_ready(&ring->uring))
				return 0;
		}
		pause_cpu();
	} while (monotonic_ns() < end);
	return 0;
}

static int wait_for_news(struct ring *ring, int timeout_ms)
{
	struct __kernel_timespec timeout = { .tv_sec = timeout_ms / 1000,
		                             .tv_nsec = timeout_ms % 1000 * 1000000LL };
	struct io_uring_cqe *cqe;
	int r = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1,
	                                         timeout_ms < 0 ? NULL : &timeout, NULL);

	return r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY || r > 0 ? 0 : r;
}

int ring_turn(struct ring *ring, unsigned spin_us, int timeout_ms)
{
	struct io_uring_cqe *cqe;
	int count = 0, r = 0;

	if (io_uring_sq_ready(&ring->uring) || has_news(ring))
		r = io_uring_submit_and_get_events(&ring->uring);
	if (r == -EINTR || r == -EAGAIN || r == -EBUSY || r > 0)
		r = 0;
	if (!r && spin_us && !io_uring_cq_ready(&ring->uring))
		r = spin(ring, spin_us);
	if (!r && timeout_ms && !io_uring_cq_ready(&ring->uring))
		r = wait_for_news(ring, timeout_ms);
	if (r < 0)
		return r;
	for (unsigned left = io_uring_cq_ready(&ring->uring); left; left--) {
		struct ring_op *op;
		int result;

		if (io_uring_peek_cqe(&ring->uring, &cqe))
			break;
		op = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		/* Before the call, which may turn the ring itself. */
		io_uring_cqe_seen(&ring->uring, cqe);
		ring->in_flight--;
		op->done(op, result);
		count++;
	}
	return count;
}
