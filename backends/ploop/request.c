/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests: a read or write becomes pieces, each one I/O (or a copy) on one image file; the request
 * is done when all its pieces are. Writes to a cluster that another request is just allocating wait
 * for that one and are planned anew.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ploop_is_zero(const void *data, size_t length)
{
	const char *at = data;

	return !length || (!at[0] && !memcmp(at, at + 1, length - 1));
}

void ploop_io_start(struct ploop_engine *engine, struct ploop_io *io)
{
	engine->executor->submit(engine->executor, io);
}

static char *piece_data(const struct ploop_piece *piece)
{
	const struct ploop_request *request = piece->request;

	return request->data ? (char *)request->data + (piece->offset - request->offset) : NULL;
}

static struct ploop_piece *piece_add(struct ploop_plan *plan, struct ploop_request *request,
                                     enum ploop_piece_kind kind, uint64_t offset, uint64_t length)
{
	struct ploop_piece *piece = calloc(1, sizeof(*piece));

	if (!piece)
		return NULL;
	piece->request = request;
	piece->kind = kind;
	piece->offset = offset;
	piece->length = length;
	piece->guest = (uint32_t)(offset >> request->engine->cluster_shift);
	piece->count = 1;
	request->pending++;
	if (plan->last)
		plan->last->next = piece;
	else
		plan->first = piece;
	plan->last = piece;
	return piece;
}

/* A run within a file: longer by this part, or a new one. */
static int plan_run(struct ploop_plan *plan, struct ploop_request *request,
                    enum ploop_piece_kind kind, const struct ploop_place *place, uint64_t offset,
                    uint64_t length)
{
	struct ploop_engine *engine = request->engine;
	struct ploop_file *file = engine->level[place->level].file;
	uint64_t at = ((uint64_t)place->cluster << engine->cluster_shift) +
	              (offset & (engine->cluster_bytes - 1));
	struct ploop_piece *piece = plan->last;

	if (piece && piece->kind == kind && piece->io.file == file &&
	    piece->io.offset + piece->length == at && piece->offset + piece->length == offset) {
		piece->length += length;
		return 0;
	}
	piece = piece_add(plan, request, kind, offset, length);
	if (!piece)
		return -ENOMEM;
	piece->io.file = file;
	piece->io.offset = at;
	return 0;
}

static int plan_read(struct ploop_plan *plan, struct ploop_request *request, uint64_t offset,
                     uint64_t length)
{
	struct ploop_place place;
	int r = ploop_map_get(request->engine, (uint32_t)(offset >> request->engine->cluster_shift),
	                      &place);

	if (r)
		return r;
	if (place.level != PLOOP_LEVEL_NONE)
		return plan_run(plan, request, PIECE_READ, &place, offset, length);
	memset((char *)request->data + (offset - request->offset), 0, length);
	return 0;
}

struct ploop_piece *ploop_allocating(struct ploop_engine *engine, uint32_t guest)
{
	struct ploop_piece *piece = engine->allocating;

	while (piece && guest - piece->guest >= piece->count)
		piece = piece->next_alloc;
	return piece;
}

static void allocating_add(struct ploop_engine *engine, struct ploop_piece *piece)
{
	piece->next_alloc = engine->allocating;
	if (engine->allocating)
		engine->allocating->prev_alloc = piece;
	engine->allocating = piece;
}

static void allocating_remove(struct ploop_engine *engine, struct ploop_piece *piece)
{
	if (piece->prev_alloc)
		piece->prev_alloc->next_alloc = piece->next_alloc;
	else
		engine->allocating = piece->next_alloc;
	if (piece->next_alloc)
		piece->next_alloc->prev_alloc = piece->prev_alloc;
}

static int plan_new(struct ploop_plan *plan, struct ploop_request *request,
                    const struct ploop_place *place, uint64_t offset, uint64_t length)
{
	struct ploop_engine *engine = request->engine;
	uint32_t guest = (uint32_t)(offset >> engine->cluster_shift), cluster;
	bool is_whole = length == engine->cluster_bytes;
	struct ploop_piece *piece = plan->last;
	uint64_t old_end;
	int r = ploop_map_prepare(engine, guest);

	if (!r)
		r = ploop_alloc_scan(engine);
	old_end = engine->alloc.end;
	if (!r)
		r = ploop_alloc_take(engine, &cluster);
	if (r)
		return r;
	if (is_whole && piece && piece->kind == PIECE_NEW && piece->guest + piece->count == guest &&
	    piece->cluster + piece->count == cluster) {
		piece->length += length;
		piece->count++;
		return 0;
	}
	piece = piece_add(plan, request, is_whole ? PIECE_NEW : PIECE_COPY, offset, length);
	if (!piece) {
		ploop_alloc_give_back(engine, cluster);
		return -ENOMEM;
	}
	piece->cluster = cluster;
	piece->source = *place;
	piece->is_blank = ploop_ahead_is_blank(engine, cluster, old_end);
	piece->io.file = ploop_top(engine)->file;
	piece->io.offset = (uint64_t)cluster << engine->cluster_shift;
	allocating_add(engine, piece);
	return 0;
}

