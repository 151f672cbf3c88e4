/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that come through the ring: FUSE over io_uring, of Linux 6.14 and later, where the
 * host's parameter fuse.enable_uring is on. The kernel has a queue for each possible processor, and
 * each queue needs entries: a header and a payload that the kernel fills with a request when the
 * operation on the entry completes. The next operation on it carries the answer and waits for
 * another request, so that a request costs no system call of its own.
 *
 * The numbers and structures are those of Linux's uapi/linux/fuse.h, version 7.42 (Debian 12 has
 * 7.38), and of its Documentation/filesystems/fuse/fuse-io-uring.rst.
 */
#include "common/export_fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"

/* Fewer for each queue than the least, and what a processor asks for waits for itself. */
#define DEPTH_MIN 8u
#define DEPTH_MAX 32u
#define PAYLOAD_MIN_BYTES (64u << 10)

enum uring_command { URING_REGISTER = 1, URING_COMMIT_AND_FETCH = 2 };

struct uring_request {
	uint64_t flags;
	uint64_t commit_id; /* of the request that is answered */
	uint16_t queue;
	uint8_t padding[6];
};

struct uring_header {
	char in_out[128]; /* struct fuse_in_header, and of the answer struct fuse_out_header */
	char operation[128];
	struct {
		uint64_t flags;
		uint64_t commit_id;
		uint32_t payload_bytes;
		uint32_t padding;
		uint64_t reserved;
	} entry;
};

struct export_entry {
	struct export_slot slot;
	struct uring_header header;
	uint16_t queue;
};

struct export_uring {
	unsigned queues, count, payload_bytes;
	struct export_entry *entries; /* `count`, each queue as many */
	char *rooms;
	bool is_agreed;
	bool has_failed; /* which was told */
};

/* --- what the host has --- */

/* The first line of a small file of the kernel; empty if there is none. */
static void read_line(const char *path, char *line, size_t size)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, line, size - 1);

	line[length < 0 ? 0 : length] = '\0';
}

bool export_wants_wide_ring(void)
{
	char line[8];

	read_line("/sys/module/fuse/parameters/enable_uring", line, sizeof(line));
	return line[0] == 'Y';
}

/* The kernel makes its queues for all processors that there may ever be: "0-3,8". 0: it does not
 * say. */
static unsigned possible_processors(void)
{
	char line[512], *at = line;
	unsigned count = 0;

	read_line("/sys/devices/system/cpu/possible", line, sizeof(line));
	while (*at >= '0' && *at <= '9') {
		unsigned long first = strtoul(at, &at, 10);
		unsigned long last = *at == '-' ? strtoul(at + 1, &at, 10) : first;

		count += (unsigned)(last - first + 1);
		if (*at == ',')
			at++;
	}
	return *at == '\n' ? count : 0;
}

/* --- requests --- */

static void arrived(struct ring_op *op, int result);

/* Queue an operation on the entry, which belongs to the kernel then. */
static struct io_uring_sqe *queue_command(struct export_entry *entry, enum uring_command command)
{
	struct ring *ring = entry->slot.export->ring;
	struct uring_request request = {
		.commit_id = entry->header.entry.commit_id,
		.queue = entry->queue,
	};
	struct io_uring_sqe *sqe = ring_queue(ring);

	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, EXPORT_FUSE_FILE, NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	sqe->cmd_op = command;
	/* The second half of a wide entry, too, is what it held before. */
	memset(sqe->cmd, 0, 2 * sizeof(*sqe) - offsetof(struct io_uring_sqe, cmd));
	memcpy(sqe->cmd, &request, sizeof(request));
	entry->slot.op.done = arrived;
	ring_submit(ring, sqe, &entry->slot.op);
	return sqe;
}

void export_uring_answer(struct export_slot *slot, void *data, size_t length)
{
	struct export_entry *entry = slot->entry;

	memcpy(entry->header.in_out, &slot->out, sizeof(slot->out));
	if (length && data != slot->payload)
		memcpy(slot->payload, data, length);
	entry->header.entry.flags = 0;
	entry->header.entry.payload_bytes = (uint32_t)length;
	slot->export->busy--;
	queue_command(entry, URING_COMMIT_AND_FETCH);
}

