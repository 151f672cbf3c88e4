/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes to an open image that move clusters or change its shape: grow, compact, preallocate. The
 * engine is stopped meanwhile. Each is a row of steps after any of which the power
 * may fail: a copy is durable before the slot that points to it, a slot before what it pointed to
 * before is written over or cut off.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"

#define COPY_BYTES (1u << 20)
/* Moved between two flushes. */
#define BATCH_BYTES (64u << 20)

static void flush_done(struct ploop_request *request, int result)
{
	int *out = request->ctx;

	pthread_mutex_lock(&request->engine->lock);
	*out = result;
	pthread_cond_broadcast(&request->engine->changed);
	pthread_mutex_unlock(&request->engine->lock);
}

int ploop_engine_flush_quiet(struct ploop_engine *engine)
{
	int result = 1;
	struct ploop_request request = {
		.op = PLOOP_FLUSH,
		.done = flush_done,
		.ctx = &result,
		.engine = engine,
		.pending = 1,
	};

	/* Not through ploop_submit(), which would hold it back. */
	pthread_mutex_lock(&engine->lock);
	request.prev = engine->newest;
	/* It leaves the queue before this function ends. */
	if (engine->newest)
		engine->newest->next = &request;
	else
		/* cppcheck-suppress autoVariables */
		engine->oldest = &request;
	/* cppcheck-suppress autoVariables */
	engine->newest = &request;
	request.sequence = engine->next_sequence++;
	pthread_mutex_unlock(&engine->lock);
	ploop_flush_start(&request);
	pthread_mutex_lock(&engine->lock);
	while (result > 0)
		pthread_cond_wait(&engine->changed, &engine->lock);
	ploop_alloc_settle(engine);
	pthread_mutex_unlock(&engine->lock);
	return result;
}

/* Copy one cluster into the top's file, from a file of the chain or from nothing. */
static int copy_cluster(struct ploop_engine *engine, const struct ploop_place *from, uint32_t to,
                        char *buffer)
{
	struct ploop_file *target = ploop_top(engine)->file;
	uint64_t at = (uint64_t)to << engine->cluster_shift;
	uint64_t step = engine->cluster_bytes < COPY_BYTES ? engine->cluster_bytes : COPY_BYTES;
	int r = 0;

	if (from->level == PLOOP_LEVEL_NONE)
		return target->ops->zero(target, at, engine->cluster_bytes);
	for (uint64_t done = 0; done < engine->cluster_bytes && !r; done += step) {
		struct ploop_file *source = engine->level[from->level].file;
		uint64_t offset = ((uint64_t)from->cluster << engine->cluster_shift) + done;

		r = source->ops->pread(source, buffer, step, offset);
		if (!r)
			r = target->ops->pwrite(target, buffer, step, at + done);
	}
	return r;
}

/* Where moved clusters stand: what was copied since the last flush. */
struct mover {
	struct ploop_engine *engine;
	char *buffer;
	uint64_t copied;
	bool keeps_old; /* the place that is left is not to be used again */
};

/* Give a guest cluster another place in the top. The old one, if any, becomes free. */
static int move_to(struct mover *mover, uint32_t guest, const struct ploop_place *from, uint32_t to)
{
	struct ploop_engine *engine = mover->engine;
	int r = copy_cluster(engine, from, to, mover->buffer);

	if (!r)
		r = ploop_map_prepare(engine, guest);
	if (!r && from->level == engine->levels - 1 && !mover->keeps_old)
		r = ploop_alloc_free(engine, from->cluster);
	if (r) {
		ploop_alloc_give_back(engine, to);
		return r;
	}
	ploop_map_set(engine, guest, to);
	engine->flush.data_dirty = !ploop_fault(engine, MOVE_UNSYNCED);
	engine->is_modified = true;
	mover->copied += engine->cluster_bytes;
	if (mover->copied < BATCH_BYTES)
		return 0;
	mover->copied = 0;
	return ploop_engine_flush_quiet(engine);
}

/* --- grow --- */

/* Clear the way for a longer table: no slot may point below `start`. */
static int vacate(struct mover *mover, uint32_t start)
{
	struct ploop_engine *engine = mover->engine;
	struct ploop_place place;
	uint32_t next;
	int r = 0;

	/* Nothing is to be allocated there, now or when it was left. */
	mover->keeps_old = true;
	while (!r) {
		uint32_t cluster;

		r = ploop_alloc_take(engine, &cluster);
		if (!r && cluster >= start) {
			ploop_alloc_give_back(engine, cluster);
			break;
		}
	}
	if (r)
		return r;
	for (uint64_t guest = 0; guest < engine->clusters && !r; guest++) {
		uint32_t to;

		if (ploop_map_skips(engine, (uint32_t)guest, &next)) {
			guest = (uint64_t)next - 1;
			continue;
		}
		r = ploop_map_get(engine, (uint32_t)guest, &place);
		if (r || place.level != engine->levels - 1 || place.cluster >= start)
			continue;
		r = ploop_alloc_take(engine, &to);
		if (!r)
			r = move_to(mover, (uint32_t)guest, &place, to);
	}
	return r ? r : ploop_engine_flush_quiet(engine);
}

