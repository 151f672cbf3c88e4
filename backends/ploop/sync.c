/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine called synchronously: an executor that works in the calling thread, and the block
 * device on top of it. */
#include "ploop/internal.h"

#include <errno.h>

int ploop_io_perform(const struct ploop_io *io)
{
	const struct ploop_file_ops *ops = io->file->ops;

	switch (io->op) {
	case PLOOP_IO_READ:
		return ops->pread(io->file, io->data, io->length, io->offset);
	case PLOOP_IO_WRITE:
		return ops->pwrite(io->file, io->data, io->length, io->offset);
	case PLOOP_IO_ZERO:
		return ops->zero(io->file, io->offset, io->length);
	case PLOOP_IO_EXTEND:
		return ops->extend(io->file, io->offset, io->length);
	case PLOOP_IO_SYNC:
		return ops->sync(io->file);
	}
	return -EINVAL;
}

static void sync_submit(struct ploop_executor *executor, struct ploop_io *io)
{
	(void)executor;
	io->done(io, ploop_io_perform(io));
}

struct ploop_executor ploop_executor_sync = { .submit = sync_submit };

/* A request that a thread waits for. */
struct call {
	struct ploop_request request;
	bool is_done;
	int result;
};

static void call_done(struct ploop_request *request, int result)
{
	struct ploop_engine *engine = request->engine;
	struct call *call = (struct call *)request;

	pthread_mutex_lock(&engine->lock);
	call->result = result;
	call->is_done = true;
	pthread_cond_broadcast(&engine->changed);
	pthread_mutex_unlock(&engine->lock);
}

static int call_engine(struct ploop_engine *engine, enum ploop_request_op op, void *data,
                       uint64_t offset, uint64_t length)
{
	struct call call = {
		.request = { .op = op,
		             .data = data,
		             .offset = offset,
		             .length = length,
		             .done = call_done },
	};

	ploop_submit(engine, &call.request);
	pthread_mutex_lock(&engine->lock);
	while (!call.is_done)
		pthread_cond_wait(&engine->changed, &engine->lock);
	pthread_mutex_unlock(&engine->lock);
	return call.result;
}

static struct ploop_engine *engine_of(struct blockdev *dev)
{
	return (void *)((char *)dev - offsetof(struct ploop_engine, dev));
}

static int dev_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	return call_engine(engine_of(dev), PLOOP_READ, data, offset, length);
}

static int dev_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	/* The engine only reads what a PLOOP_WRITE points to. */
	return call_engine(engine_of(dev), PLOOP_WRITE, (void *)(uintptr_t)data, offset, length);
}

static int dev_flush(struct blockdev *dev)
{
	return call_engine(engine_of(dev), PLOOP_FLUSH, NULL, 0, 0);
}

static int dev_discard(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	return call_engine(engine_of(dev), PLOOP_DISCARD, NULL, offset, length);
}

static int dev_zero(struct blockdev *dev, uint64_t offset, uint64_t length)
{
	return call_engine(engine_of(dev), PLOOP_ZERO, NULL, offset, length);
}

static int dev_extent(struct blockdev *dev, uint64_t offset, struct blockdev_extent *extent)
{
	return ploop_engine_extent(engine_of(dev), offset, extent);
}

static void dev_close(struct blockdev *dev)
{
	/* The interface has no word for a failure here; who has to know calls flush() before. */
	(void)ploop_engine_finish(engine_of(dev));
}

static const struct blockdev_ops dev_ops = {
	.pread = dev_pread,
	.pwrite = dev_pwrite,
	.flush = dev_flush,
	.discard = dev_discard,
	.zero = dev_zero,
	.extent = dev_extent,
	.close = dev_close,
};

struct blockdev *ploop_engine_blockdev(struct ploop_engine *engine)
{
	engine->dev.ops = &dev_ops;
	engine->dev.size_bytes = engine->size_bytes;
	engine->dev.block_bytes = PLOOP_SECTOR;
	return &engine->dev;
}

static enum blockdev_extent_kind kind_of(const struct ploop_engine *engine,
                                         const struct ploop_place *place)
{
	if (place->level == PLOOP_LEVEL_NONE)
		return BLOCKDEV_HOLE;
	return place->level == engine->levels - 1 ? BLOCKDEV_DATA : BLOCKDEV_INHERITED;
}

int ploop_engine_extent(struct ploop_engine *engine, uint64_t offset,
                        struct blockdev_extent *extent)
{
	uint64_t guest = offset >> engine->cluster_shift, end, stop;
	struct ploop_place place = { .level = PLOOP_LEVEL_NONE };
	int r = 0;

	if (offset >= engine->size_bytes)
		return -EINVAL;
	pthread_mutex_lock(&engine->lock);
	extent->kind = BLOCKDEV_HOLE;
	/* A page's worth bounds the time that others wait for the lock. */
	stop = guest + PLOOP_PAGE_SLOTS < engine->clusters ? guest + PLOOP_PAGE_SLOTS
	                                                   : engine->clusters;
	for (end = guest; end < stop && !r; end++) {
		enum blockdev_extent_kind kind;
		uint32_t next;

		if (ploop_map_skips(engine, (uint32_t)end, &next)) {
			if (end > guest && extent->kind != BLOCKDEV_HOLE)
				break;
			end = (next < stop ? next : stop) - 1;
			continue;
		}
		r = ploop_map_get(engine, (uint32_t)end, &place);
		if (r && end > guest) {
			r = 0; /* told when it is asked for */
			break;
		}
		kind = kind_of(engine, &place);
		if (end == guest)
			extent->kind = kind;
		else if (kind != extent->kind)
			break;
	}
	pthread_mutex_unlock(&engine->lock);
	extent->offset = offset;
	extent->length = (end << engine->cluster_shift) - offset;
	if (extent->length > engine->size_bytes - offset)
		extent->length = engine->size_bytes - offset;
	return r;
}
