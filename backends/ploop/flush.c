/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flush, in rounds: all requests that came while a round ran share the next one. A round takes a
 * copy of the table pages that changed, makes the data durable, writes the pages, and makes them
 * durable. Slots set meanwhile belong to the next round, since their data may not be safe yet.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pages that may be dirty before a flush starts by itself: bounds the memory of a round. */
#define DIRTY_PAGES_MAX 1024u
#define RUN_BYTES (1u << 20)

static void round_begin(struct ploop_engine *engine);
static void rounds(struct ploop_engine *engine);

/* Which requests a round's end completes; called without the lock. */
static void complete(struct ploop_request *request, int result)
{
	while (request) {
		struct ploop_request *next = request->next_flush;

		ploop_request_put(request, result);
		request = next;
	}
}

static void round_end(struct ploop_engine *engine, int result)
{
	struct ploop_flush *flush = &engine->flush;
	struct ploop_request *done;
	bool again;

	pthread_mutex_lock(&engine->lock);
	for (uint32_t i = 0; result && i < flush->count; i++)
		ploop_map_mark_dirty(engine, flush->chunks[i]);
	ploop_alloc_flush_ends(engine, !result);
	free(flush->pages);
	free(flush->chunks);
	flush->pages = NULL;
	flush->chunks = NULL;
	flush->count = 0;
	done = flush->active;
	flush->active = NULL;
	again = flush->waiting != NULL;
	flush->is_running = again;
	pthread_mutex_unlock(&engine->lock);
	complete(done, result);
	if (again)
		rounds(engine);
}

static struct ploop_engine *engine_of(struct ploop_io *io)
{
	return (void *)((char *)io - offsetof(struct ploop_engine, flush.io));
}

static void slots_synced(struct ploop_io *io, int result)
{
	struct ploop_engine *engine = engine_of(io);

	if (result) {
		pthread_mutex_lock(&engine->lock);
		engine->flush.failed = true;
		pthread_mutex_unlock(&engine->lock);
	}
	round_end(engine, result);
}

static void sync_slots(struct ploop_engine *engine)
{
	struct ploop_io *io = &engine->flush.io;

	if (ploop_fault(engine, NO_SYNC)) {
		round_end(engine, 0);
		return;
	}
	io->op = PLOOP_IO_SYNC;
	io->done = slots_synced;
	ploop_io_start(engine, io);
}

static void write_pages(struct ploop_engine *engine);

static void run_written(struct ploop_io *io, int result)
{
	struct ploop_engine *engine = engine_of(io);

	if (result)
		round_end(engine, result);
	else
		write_pages(engine);
}

/* Write the next run of adjacent pages. */
static void write_pages(struct ploop_engine *engine)
{
	struct ploop_flush *flush = &engine->flush;
	uint32_t first = flush->next, count = 1;
	struct ploop_io *io = &flush->io;

	if (first == flush->count) {
		sync_slots(engine);
		return;
	}
	while (first + count < flush->count && count < RUN_BYTES / PLOOP_PAGE_BYTES &&
	       flush->chunks[first + count]->index == flush->chunks[first]->index + count)
		count++;
	flush->next = first + count;
	io->op = PLOOP_IO_WRITE;
	io->data = flush->pages + (size_t)first * PLOOP_PAGE_BYTES;
	io->length = (uint64_t)count * PLOOP_PAGE_BYTES;
	io->offset = (uint64_t)flush->chunks[first]->index * PLOOP_PAGE_BYTES;
	io->done = run_written;
	ploop_io_start(engine, io);
}

static void data_synced(struct ploop_io *io, int result)
{
	struct ploop_engine *engine = engine_of(io);

	if (result) {
		pthread_mutex_lock(&engine->lock);
		engine->flush.failed = true;
		pthread_mutex_unlock(&engine->lock);
		round_end(engine, result);
	} else if (!engine->flush.count) {
		round_end(engine, 0);
	} else {
		write_pages(engine);
	}
}