/* The new part of the table reads as zeros: slots that are beyond the old one's end. */
static int clear_new_slots(struct ploop_engine *engine, const struct ploop_header *header)
{
	struct ploop_level *top = ploop_top(engine);
	uint64_t end = (uint64_t)header->first_sector * PLOOP_SECTOR;
	uint64_t from = ((uint64_t)ploop_page_of(top->header.entries - 1) + 1) * PLOOP_PAGE_BYTES;
	uint32_t last = top->header.entries - 1;
	int r;

	/* The rest of the old table's last page, by writing that page. */
	r = ploop_map_prepare(engine, last);
	if (r)
		return r;
	ploop_map_mark_dirty(engine, engine->map.chunks[ploop_page_of(last)]);
	r = ploop_engine_flush_quiet(engine);
	if (!r && from < end)
		r = top->file->ops->zero(top->file, from, end - from);
	/* Others refuse blocks that were never written. */
	if (!r && from < end)
		r = top->file->ops->seal(top->file, from, end - from, end + 1);
	return r ? r : top->file->ops->sync(top->file);
}

static int grow_top(struct mover *mover, const struct ploop_header *header)
{
	struct ploop_engine *engine = mover->engine;
	struct ploop_level *top = ploop_top(engine);
	uint32_t start = ploop_header_data_start(header);
	int r = ploop_engine_flush_quiet(engine);

	if (!r)
		r = ploop_map_extend(engine, header->entries);
	if (!r && start > ploop_header_data_start(&top->header))
		r = vacate(mover, start);
	if (!r)
		r = clear_new_slots(engine, header);
	if (!r)
		r = ploop_top_write_header(engine, header);
	/* What was moved must be on disk before the table is looked at anew. */
	if (r && ploop_engine_flush_quiet(engine))
		engine->flush.failed = true;
	ploop_alloc_reset(engine);
	if (!r) {
		top->header = *header;
		engine->size_bytes = header->sectors * PLOOP_SECTOR;
		engine->clusters = header->entries;
		engine->dev.size_bytes = engine->size_bytes;
		ploop_map_forget(engine);
	}
	if (top->file->ops->size(top->file, &top->file_bytes) == 0)
		top->clusters = top->file_bytes >> engine->cluster_shift;
	return r;
}

static int grow_raw(struct ploop_engine *engine, uint64_t size_bytes)
{
	struct ploop_level *top = ploop_top(engine);
	uint64_t clusters = (size_bytes + engine->cluster_bytes - 1) >> engine->cluster_shift;
	int r;

	if (clusters > UINT32_MAX - PLOOP_PAGE_SLOTS)
		return -EFBIG;
	r = top->file->ops->zero(top->file, engine->size_bytes, size_bytes - engine->size_bytes);
	if (!r)
		r = top->file->ops->sync(top->file);
	if (!r)
		r = ploop_map_extend(engine, (uint32_t)clusters);
	if (r)
		return r;
	engine->size_bytes = engine->dev.size_bytes = size_bytes;
	engine->clusters = (uint32_t)clusters;
	top->clusters = clusters;
	return 0;
}

int ploop_engine_grow(struct ploop_engine *engine, uint64_t size_bytes, struct stor_err *err)
{
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, COPY_BYTES);
	struct mover mover = { .engine = engine, .buffer = buffer };
	struct ploop_level *top = ploop_top(engine);
	struct ploop_header header = top->header;
	const char *why = NULL;
	int r = buffer ? 0 : -ENOMEM;

	if (size_bytes < engine->size_bytes || size_bytes % PLOOP_SECTOR)
		return host->fail(err, STOR_USAGE, 0, "ploop: grow \"%s\": not a larger size",
		                  top->name);
	if (!top->is_raw)
		why = ploop_header_resize(&header, size_bytes / PLOOP_SECTOR);
	if (why)
		return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: grow \"%s\": %s", top->name,
		                  why);
	if (size_bytes == engine->size_bytes)
		return 0;
	ploop_engine_stop(engine);
	if (!r)
		r = top->is_raw ? grow_raw(engine, size_bytes) : grow_top(&mover, &header);
	ploop_engine_release(engine);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: grow \"%s\"", top->name) : 0;
}