/* The connection ends, or the kernel wants no more of it than comes by /dev/fuse. */
static void entry_is_lost(struct export *export, int error)
{
	struct export_uring *uring = export->uring;

	if (error == -ENOTCONN || error == -ECONNABORTED || error == -ECANCELED ||
	    uring->has_failed)
		return;
	uring->has_failed = true;
	host->log(STOR_LOG_WARN, "export: requests by io_uring: %s", strerror(-error));
}

static void arrived(struct ring_op *op, int result)
{
	struct export_slot *slot = (struct export_slot *)op;
	struct export_head *head = &slot->head;
	const struct uring_header *header = &slot->entry->header;
	size_t length = header->entry.payload_bytes;

	if (result < 0) {
		entry_is_lost(slot->export, result);
		return;
	}
	memcpy(&head->in, header->in_out, sizeof(head->in));
	memcpy(head->name, header->operation, sizeof(head->name));
	/* A name is payload, as nothing of fixed size precedes it. */
	if (head->in.opcode == FUSE_LOOKUP)
		memcpy(head->name, slot->payload,
		       length < sizeof(head->name) ? length : sizeof(head->name));
	slot->export->busy++;
	export_begin(slot);
}

/* --- life --- */

void export_uring_register(struct export *export)
{
	struct export_uring *uring = export->uring;

	if (!uring || !uring->is_agreed)
		return;
	/* What still comes by /dev/fuse gets along with the first slot, which INIT is in; the
	 * others' payloads are the entries'. */
	export->free = NULL;
	for (unsigned i = 0; i < uring->count; i++) {
		struct export_entry *entry = &uring->entries[i];
		struct io_uring_sqe *sqe;

		entry->slot.iov[0] = (struct iovec){ &entry->header, sizeof(entry->header) };
		entry->slot.iov[1] = (struct iovec){ entry->slot.payload, uring->payload_bytes };
		sqe = queue_command(entry, URING_REGISTER);
		sqe->addr = (uintptr_t)entry->slot.iov;
		sqe->len = 2;
	}
}

unsigned export_uring_agree(struct export_uring *uring)
{
	uring->is_agreed = true;
	return uring->payload_bytes;
}

bool export_uring_is_agreed(const struct export_uring *uring)
{
	return uring->is_agreed;
}

/* How the memory of payloads is shared by the queues. False: there are too many of them. */
static bool share_out(struct export_uring *uring)
{
	size_t bytes = EXPORT_PAYLOADS_BYTES - EXPORT_PAYLOAD_BYTES;

	uring->queues = possible_processors();
	if (!uring->queues)
		return false;
	for (uring->payload_bytes = EXPORT_PAYLOAD_BYTES; uring->payload_bytes >= PAYLOAD_MIN_BYTES;
	     uring->payload_bytes /= 2) {
		size_t depth = bytes / uring->payload_bytes / uring->queues;

		if (depth < DEPTH_MIN)
			continue;
		uring->count = uring->queues * (unsigned)(depth < DEPTH_MAX ? depth : DEPTH_MAX);
		return true;
	}
	return false;
}

static void make_entry(struct export *export, unsigned i)
{
	struct export_uring *uring = export->uring;
	struct export_entry *entry = &uring->entries[i];

	entry->queue = (uint16_t)(i % uring->queues);
	entry->slot.entry = entry;
	entry->slot.export = export;
	entry->slot.payload =
		export->payloads + EXPORT_PAYLOAD_BYTES + (size_t)i * uring->payload_bytes;
	entry->slot.request.room = uring->rooms + i * export->room_bytes;
}

void export_uring_prepare(struct export *export)
{
	struct export_uring *uring;

	if (!(export->ring->uring.flags & IORING_SETUP_SQE128))
		return;
	uring = calloc(1, sizeof(*uring));
	export->uring = uring;
	if (!uring)
		return;
	if (share_out(uring)) {
		uring->entries = calloc(uring->count, sizeof(*uring->entries));
		uring->rooms = calloc(uring->count, export->room_bytes);
	}
	if (!uring->entries || !uring->rooms) {
		export_uring_free(export);
		return;
	}
	for (unsigned i = 0; i < uring->count; i++)
		make_entry(export, i);
}

void export_uring_free(struct export *export)
{
	if (!export->uring)
		return;
	free(export->uring->entries);
	free(export->uring->rooms);
	free(export->uring);
	export->uring = NULL;
}
