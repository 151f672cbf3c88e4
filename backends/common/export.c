/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server of an export: see export.h. Requests live in slots, each with room for the largest
 * one; how they come there: see export_fuse.h.
 */
#include "common/export.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <stor/util.h>

#include "common/export_fuse.h"
#include "common/host.h"

#define HUGE_BYTES (2u << 20)
/* Requests from this size on spend much of their time on pages one by one. */
#define LARGE_BYTES (256u << 10)

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* --- answers --- */

/* Answer with length bytes at data, or with an error. */
static void answer(struct export_slot *slot, int error, void *data, size_t length)
{
	slot->out = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(slot->out) + length),
		.error = error,
		.unique = slot->head.in.unique,
	};
	if (slot->entry)
		export_uring_answer(slot, data, length);
	else
		export_dev_answer(slot, data, length);
}

void export_complete(struct export_request *request, int result)
{
	struct export_slot *slot =
		(void *)((char *)request - offsetof(struct export_slot, request));

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
	madvise(export->payloads, EXPORT_PAYLOADS_BYTES, is_huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

static void submit(struct export_slot *slot, enum export_op op, uint64_t offset, uint64_t length)
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

static void begin_read(struct export_slot *slot)
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

static void begin_write(struct export_slot *slot)
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
static void begin_fallocate(struct export_slot *slot)
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

void export_begin(struct export_slot *slot)
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
		export_dev_request_over(slot); /* wants no answer */
		return;
	default:
		length = export_fuse_answer(slot->export, &slot->head, &slot->answer);
		answer(slot, length < 0 ? length : 0, &slot->answer,
		       length < 0 ? 0 : (size_t)length);
	}
}

/* --- life --- */

static struct export *export_new(struct ring *ring, struct export_target *target)
{
	struct export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	export->room_bytes = (target->room_bytes + 15) / 16 * 16;
	export->rooms = calloc(EXPORT_SLOTS, export->room_bytes);
	export->mapping = mmap(NULL, EXPORT_PAYLOADS_BYTES + HUGE_BYTES, PROT_READ | PROT_WRITE,
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
	for (unsigned i = EXPORT_SLOTS; i-- > 0;) {
		struct export_slot *slot = &export->slots[i];

		slot->export = export;
		slot->payload = export->payloads + (size_t)i * EXPORT_PAYLOAD_BYTES;
		slot->request.room = export->rooms + i * export->room_bytes;
		export_dev_slot_free(slot);
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
	export_uring_prepare(export);
	export_dev_poll(export);
	return export;
}

unsigned export_depth(const struct export *export)
{
	return export->busy;
}

enum export_way export_way(const struct export *export)
{
	if (!export->uring)
		return EXPORT_BY_DEVICE;
	return export_uring_is_agreed(export->uring) ? EXPORT_BY_RING : EXPORT_UNDECIDED;
}

bool export_is_over(const struct export *export)
{
	return export->is_gone && !export->busy && !export->reading;
}

void export_trim(struct export *export)
{
	/* Pages that are locked need the one, kernels before 5.18 the other. */
	if (madvise(export->payloads, EXPORT_PAYLOADS_BYTES, MADV_DONTNEED_LOCKED) < 0)
		madvise(export->payloads, EXPORT_PAYLOADS_BYTES, MADV_DONTNEED);
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
	munmap(export->mapping, EXPORT_PAYLOADS_BYTES + HUGE_BYTES);
	free(export->rooms);
	export_uring_free(export);
	free(export);
}