static int plan_wait(struct ploop_piece *target, struct ploop_request *request, uint64_t offset,
                     uint64_t length)
{
	struct ploop_plan nowhere = { NULL, NULL };
	struct ploop_piece *piece = piece_add(&nowhere, request, PIECE_WAIT, offset, length);

	if (!piece)
		return -ENOMEM;
	piece->next = target->waiters;
	target->waiters = piece;
	return 0;
}

static int plan_write(struct ploop_plan *plan, struct ploop_request *request, uint64_t offset,
                      uint64_t length)
{
	struct ploop_engine *engine = request->engine;
	uint32_t guest = (uint32_t)(offset >> engine->cluster_shift);
	struct ploop_piece *target = ploop_allocating(engine, guest);
	const char *data = request->data;
	struct ploop_place place;
	int r;

	if (target)
		return plan_wait(target, request, offset, length);
	r = ploop_map_get(engine, guest, &place);
	if (r)
		return r;
	if (place.level == engine->levels - 1)
		return plan_run(plan, request, PIECE_WRITE, &place, offset, length);
	/* Zeros onto nothing: nothing has to be kept. */
	if (place.level == PLOOP_LEVEL_NONE &&
	    (!data || ploop_is_zero(data + (offset - request->offset), length)))
		return 0;
	return plan_new(plan, request, &place, offset, length);
}

void ploop_request_run(struct ploop_request *request, uint64_t offset, uint64_t length)
{
	struct ploop_engine *engine = request->engine;
	struct ploop_plan plan = { NULL, NULL };
	struct ploop_piece *piece;
	int r = 0;

	pthread_mutex_lock(&engine->lock);
	if (request->op == PLOOP_ZERO)
		r = ploop_discard(engine, offset, length);
	while (length && !r) {
		uint64_t left = engine->cluster_bytes - (offset & (engine->cluster_bytes - 1));
		uint64_t part = length < left ? length : left;

		r = request->op == PLOOP_READ ? plan_read(&plan, request, offset, part)
		                              : plan_write(&plan, request, offset, part);
		offset += part;
		length -= part;
	}
	if (r && !request->result)
		request->result = r;
	pthread_mutex_unlock(&engine->lock);
	piece = plan.first;
	while (piece) {
		struct ploop_piece *next = piece->next;

		piece->next = NULL;
		ploop_piece_start(piece);
		piece = next;
	}
}

static void flight_remove(struct ploop_engine *engine, struct ploop_request *request)
{
	if (request->prev)
		request->prev->next = request->next;
	else
		engine->oldest = request->next;
	if (request->next)
		request->next->prev = request->prev;
	else
		engine->newest = request->prev;
	if (!engine->oldest && engine->holds)
		pthread_cond_broadcast(&engine->changed);
}

void ploop_request_put(struct ploop_request *request, int result)
{
	struct ploop_engine *engine = request->engine;
	bool is_done;

	pthread_mutex_lock(&engine->lock);
	if (result && !request->result)
		request->result = result;
	is_done = --request->pending == 0;
	if (is_done)
		flight_remove(engine, request);
	pthread_mutex_unlock(&engine->lock);
	if (is_done)
		request->done(request, request->result);
}

static void run_done(struct ploop_io *io, int result)
{
	struct ploop_piece *piece = (struct ploop_piece *)io;
	struct ploop_request *request = piece->request;

	if (piece->kind == PIECE_WRITE) {
		pthread_mutex_lock(&request->engine->lock);
		request->engine->flush.data_dirty = true;
		request->engine->is_modified = true;
		pthread_mutex_unlock(&request->engine->lock);
	}
	free(piece);
	ploop_request_put(request, result);
}

