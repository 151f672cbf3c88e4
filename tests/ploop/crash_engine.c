/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power cuts under the engine: see crash.h. */
#include "crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "memfs.h"
#include "model.h"
#include "ploop/check.h"
#include "ploop/engine.h"
#include "ploop/image.h"

#define CLUSTER_SECTORS 64u
#define CLUSTERS 40u
#define CHAIN_MAX 3u

struct scene {
	const struct crash_params *params;
	uint64_t random;
	struct memfs *fs;
	struct model *model;
	unsigned chain;
	bool has_raw_base;
	char names[CHAIN_MAX][16];
};

static uint64_t below(struct scene *scene, uint64_t limit)
{
	return (test_random(&scene->random) >> 16) % limit;
}

static struct ploop_engine *open_chain(struct scene *scene, struct memfs *fs, unsigned count,
                                       bool faulty, struct stor_err *err)
{
	struct ploop_link links[CHAIN_MAX];
	struct ploop_open_params params = {
		.links = links,
		.count = count,
		.writable = true,
		.recover = true,
	};
	struct ploop_engine *engine = NULL;

	params.cluster_sectors = CLUSTER_SECTORS;
	params.ahead_bytes = scene->params->seed % 2 * 8 * CLUSTER_SECTORS * PLOOP_SECTOR;
#ifdef PLOOP_FAULTS
	params.faults = faulty ? scene->params->faults : 0;
#else
	(void)faulty;
#endif
	for (unsigned i = 0; i < count; i++) {
		struct ploop_dir *dir = memfs_dir(fs);

		links[i].name = scene->names[i];
		links[i].is_raw = !i && scene->has_raw_base;
		if (dir->ops->open(dir, scene->names[i], i == count - 1 ? PLOOP_OPEN_WRITE : 0,
		                   &links[i].file))
			abort();
	}
	engine = ploop_engine_open(&params, err);
	if (!engine)
		for (unsigned i = 0; i < count; i++)
			ploop_file_close(links[i].file);
	return engine;
}

static int say(void *ctx, const char *key, const char *value)
{
	unsigned *counts = ctx;

	counts[0] += !strcmp(key, "error");
	counts[1] += !strcmp(key, "warning");
	if (getenv("STOR_TEST_LOG"))
		fprintf(stderr, "%s: %s\n", key, value);
	return 0;
}

/* Errors in counts[0], warnings in counts[1]. */
static int check_top(struct scene *scene, struct memfs *fs, unsigned counts[2])
{
	struct ploop_check check = { .emit = say, .ctx = counts };
	const char *name = scene->names[scene->chain - 1];
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_file *file;
	int r;

	counts[0] = counts[1] = 0;
	if (memfs_dir(fs)->ops->open(memfs_dir(fs), name, 0, &file))
		return -1;
	r = ploop_check_image(file, name, &check, &err);
	ploop_file_close(file);
	return r;
}

/* --- the workload --- */

static void do_write(struct scene *scene, struct blockdev *dev)
{
	static const unsigned sizes[] = { 1, 2, 8, 64, 64, 128, 200 };
	uint64_t sectors = dev->size_bytes / PLOOP_SECTOR;
	uint64_t count = sizes[below(scene, 7)], at = below(scene, sectors);
	uint8_t data[200 * PLOOP_SECTOR];

	if (count >= 64 && below(scene, 2))
		at = at / CLUSTER_SECTORS * CLUSTER_SECTORS;
	if (count > sectors - at)
		count = sectors - at;
	model_write(scene->model, at, count, memfs_log_length(scene->fs), data);
	if (dev->ops->pwrite(dev, data, count * PLOOP_SECTOR, at * PLOOP_SECTOR))
		abort();
}

static void do_clear(struct scene *scene, struct blockdev *dev, bool is_zero)
{
	uint64_t sectors = dev->size_bytes / PLOOP_SECTOR;
	uint64_t at = below(scene, sectors), count = 1 + below(scene, 300);
	size_t now = memfs_log_length(scene->fs);

	if (count > sectors - at)
		count = sectors - at;
	if (is_zero) {
		model_zero(scene->model, at, count, now);
		if (dev->ops->zero(dev, at * PLOOP_SECTOR, count * PLOOP_SECTOR))
			abort();
	} else if (dev->ops->discard(dev, at * PLOOP_SECTOR, count * PLOOP_SECTOR) ||
	           model_discarded(scene->model, at, count, now, dev)) {
		abort();
	}
}

static void do_flush(struct scene *scene, struct blockdev *dev)
{
	if (dev->ops->flush(dev))
		abort();
	model_flushed(scene->model, memfs_log_length(scene->fs));
}

/* One in `every`. */
static bool hits(struct scene *scene, unsigned every)
{
	return every && !below(scene, every);
}

