/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server of an export: see export.h. Requests live in slots, each with room for the largest
 * one; the slot that was used last is used next, so that little memory is touched under light load.
 *
 * Reading costs a system call that may find nothing, and polling one more. So a poll stands in the
 * ring while nothing is read; when it fires, a burst of reads is queued, which grows while every
 * read of a burst finds a request.
 */
#include "common/export.h"

#include <errno.h>
#include <linux/falloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <stor/util.h>

#include "common/export_fuse.h"
#include "common/host.h"

/* With a payload of 1 MiB each: what a loaded server holds at most. */
#define SLOTS 56u
#define PAYLOADS_BYTES ((size_t)SLOTS * EXPORT_PAYLOAD_BYTES)
#define HUGE_BYTES (2u << 20)
/* Requests from this size on spend much of their time on pages one by one. */
#define LARGE_BYTES (256u << 10)
#define BURST_MAX 16u
#define FUSE_FILE 0 /* in the ring's table of files */

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

struct slot {
	struct ring_op op; /* reading it, or answering it */
	struct export_request request;
	struct export *export;
	struct slot *next;
	struct iovec iov[2];
	struct export_head head;
	struct fuse_out_header out;
	union export_answer answer;
	char *payload;
};

struct export
{
	struct ring *ring;
	struct export_target *target;
	int fuse_fd;
	struct slot slots[SLOTS];
	struct slot *free; /* the one used last first */
	char *payloads, *rooms;
	void *mapping; /* what the payloads lie in */
	bool is_huge;
	struct ring_op poll_op;
	bool is_polling, is_gone;
	unsigned burst;                 /* how many reads to queue at once */
	unsigned reading, asked, found; /* of this burst: under way, begun, found a request */
	unsigned busy;                  /* requests not yet answered */
};

static void read_more(struct export *export);

static void slot_free(struct slot *slot)
{
	slot->next = slot->export->free;
	slot->export->free = slot;
}

/* --- answers --- */

static void request_over(struct slot *slot)
{
	struct export *export = slot->export;

	export->busy--;
	slot_free(slot);
	/* Reading stopped for want of slots. */
	if (!export->reading && !export->is_polling)
		read_more(export);
}

static void answered(struct ring_op *op, int result)
{
	struct slot *slot = (struct slot *)op;

	/* ENOENT: whoever asked was killed meanwhile. Nobody is left to tell of any failure. */
	if (result < 0 && result != -ENOENT && result != -ENODEV && result != -ECONNABORTED)
		host->log(STOR_LOG_WARN, "export: answer: %s", strerror(-result));
	request_over(slot);
}

/* Answer with length bytes at data, or with an error. */
static void answer(struct slot *slot, int error, void *data, size_t length)
{
	struct io_uring_sqe *sqe = ring_queue(slot->export->ring);

	slot->out = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(slot->out) + length),
		.error = error,
		.unique = slot->head.in.unique,
	};
	slot->iov[0] = (struct iovec){ &slot->out, sizeof(slot->out) };
	slot->iov[1] = (struct iovec){ data, length };
	slot->op.done = answered;
	io_uring_prep_writev(sqe, FUSE_FILE, slot->iov, length ? 2 : 1, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	ring_submit(slot->export->ring, sqe, &slot->op);
}

void export_complete(struct export_request *request, int result)
{
	struct slot *slot = (void *)((char *)request - offsetof(struct slot, request));

	if (result) {
		answer(slot, result, NULL, 0);
	} else if (slot->head.in.opcode == FUSE_READ) {
		answer(slot, 0, slot->payload, request->length);
	} else if (slot->head.in.opcode == FUSE_WRITE) {
		slot->answer.write = (struct fuse_write_out){ .size = (uint32_t)request->length };
		answer(slot, 0, &slot->answer, sizeof(slot->answer.write));
	} else {
		answer(slot, 0, NULL, 0);
	}
}

/* --- requests --- */