void ploop_piece_settle(struct ploop_piece *piece, int result)
{
	struct ploop_request *request = piece->request;
	struct ploop_engine *engine = request->engine;
	struct ploop_piece *waiter;

	pthread_mutex_lock(&engine->lock);
	for (uint32_t i = 0; i < piece->count; i++) {
		if (result)
			ploop_alloc_give_back(engine, piece->cluster + i);
		else
			ploop_map_set(engine, piece->guest + i, piece->cluster + i);
	}
	engine->flush.data_dirty = true;
	engine->is_modified = true;
	allocating_remove(engine, piece);
	waiter = piece->waiters;
	pthread_mutex_unlock(&engine->lock);
	free(piece->buffer);
	free(piece);
	while (waiter) {
		struct ploop_piece *next = waiter->next;
		struct ploop_request *waiting = waiter->request;

		ploop_request_run(waiting, waiter->offset, waiter->length);
		free(waiter);
		ploop_request_put(waiting, 0);
		waiter = next;
	}
	ploop_request_put(request, result);
	ploop_flush_kick(engine);
	ploop_ahead_kick(engine);
}

static void new_done(struct ploop_io *io, int result)
{
	ploop_piece_settle((struct ploop_piece *)io, result);
}

void ploop_piece_start(struct ploop_piece *piece)
{
	if (piece->kind == PIECE_COPY) {
		ploop_copy_start(piece);
		return;
	}
	piece->io.op = piece->kind == PIECE_READ ? PLOOP_IO_READ
	               : piece->request->data    ? PLOOP_IO_WRITE
	                                         : PLOOP_IO_ZERO;
	piece->io.data = piece_data(piece);
	piece->io.length = piece->length;
	piece->io.done = piece->kind == PIECE_NEW ? new_done : run_done;
	ploop_io_start(piece->request->engine, &piece->io);
}

static void start(struct ploop_request *request)
{
	struct ploop_engine *engine = request->engine;
	int r = 0;

	switch (request->op) {
	case PLOOP_FLUSH:
		ploop_flush_start(request);
		return;
	case PLOOP_EXTEND:
		ploop_ahead_start(request);
		return;
	case PLOOP_DISCARD:
		pthread_mutex_lock(&engine->lock);
		r = ploop_discard(engine, request->offset, request->length);
		pthread_mutex_unlock(&engine->lock);
		break;
	case PLOOP_READ:
	case PLOOP_WRITE:
	case PLOOP_ZERO:
		ploop_request_run(request, request->offset, request->length);
		break;
	}
	ploop_request_put(request, r);
}

static void flight_add(struct ploop_engine *engine, struct ploop_request *request)
{
	request->sequence = engine->next_sequence++;
	request->prev = engine->newest;
	request->next = NULL;
	if (engine->newest)
		engine->newest->next = request;
	else
		engine->oldest = request;
	engine->newest = request;
}

void ploop_submit(struct ploop_engine *engine, struct ploop_request *request)
{
	bool writes = request->op == PLOOP_WRITE || request->op == PLOOP_DISCARD ||
	              request->op == PLOOP_ZERO;
	int r = 0;

	request->engine = engine;
	request->pending = 1;
	request->result = 0;
	if (request->op == PLOOP_ZERO)
		request->data = NULL;
	pthread_mutex_lock(&engine->lock);
	if (request->offset > engine->size_bytes ||
	    request->length > engine->size_bytes - request->offset)
		r = -EINVAL;
	else if (writes && !engine->is_writable)
		r = -EROFS;
	else if (writes && engine->flush.failed)
		r = -EIO;
	if (!r && engine->holds) {
		struct ploop_request **at = &engine->held;

		while (*at)
			at = &(*at)->next;
		request->next = NULL;
		*at = request;
		pthread_mutex_unlock(&engine->lock);
		return;
	}
	if (!r)
		flight_add(engine, request);
	pthread_mutex_unlock(&engine->lock);
	if (r)
		request->done(request, r);
	else
		start(request);
}

void ploop_engine_hold(struct ploop_engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine->holds++;
	pthread_mutex_unlock(&engine->lock);
}

bool ploop_engine_is_quiet(struct ploop_engine *engine)
{
	bool is_quiet;

	pthread_mutex_lock(&engine->lock);
	is_quiet = !engine->oldest;
	pthread_mutex_unlock(&engine->lock);
	return is_quiet;
}

void ploop_engine_stop(struct ploop_engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	engine->holds++;
	while (engine->oldest)
		pthread_cond_wait(&engine->changed, &engine->lock);
	pthread_mutex_unlock(&engine->lock);
	ploop_ahead_drop(engine);
}

void ploop_engine_release(struct ploop_engine *engine)
{
	struct ploop_request *request = NULL;

	pthread_mutex_lock(&engine->lock);
	if (!--engine->holds) {
		request = engine->held;
		engine->held = NULL;
	}
	pthread_mutex_unlock(&engine->lock);
	while (request) {
		struct ploop_request *next = request->next;

		ploop_submit(engine, request);
		request = next;
	}
}