static int by_index(const void *a, const void *b)
{
	const struct ploop_chunk *x = *(struct ploop_chunk *const *)a;
	const struct ploop_chunk *y = *(struct ploop_chunk *const *)b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* Copy the dirty pages. Called with the lock. */
static int take_pages(struct ploop_engine *engine)
{
	struct ploop_flush *flush = &engine->flush;
	struct ploop_map *map = &engine->map;
	struct ploop_chunk *chunk;
	uint32_t count = 0;

	flush->next = 0;
	flush->count = 0;
	if (!map->dirty_count)
		return 0;
	flush->chunks = malloc(map->dirty_count * sizeof(struct ploop_chunk *));
	flush->pages = aligned_alloc(PLOOP_PAGE_BYTES, (size_t)map->dirty_count * PLOOP_PAGE_BYTES);
	if (!flush->chunks || !flush->pages)
		return -ENOMEM;
	for (chunk = map->dirty; chunk; chunk = chunk->next_dirty) {
		chunk->is_dirty = false;
		flush->chunks[count++] = chunk;
	}
	map->dirty = NULL;
	map->dirty_count = 0;
	flush->count = count;
	qsort(flush->chunks, count, sizeof(struct ploop_chunk *), by_index);
	for (uint32_t i = 0; i < count; i++)
		ploop_map_page(engine, flush->chunks[i],
		               flush->pages + (size_t)i * PLOOP_PAGE_BYTES);
	if (!flush->chunks[0]->index)
		ploop_header_encode(&ploop_top(engine)->header, flush->pages);
	return 0;
}

static void round_begin(struct ploop_engine *engine)
{
	struct ploop_flush *flush = &engine->flush;
	bool data_dirty;
	int r = 0;

	pthread_mutex_lock(&engine->lock);
	flush->active = flush->waiting;
	flush->waiting = NULL;
	if (flush->failed)
		r = -EIO;
	ploop_alloc_flush_begins(engine);
	if (!r)
		r = take_pages(engine);
	data_dirty = flush->data_dirty;
	if (!r)
		flush->data_dirty = false;
	flush->io.file = ploop_top(engine)->file;
	pthread_mutex_unlock(&engine->lock);
	if (r || (!data_dirty && !flush->count)) {
		round_end(engine, r);
		return;
	}
	if (!data_dirty || (flush->count && ploop_fault(engine, SLOT_FIRST))) {
		write_pages(engine);
		return;
	}
	flush->io.op = PLOOP_IO_SYNC;
	flush->io.done = data_synced;
	ploop_io_start(engine, &flush->io);
}

/*
 * Begin a round. An executor that works at once ends it before round_begin() returns, and the next
 * one then begins here rather than deeper and deeper in the stack.
 */
static void rounds(struct ploop_engine *engine)
{
	struct ploop_flush *flush = &engine->flush;
	bool again;

	pthread_mutex_lock(&engine->lock);
	again = !flush->is_beginning;
	if (again)
		flush->is_beginning = true;
	else
		flush->begin_again = true;
	pthread_mutex_unlock(&engine->lock);
	while (again) {
		round_begin(engine);
		pthread_mutex_lock(&engine->lock);
		again = flush->begin_again;
		flush->begin_again = false;
		flush->is_beginning = again;
		pthread_mutex_unlock(&engine->lock);
	}
}

/* True when no round runs: the caller then begins one. Called with the lock. */
static bool add_waiting(struct ploop_engine *engine, struct ploop_request *request)
{
	bool is_first = !engine->flush.is_running;

	request->next_flush = engine->flush.waiting;
	engine->flush.waiting = request;
	engine->flush.is_running = true;
	return is_first;
}

void ploop_flush_start(struct ploop_request *request)
{
	struct ploop_engine *engine = request->engine;
	bool begins;

	pthread_mutex_lock(&engine->lock);
	begins = add_waiting(engine, request);
	pthread_mutex_unlock(&engine->lock);
	if (begins)
		rounds(engine);
}

static void kick_done(struct ploop_request *request, int result)
{
	(void)result; /* the pages stay dirty: the next flush that somebody waits for tells */
	free(request);
}

void ploop_flush_kick(struct ploop_engine *engine)
{
	struct ploop_request *request;
	bool is_due;

	pthread_mutex_lock(&engine->lock);
	is_due = engine->map.dirty_count > DIRTY_PAGES_MAX && !engine->flush.is_running &&
	         !engine->holds && !engine->flush.failed;
	pthread_mutex_unlock(&engine->lock);
	request = is_due ? calloc(1, sizeof(*request)) : NULL;
	if (!request)
		return;
	request->op = PLOOP_FLUSH;
	request->done = kick_done;
	ploop_submit(engine, request);
}