/* Of memory that is touched from now on. Not from the start: a request of 4 KiB would cost 2 MiB.
 */
static void use_huge_pages(struct export *export, bool is_huge)
{
	export->is_huge = is_huge;
	madvise(export->payloads, PAYLOADS_BYTES, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void submit(struct slot *slot, enum export_op op, uint64_t offset, uint64_t length)
{
	struct export_target *target = slot->export->target;

	if ((op == EXPORT_READ || op == EXPORT_WRITE) && length >= LARGE_BYTES &&
	    !slot->export->is_huge)
		use_huge_pages(slot->export, true);
	slot->request.op = op;
	slot->request.data = slot->payload;
	slot->request.offset = offset;
	slot->request.length = length;
	target->submit(target, &slot->request);
}

static bool is_within(const struct export_target *target, uint64_t offset, uint64_t length)
{
	return offset <= target->size_bytes && length <= target->size_bytes - offset;
}

static void begin_read(struct slot *slot)
{
	const struct export_target *target = slot->export->target;
	uint64_t offset = slot->head.read.offset, length = slot->head.read.size;

	if (length > EXPORT_PAYLOAD_BYTES)
		length = EXPORT_PAYLOAD_BYTES;
	if (offset >= target->size_bytes)
		length = 0;
	else if (length > target->size_bytes - offset)
		length = target->size_bytes - offset;
	if (length)
		submit(slot, EXPORT_READ, offset, length);
	else
		answer(slot, 0, NULL, 0);
}

static void begin_write(struct slot *slot)
{
	const struct export_target *target = slot->export->target;
	uint64_t offset = slot->head.write.offset, length = slot->head.write.size;

	if (target->read_only)
		answer(slot, -EROFS, NULL, 0);
	else if (length != slot->head.in.len - sizeof(slot->head) || !length)
		answer(slot, -EINVAL, NULL, 0);
	else if (!is_within(target, offset, length))
		answer(slot, -ENOSPC, NULL, 0);
	else
		submit(slot, EXPORT_WRITE, offset, length);
}

/* The loop device asks so for discards, and for zeros with and without blocks below them. */
static void begin_fallocate(struct slot *slot)
{
	const struct export_target *target = slot->export->target;
	uint32_t mode = slot->head.fallocate.mode & ~(uint32_t)FALLOC_FL_KEEP_SIZE;
	uint64_t offset = slot->head.fallocate.offset, length = slot->head.fallocate.length;

	if (target->read_only)
		answer(slot, -EROFS, NULL, 0);
	else if (mode != FALLOC_FL_PUNCH_HOLE && mode != FALLOC_FL_ZERO_RANGE)
		answer(slot, -EOPNOTSUPP, NULL, 0);
	else if (!is_within(target, offset, length))
		answer(slot, -ENOSPC, NULL, 0);
	else
		submit(slot, EXPORT_ZERO, offset, length);
}

static void begin(struct slot *slot)
{
	int length;

	switch (slot->head.in.opcode) {
	case FUSE_READ:
		begin_read(slot);
		return;
	case FUSE_WRITE:
		begin_write(slot);
		return;
	case FUSE_FALLOCATE:
		begin_fallocate(slot);
		return;
	case FUSE_FSYNC:
		submit(slot, EXPORT_FLUSH, 0, 0);
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		request_over(slot); /* wants no answer */
		return;
	default:
		length = export_fuse_answer(slot->export->target, &slot->head, &slot->answer);
		answer(slot, length < 0 ? length : 0, &slot->answer,
		       length < 0 ? 0 : (size_t)length);
	}
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

static void poll_connection(struct export *export)
{
	struct io_uring_sqe *sqe = ring_queue(export->ring);

	export->is_polling = true;
	export->poll_op.done = polled;
	io_uring_prep_poll_add(sqe, FUSE_FILE, POLLIN);
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
		poll_connection(export);
}

static void was_read(struct ring_op *op, int result)
{
	struct slot *slot = (struct slot *)op;
	struct export *export = slot->export;

	export->reading--;
	if (result >= (int)sizeof(slot->head.in) && slot->head.in.len == (uint32_t)result) {
		export->found++;
		export->busy++;
		begin(slot);
	} else {
		slot_free(slot);
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
		struct slot *slot = export->free;
		struct io_uring_sqe *sqe = ring_queue(export->ring);

		export->free = slot->next;
		export->asked++;
		export->reading++;
		slot->op.done = was_read;
		slot->iov[0] = (struct iovec){ &slot->head, sizeof(slot->head) };
		slot->iov[1] = (struct iovec){ slot->payload, EXPORT_PAYLOAD_BYTES };
		io_uring_prep_readv(sqe, FUSE_FILE, slot->iov, 2, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
		ring_submit(export->ring, sqe, &slot->op);
	}
}

/* --- life --- */

static struct export *export_new(struct ring *ring, struct export_target *target)
{
	struct export *export = calloc(1, sizeof(*export));
	size_t room = (target->room_bytes + 15) / 16 * 16;

	if (!export)
		return NULL;
	export->rooms = calloc(SLOTS, room);
	export->mapping = mmap(NULL, PAYLOADS_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
	                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!export->rooms || export->mapping == MAP_FAILED) {
		free(export->rooms);
		free(export);
		return NULL;
	}
	export->payloads = (char *)export->mapping + -(size_t) export->mapping % HUGE_BYTES;
	use_huge_pages(export, false);
	export->ring = ring;
	export->target = target;
	export->burst = 1;
	for (unsigned i = SLOTS; i-- > 0;) {
		struct slot *slot = &export->slots[i];

		slot->export = export;
		slot->payload = export->payloads + (size_t)i * EXPORT_PAYLOAD_BYTES;
		slot->request.room = export->rooms + i * room;
		slot_free(slot);
	}
	return export;
}

struct export *export_start(struct ring *ring, int fuse_fd, struct export_target *target,
                            struct stor_err *err)
{
	struct export *export;
	int r = io_uring_register_files(&ring->uring, &fuse_fd, 1);

	if (r < 0) {
		host->fail(err, STOR_FAILED, -r, "export: register its connection");
		return NULL;
	}
	export = export_new(ring, target);
	if (!export) {
		host->fail(err, STOR_FAILED, ENOMEM, "export: make room for requests");
		return NULL;
	}
	export->fuse_fd = fuse_fd;
	poll_connection(export);
	return export;
}

unsigned export_depth(const struct export *export)
{
	return export->busy;
}

bool export_is_over(const struct export *export)
{
	return export->is_gone && !export->busy && !export->reading;
}

void export_trim(struct export *export)
{
	/* Pages that are locked need the one, kernels before 5.18 the other. */
	if (madvise(export->payloads, PAYLOADS_BYTES, MADV_DONTNEED_LOCKED) < 0)
		madvise(export->payloads, PAYLOADS_BYTES, MADV_DONTNEED);
	use_huge_pages(export, false);
}

/* Storing something behind the end, as the protocol has it, moves the end. */
int export_grown(struct export *export)
{
	struct {
		struct fuse_out_header out;
		struct fuse_notify_store_out store;
		char data[512];
	} message = {
		.out = { .len = sizeof(message), .error = FUSE_NOTIFY_STORE },
		.store = { .nodeid = EXPORT_FILE_INODE,
		           .offset = export->target->size_bytes - sizeof(message.data),
		           .size = sizeof(message.data) },
	};

	return write(export->fuse_fd, &message, sizeof(message)) < 0 ? -errno : 0;
}

void export_free(struct export *export)
{
	io_uring_unregister_files(&export->ring->uring);
	close_fd(&export->fuse_fd);
	munmap(export->mapping, PAYLOADS_BYTES + HUGE_BYTES);
	free(export->rooms);
	free(export);
}
