/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copy-up: a write to a part of a cluster that the top does not have. The top gets a whole cluster:
 * what lies below it, or zeros, with the new data over it. Steps keep the memory small for clusters
 * of any size; stretches of zeros are not written.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BYTES (1u << 20)
/* From this size on, zeros around the new data are left to the filesystem below. */
#define ZERO_RANGE_BYTES (256u << 10)

static void copy_step(struct ploop_piece *piece);

static char *new_data(const struct ploop_piece *piece)
{
	const struct ploop_request *request = piece->request;

	return request->data ? (char *)request->data + (piece->offset - request->offset) : NULL;
}

static void last_write_done(struct ploop_io *io, int result)
{
	ploop_piece_settle((struct ploop_piece *)io, result);
}

/* The cluster reads as zeros now; put the data into it. */
static void zeroed(struct ploop_io *io, int result)
{
	struct ploop_piece *piece = (struct ploop_piece *)io;
	struct ploop_engine *engine = piece->request->engine;

	if (result) {
		ploop_piece_settle(piece, result);
		return;
	}
	io->op = PLOOP_IO_WRITE;
	io->data = new_data(piece);
	io->length = piece->length;
	io->offset = ((uint64_t)piece->cluster << engine->cluster_shift) +
	             (piece->offset & (engine->cluster_bytes - 1));
	io->done = last_write_done;
	ploop_io_start(engine, io);
}

static void step_written(struct ploop_io *io, int result)
{
	struct ploop_piece *piece = (struct ploop_piece *)io;

	piece->done_bytes += piece->buffer_bytes;
	if (result || piece->done_bytes == piece->request->engine->cluster_bytes)
		ploop_piece_settle(piece, result);
	else
		copy_step(piece);
}

/* The part of this step that the new data covers, as offsets within the cluster. */
static bool overlap(const struct ploop_piece *piece, uint64_t *from, uint64_t *to)
{
	uint64_t start = piece->offset & (piece->request->engine->cluster_bytes - 1);
	uint64_t end = start + piece->length, step_end = piece->done_bytes + piece->buffer_bytes;

	*from = start > piece->done_bytes ? start : piece->done_bytes;
	*to = end < step_end ? end : step_end;
	return *from < *to;
}

static void step_read(struct ploop_io *io, int result)
{
	struct ploop_piece *piece = (struct ploop_piece *)io;
	struct ploop_engine *engine = piece->request->engine;
	uint64_t start = piece->offset & (engine->cluster_bytes - 1), from, to;

	if (result) {
		ploop_piece_settle(piece, result);
		return;
	}
	if (overlap(piece, &from, &to)) {
		char *at = piece->buffer + (from - piece->done_bytes);
		const char *data = new_data(piece);

		if (data)
			memcpy(at, data + (from - start), to - from);
		else
			memset(at, 0, to - from);
	}
	if (ploop_is_zero(piece->buffer, piece->buffer_bytes)) {
		if (piece->is_blank) {
			step_written(io, 0);
			return;
		}
		io->op = PLOOP_IO_ZERO;
	} else {
		io->op = PLOOP_IO_WRITE;
	}
	io->file = ploop_top(engine)->file;
	io->data = piece->buffer;
	io->length = piece->buffer_bytes;
	io->offset = ((uint64_t)piece->cluster << engine->cluster_shift) + piece->done_bytes;
	io->done = step_written;
	ploop_io_start(engine, io);
}

static void copy_step(struct ploop_piece *piece)
{
	struct ploop_engine *engine = piece->request->engine;
	struct ploop_io *io = &piece->io;
	uint64_t from, to;

	if (piece->source.level == PLOOP_LEVEL_NONE) {
		memset(piece->buffer, 0, piece->buffer_bytes);
		step_read(io, 0);
		return;
	}
	if (overlap(piece, &from, &to) && to - from == piece->buffer_bytes) {
		step_read(io, 0);
		return;
	}
	io->op = PLOOP_IO_READ;
	io->file = engine->level[piece->source.level].file;
	io->data = piece->buffer;
	io->length = piece->buffer_bytes;
	io->offset = ((uint64_t)piece->source.cluster << engine->cluster_shift) + piece->done_bytes;
	io->done = step_read;
	ploop_io_start(engine, io);
}

void ploop_copy_start(struct ploop_piece *piece)
{
	struct ploop_engine *engine = piece->request->engine;
	struct ploop_io *io = &piece->io;

	if (piece->source.level == PLOOP_LEVEL_NONE && piece->is_blank) {
		zeroed(io, 0);
		return;
	}
	if (piece->source.level == PLOOP_LEVEL_NONE && engine->cluster_bytes >= ZERO_RANGE_BYTES) {
		io->op = PLOOP_IO_ZERO;
		io->length = engine->cluster_bytes;
		io->done = zeroed;
		ploop_io_start(engine, io);
		return;
	}
	piece->buffer_bytes =
		engine->cluster_bytes < STEP_BYTES ? engine->cluster_bytes : STEP_BYTES;
	piece->buffer = aligned_alloc(PLOOP_PAGE_BYTES, piece->buffer_bytes);
	if (piece->buffer)
		copy_step(piece);
	else
		ploop_piece_settle(piece, -ENOMEM);
}
