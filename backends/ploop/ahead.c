/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room ahead: a file that grows cluster by cluster makes the filesystem below take its locks for
 * each, and everybody else wait. So once much was appended, the file is extended by more than was
 * asked for, while the guest's requests go on; closing cuts off what is left of it.
 *
 * It is an offer: where it is refused, as on a full disk, clusters are appended one by one as
 * before, and only what fails then is the guest's to know.
 */
#include "ploop/internal.h"

#include <stdlib.h>

/* A file that hardly grows gets nothing ahead: extending and cutting cost more than they save. */
#define WORTH_SHIFT 3

/* Nothing was ever stored in it: the file ended before it when it was opened, or was cut there. */
static uint64_t first_clean(struct ploop_engine *engine)
{
	return (ploop_top(engine)->file_bytes + engine->cluster_bytes - 1) >> engine->cluster_shift;
}

bool ploop_ahead_is_blank(struct ploop_engine *engine, uint32_t cluster, uint64_t old_end)
{
	return cluster >= old_end && cluster >= first_clean(engine) && cluster < engine->ahead.end;
}

/* How many clusters to have ready: as many as were appended, within bounds. Zero: none. */
static uint64_t wanted(const struct ploop_engine *engine)
{
	uint64_t most = engine->ahead.bytes >> engine->cluster_shift;
	uint64_t appended = engine->ahead.appended;

	if (!appended || appended < most >> WORTH_SHIFT)
		return 0;
	return appended < most ? appended : most;
}

/* How many clusters to extend the file by, behind *from. */
static uint64_t missing(struct ploop_engine *engine, uint64_t *from)
{
	uint64_t limit = ploop_header_slot_limit(&ploop_top(engine)->header);
	uint64_t count = wanted(engine), end = engine->alloc.end;

	*from = end > engine->ahead.end ? end : engine->ahead.end;
	if (!engine->alloc.is_scanned || *from >= limit || *from - end > count / 2)
		return 0;
	return count < limit - *from ? count : limit - *from;
}

static void finish(struct ploop_request *request)
{
	struct ploop_engine *engine = request->engine;

	pthread_mutex_lock(&engine->lock);
	engine->ahead.is_running = false;
	pthread_mutex_unlock(&engine->lock);
	ploop_request_put(request, 0);
}

static void extended(struct ploop_io *io, int result)
{
	struct ploop_request *request = io->data;
	struct ploop_engine *engine = request->engine;

	pthread_mutex_lock(&engine->lock);
	if (!result)
		engine->ahead.end = (io->offset + io->length) >> engine->cluster_shift;
	else
		/* Not again before as much was appended without. */
		engine->ahead.appended = 0;
	pthread_mutex_unlock(&engine->lock);
	finish(request);
}

void ploop_ahead_start(struct ploop_request *request)
{
	struct ploop_engine *engine = request->engine;
	struct ploop_io *io = &engine->ahead.io;
	uint64_t from, count;

	pthread_mutex_lock(&engine->lock);
	count = missing(engine, &from);
	/* What is left of it has to be cut off. */
	engine->is_modified |= count > 0;
	pthread_mutex_unlock(&engine->lock);
	if (!count) {
		finish(request);
		return;
	}
	io->op = PLOOP_IO_EXTEND;
	io->file = ploop_top(engine)->file;
	io->data = request;
	io->offset = from << engine->cluster_shift;
	io->length = count << engine->cluster_shift;
	io->done = extended;
	ploop_io_start(engine, io);
}

static void request_done(struct ploop_request *request, int result)
{
	(void)result;
	free(request);
}

void ploop_ahead_kick(struct ploop_engine *engine)
{
	struct ploop_ahead *ahead = &engine->ahead;
	struct ploop_request *request = NULL;
	uint64_t from;

	pthread_mutex_lock(&engine->lock);
	if (!ahead->is_running && !engine->holds && missing(engine, &from))
		request = calloc(1, sizeof(*request));
	if (request)
		ahead->is_running = true;
	pthread_mutex_unlock(&engine->lock);
	if (!request)
		return;
	request->op = PLOOP_EXTEND;
	request->done = request_done;
	ploop_submit(engine, request);
}

void ploop_ahead_drop(struct ploop_engine *engine)
{
	struct ploop_file *file = ploop_top(engine)->file;

	/* A longer file does no harm: what is left beyond the last cluster is cut at the end. */
	if (engine->ahead.end > engine->alloc.end)
		(void)file->ops->truncate(file, engine->alloc.end << engine->cluster_shift);
	engine->ahead.end = 0;
	engine->ahead.appended = 0;
}