static void do_one(struct scene *scene, struct ploop_engine *engine, struct blockdev *dev)
{
	struct stor_err err = STOR_ERR_INIT;
	uint64_t dice = below(scene, 100), freed;

	if (hits(scene, scene->params->grow_every)) {
		uint64_t size =
			dev->size_bytes + (1 + below(scene, 9000)) * CLUSTER_SECTORS * PLOOP_SECTOR;

		if (size > UINT64_C(700) << 20)
			return;
		/* Its sectors read as zeros before, if they exist. */
		model_grow(scene->model, size / PLOOP_SECTOR);
		if (ploop_engine_grow(engine, size, &err))
			abort();
	} else if (hits(scene, scene->params->compact_every)) {
		if (ploop_engine_compact(engine, &freed, &err))
			abort();
	} else if (dice < 60) {
		do_write(scene, dev);
	} else if (dice < 75) {
		do_clear(scene, dev, false);
	} else if (dice < 82) {
		do_clear(scene, dev, true);
	} else {
		do_flush(scene, dev);
	}
}

static void set_up(struct scene *scene)
{
	struct stor_err err = STOR_ERR_INIT;
	unsigned version = 1 + (unsigned)below(scene, 2);
	struct ploop_dir *dir;

	scene->fs = memfs_new();
	scene->model = model_new(CLUSTERS * CLUSTER_SECTORS);
	scene->chain = 1 + (unsigned)below(scene, CHAIN_MAX);
	scene->has_raw_base = scene->chain > 1 && below(scene, 4) == 0;
	dir = memfs_dir(scene->fs);
	for (unsigned i = 0; i < scene->chain; i++) {
		struct ploop_engine *engine;
		struct blockdev *dev;

		snprintf(scene->names[i], sizeof(scene->names[i]), "delta%u", i);
		if (!i && scene->has_raw_base) {
			uint8_t *zeros = calloc(CLUSTERS, CLUSTER_SECTORS * PLOOP_SECTOR);

			memfs_put(scene->fs, scene->names[0], zeros,
			          CLUSTERS * CLUSTER_SECTORS * PLOOP_SECTOR);
			free(zeros);
		} else if (ploop_image_create(dir, scene->names[i], version, CLUSTER_SECTORS,
		                              CLUSTERS * CLUSTER_SECTORS, &err)) {
			abort();
		}
		engine = open_chain(scene, scene->fs, i + 1, false, &err);
		if (!engine)
			abort();
		dev = ploop_engine_blockdev(engine);
		for (unsigned n = 0; n < 20; n++) {
			if (below(scene, 4))
				do_write(scene, dev);
			else
				do_clear(scene, dev, false);
		}
		if (ploop_engine_close(engine, &err))
			abort();
	}
	model_settle(scene->model);
}

static void run(struct scene *scene)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_engine *engine;
	struct blockdev *dev;

	memfs_record(scene->fs);
	engine = open_chain(scene, scene->fs, scene->chain, true, &err);
	if (!engine)
		abort();
	dev = ploop_engine_blockdev(engine);
	for (unsigned i = 0; i < scene->params->ops; i++)
		do_one(scene, engine, dev);
	if (!scene->params->faults && model_matches(scene->model, dev))
		abort();
	if (ploop_engine_close(engine, &err)) {
		err_print(&err);
		abort();
	}
	model_flushed(scene->model, memfs_log_length(scene->fs));
}

/* --- the states --- */

static uint32_t mark_of(struct scene *scene, struct memfs *fs)
{
	const uint8_t *bytes = memfs_bytes(fs, scene->names[scene->chain - 1]);

	return ploop_get32(bytes + 44);
}

static const char *examine(struct scene *scene, struct memfs *state, size_t cut)
{
	bool is_closed = mark_of(scene, state) == PLOOP_MARK_CLOSED;
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_engine *engine;
	struct blockdev *dev;
	unsigned counts[2];
	int r;

	if (check_top(scene, state, counts) || counts[0])
		return "the check finds errors";
	if (is_closed && counts[1])
		return "marked closed, but the check has warnings";
	engine = open_chain(scene, state, scene->chain, false, &err);
	if (!engine) {
		err_print(&err);
		return "does not open";
	}
	dev = ploop_engine_blockdev(engine);
	r = model_matches_cut(scene->model, dev, cut);
	if (!r && is_closed && !model_is_first_or_last(scene->model, dev))
		r = 1;
	if (ploop_engine_close(engine, &err))
		return "cannot be closed";
	if (r)
		return r < 0 ? "flushed data is lost"
		             : "marked closed, but not everything is there";
	if (check_top(scene, state, counts) || counts[0] || counts[1])
		return "the check is not silent after recovery";
	return NULL;
}

unsigned crash_engine(const struct crash_params *params)
{
	struct scene scene = { .params = params, .random = params->seed * 2 + 1 };
	unsigned broken = 0;
	size_t length;

	for (unsigned i = 0; i < 8; i++)
		test_random(&scene.random);
	set_up(&scene);
	run(&scene);
	length = memfs_log_length(scene.fs);
	for (unsigned i = 0; i < params->states; i++) {
		/* Every prefix in turn, and again with other subsets. */
		size_t cut = i <= length ? i : below(&scene, length + 1);
		uint64_t random = scene.random;
		struct memfs *state = memfs_cut(scene.fs, cut, &scene.random);
		const char *what = examine(&scene, state, cut);

		if (what && ++broken <= 3 && !params->faults)
			fprintf(stderr,
			        "seed %" PRIu64 ", cut at %zu of %zu, random %" PRIx64 ": %s\n",
			        params->seed, cut, length, random, what);
		memfs_free(state);
	}
	memfs_free(scene.fs);
	model_free(scene.model);
	return broken;
}
