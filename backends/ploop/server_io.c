/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the export's requests, the engine, and the ring that performs the engine's I/O. */
#include "ploop/server_parts.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

#define IO_MAX (1u << 30)

struct server_io {
	struct ring_op op;
	struct ploop_server *server;
	struct ploop_io *io;
	uint64_t done;
	struct server_io *next; /* spare */
};

/* --- the executor --- */

static void start(struct server_io *sio)
{
	struct ploop_io *io = sio->io;
	struct io_uring_sqe *sqe = ring_queue(&sio->server->ring);
	uint64_t left = io->length - sio->done;
	unsigned length = left < IO_MAX ? (unsigned)left : IO_MAX;

	switch (io->op) {
	case PLOOP_IO_READ:
		io_uring_prep_read(sqe, io->file->fd, (char *)io->data + sio->done, length,
		                   io->offset + sio->done);
		break;
	case PLOOP_IO_WRITE:
		io_uring_prep_write(sqe, io->file->fd, (char *)io->data + sio->done, length,
		                    io->offset + sio->done);
		break;
	case PLOOP_IO_ZERO:
		io_uring_prep_fallocate(sqe, io->file->fd, FALLOC_FL_ZERO_RANGE, (off_t)io->offset,
		                        (off_t)io->length);
		break;
	case PLOOP_IO_EXTEND:
		io_uring_prep_fallocate(sqe, io->file->fd, 0, (off_t)io->offset, (off_t)io->length);
		break;
	case PLOOP_IO_SYNC:
		io_uring_prep_fsync(sqe, io->file->fd, IORING_FSYNC_DATASYNC);
		break;
	}
	ring_submit(&sio->server->ring, sqe, &sio->op);
}

static void finish(struct server_io *sio, int result)
{
	struct ploop_io *io = sio->io;

	sio->next = sio->server->spare;
	sio->server->spare = sio;
	io->done(io, result);
}

static void completed(struct ring_op *op, int result)
{
	struct server_io *sio = (struct server_io *)op;
	struct ploop_io *io = sio->io;

	if (result == -EINTR || result == -EAGAIN) {
		start(sio);
		return;
	}
	/* What the file refuses as it is, its own functions can do: direct I/O from memory that is
	 * not aligned, zeros on a filesystem without ranges of them. */
	if ((result == -EINVAL || result == -EOPNOTSUPP) && io->op != PLOOP_IO_EXTEND)
		result = ploop_io_perform(io);
	else if (result == 0 && io->op == PLOOP_IO_READ)
		memset((char *)io->data + sio->done, 0, io->length - sio->done);
	else if (result == 0 && io->op == PLOOP_IO_WRITE)
		result = -EIO;
	if (result > 0) {
		sio->done += (uint64_t)result;
		if (sio->done < io->length) {
			start(sio);
			return;
		}
		result = 0;
	}
	finish(sio, result);
}

static struct server_io *take_spare(struct ploop_server *server)
{
	struct server_io *sio = server->spare;

	if (!sio)
		return malloc(sizeof(*sio));
	server->spare = sio->next;
	return sio;
}

static void submit(struct ploop_executor *executor, struct ploop_io *io)
{
	struct ploop_server *server = (struct ploop_server *)executor;
	bool is_nothing = io->op == PLOOP_IO_SYNC && io->file->is_throwaway;
	bool is_queued = server->is_turning && io->file->fd >= 0 && !is_nothing;
	struct server_io *sio = is_queued ? take_spare(server) : NULL;

	if (!sio) {
		io->done(io, ploop_io_perform(io));
		return;
	}
	*sio = (struct server_io){ .op = { completed }, .server = server, .io = io };
	start(sio);
}

void ploop_server_spare_free(struct ploop_server *server)
{
	while (server->spare) {
		struct server_io *next = server->spare->next;

		free(server->spare);
		server->spare = next;
	}
}

/* --- the export's target --- */

static void request_done(struct ploop_request *request, int result)
{
	export_complete(request->ctx, result);
}

static void target_submit(struct export_target *target, struct export_request *request)
{
	struct ploop_server *server =
		(void *)((char *)target - offsetof(struct ploop_server, target));
	struct ploop_request *to_engine = request->room;

	memset(to_engine, 0, sizeof(*to_engine));
	switch (request->op) {
	case EXPORT_READ:
		to_engine->op = PLOOP_READ;
		break;
	case EXPORT_WRITE:
		to_engine->op = PLOOP_WRITE;
		break;
	case EXPORT_FLUSH:
		to_engine->op = PLOOP_FLUSH;
		break;
	case EXPORT_ZERO:
		to_engine->op = PLOOP_ZERO;
		break;
	}
	if (request->op == EXPORT_READ || request->op == EXPORT_WRITE)
		to_engine->data = request->data;
	to_engine->offset = request->offset;
	to_engine->length = request->length;
	to_engine->done = request_done;
	to_engine->ctx = request;
	ploop_submit(server->engine, to_engine);
}

/* The device's blocks lie in the file as they lie on the disk. */
static uint32_t granule_of(const struct ploop_server_params *params)
{
	uint32_t block_bytes = params->block_bytes ? params->block_bytes : PLOOP_SECTOR;
	uint64_t bits = block_bytes | params->offset_bytes;

	return (uint32_t)(bits & -bits);
}

void ploop_server_prepare(struct ploop_server *server, const struct ploop_server_params *params)
{
	server->executor.submit = submit;
	server->is_throwaway = params->is_throwaway;
	server->direct_after_ms = params->direct_after_ms;
	server->shared_files = params->shared_files;
	server->granule_bytes = granule_of(params);
	server->target = (struct export_target){
		.read_only = params->read_only,
		.room_bytes = sizeof(struct ploop_request),
		.submit = target_submit,
	};
}
