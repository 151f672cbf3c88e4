/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that come by /dev/fuse: see export_fuse.h. The slot that was used last is used next, so
 * that little memory is touched under light load.
 *
 * Reading costs a system call that may find nothing, and polling one more. So a poll stands in the
 * ring while nothing is read; when it fires, a burst of reads is queued, which grows while every
 * read of a burst finds a request.
 */
#include "common/export_fuse.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

#include "common/host.h"

#define BURST_MAX 16u

static void read_more(struct export *export);

void export_dev_slot_free(struct export_slot *slot)
{
	slot->next = slot->export->free;
	slot->export->free = slot;
}

/* --- answers --- */

void export_dev_request_over(struct export_slot *slot)
{
	struct export *export = slot->export;

	export->busy--;
	export_dev_slot_free(slot);
	/* Reading stopped for want of slots. */
	if (!export->reading && !export->is_polling)
		read_more(export);
}

static void answered(struct ring_op *op, int result)
{
	struct export_slot *slot = (struct export_slot *)op;
	struct export *export = slot->export;

	/* ENOENT: whoever asked was killed meanwhile. Nobody is left to tell of any failure. */
	if (result < 0 && result != -ENOENT && result != -ENODEV && result != -ECONNABORTED)
		host->log(STOR_LOG_WARN, "export: answer: %s", strerror(-result));
	if (slot->head.in.opcode == FUSE_INIT)
		export_uring_register(export);
	export_dev_request_over(slot);
}

void export_dev_answer(struct export_slot *slot, void *data, size_t length)
{
	struct io_uring_sqe *sqe = ring_queue(slot->export->ring);

	slot->iov[0] = (struct iovec){ &slot->out, sizeof(slot->out) };
	slot->iov[1] = (struct iovec){ data, length };
	slot->op.done = answered;
	io_uring_prep_writev(sqe, EXPORT_FUSE_FILE, slot->iov, length ? 2 : 1, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	ring_submit(slot->export->ring, sqe, &slot->op);
}

/* --- reading --- */

static void polled(struct ring_op *op, int result)
{
	struct export *export = (void *)((char *)op - offsetof(struct export, poll_op));

	export->is_polling = false;
	/* An error of the connection shows when it is read. */
	(void)result;
	read_more(export);
}

void export_dev_poll(struct export *export)
{
	struct io_uring_sqe *sqe = ring_queue(export->ring);

	export->is_polling = true;
	export->poll_op.done = polled;
	io_uring_prep_poll_add(sqe, EXPORT_FUSE_FILE, POLLIN);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	ring_submit(export->ring, sqe, &export->poll_op);
}

/* All reads of a burst are back. */
static void burst_over(struct export *export)
{
	bool was_full = export->found == export->asked;
	bool reads_on = was_full && export->asked > 1;

	if (export->is_gone)
		return;
	if (was_full && export->burst < BURST_MAX)
		export->burst *= 2;
	else if (!was_full)
		export->burst = export->found ? export->found : 1;
	if (reads_on)
		read_more(export);
	else
		export_dev_poll(export);
}

static void was_read(struct ring_op *op, int result)
{
	struct export_slot *slot = (struct export_slot *)op;
	struct export *export = slot->export;

	export->reading--;
	if (result >= (int)sizeof(slot->head.in) && slot->head.in.len == (uint32_t)result) {
		export->found++;
		export->busy++;
		export_begin(slot);
	} else {
		export_dev_slot_free(slot);
		/* EAGAIN: nothing there. ENOENT: what was there is not wanted any more. */
		if (result != -EAGAIN && result != -EINTR && result != -ENOENT)
			export->is_gone = true;
	}
	if (!export->reading)
		burst_over(export);
}

static void read_more(struct export *export)
{
	if (export->is_gone)
		return;
	export->asked = 0;
	export->found = 0;
	while (export->free && export->asked < export->burst) {
		struct export_slot *slot = export->free;
		struct io_uring_sqe *sqe = ring_queue(export->ring);

		export->free = slot->next;
		export->asked++;
		export->reading++;
		slot->op.done = was_read;
		slot->iov[0] = (struct iovec){ &slot->head, sizeof(slot->head) };
		slot->iov[1] = (struct iovec){ slot->payload, EXPORT_PAYLOAD_BYTES };
		io_uring_prep_readv(sqe, EXPORT_FUSE_FILE, slot->iov, 2, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
		ring_submit(export->ring, sqe, &slot->op);
	}
}