/* --- compact --- */

/* 0, a negative errno value, or 1 with err filled: it was cancelled, and is as far as it got. */
static int pack(struct mover *mover, struct stor_err *err)
{
	struct ploop_engine *engine = mover->engine;
	struct ploop_alloc *alloc = &engine->alloc;
	uint64_t goal = alloc->end - alloc->free_count;
	int r = 0, flushed;

	for (uint64_t guest = 0; guest < engine->clusters && !r; guest++) {
		struct ploop_place place;
		uint32_t next, to;

		if (ploop_map_skips(engine, (uint32_t)guest, &next)) {
			guest = (uint64_t)next - 1;
			continue;
		}
		r = ploop_map_get(engine, (uint32_t)guest, &place);
		if (r || place.level != engine->levels - 1 || place.cluster < goal)
			continue;
		r = ploop_alloc_take(engine, &to);
		if (!r)
			r = move_to(mover, (uint32_t)guest, &place, to);
		if (!r && host->progress("moving", guest << engine->cluster_shift,
		                         engine->size_bytes, err))
			r = 1;
	}
	if (r < 0)
		return r;
	flushed = ploop_engine_flush_quiet(engine);
	return flushed ? flushed : r;
}

int ploop_engine_compact(struct ploop_engine *engine, uint64_t *freed_bytes, struct stor_err *err)
{
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, COPY_BYTES);
	struct mover mover = { .engine = engine, .buffer = buffer };
	struct ploop_level *top = ploop_top(engine);
	uint64_t before = 0, after = 0;
	int r = buffer ? 0 : -ENOMEM;

	*freed_bytes = 0;
	if (top->is_raw)
		return 0;
	ploop_engine_stop(engine);
	if (!r)
		r = top->file->ops->size(top->file, &before);
	if (!r)
		r = ploop_engine_flush_quiet(engine);
	/* An extension does not outlive a write. */
	engine->is_modified = true;
	if (!r)
		r = ploop_alloc_drop_reserved(engine);
	if (!r)
		r = pack(&mover, err);
	if (!r)
		r = ploop_top_tidy(engine);
	if (!r)
		r = top->file->ops->size(top->file, &after);
	if (!r && after < before)
		*freed_bytes = before - after;
	ploop_engine_release(engine);
	if (r > 0)
		return -1;
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: compact \"%s\"", top->name) : 0;
}

/* --- preallocate --- */

int ploop_engine_preallocate(struct ploop_engine *engine, struct stor_err *err)
{
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, COPY_BYTES);
	struct mover mover = { .engine = engine, .buffer = buffer };
	struct ploop_level *top = ploop_top(engine);
	int r = buffer ? 0 : -ENOMEM;

	ploop_engine_stop(engine);
	for (uint32_t guest = 0; guest < engine->clusters && !r && !top->is_raw; guest++) {
		struct ploop_place place;
		uint32_t to;

		r = ploop_map_get(engine, guest, &place);
		if (r || place.level == engine->levels - 1)
			continue;
		r = ploop_alloc_take(engine, &to);
		if (!r)
			r = move_to(&mover, guest, &place, to);
	}
	if (!r)
		r = ploop_engine_flush_quiet(engine);
	ploop_engine_release(engine);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: preallocate \"%s\"", top->name) : 0;
}

/* --- usage --- */

int ploop_engine_usage(struct ploop_engine *engine, struct ploop_usage *usage, struct stor_err *err)
{
	struct ploop_level *top = ploop_top(engine);
	struct ploop_alloc *alloc = &engine->alloc;
	int r;

	pthread_mutex_lock(&engine->lock);
	*usage = (struct ploop_usage){ .size_bytes = engine->size_bytes };
	r = top->file->ops->size(top->file, &usage->file_bytes);
	if (!r && top->is_raw) {
		usage->allocated_bytes = usage->file_bytes;
	} else if (!r) {
		uint32_t start = ploop_header_data_start(&top->header);
		uint64_t unused;

		r = ploop_alloc_scan(engine);
		/* Freed ones are nobody's, though it may take a while until they are used anew. */
		unused = alloc->free_count + alloc->pending.count + alloc->flushing.count +
		         alloc->cooling.count;
		usage->free_bytes = unused << engine->cluster_shift;
		usage->allocated_bytes = (alloc->end - unused - start) << engine->cluster_shift;
	}
	pthread_mutex_unlock(&engine->lock);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: read table of \"%s\"", top->name) : 0;
}
