/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Power cuts under operations on stopped disks: see crash.h. */
#include "crash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "memfs.h"
#include "ploop/check.h"
#include "ploop/image.h"
#include "ploop/ops.h"
#include "testhost.h"

#define CLUSTER_SECTORS 64u
#define CLUSTER_BYTES (CLUSTER_SECTORS * PLOOP_SECTOR)
/* So many that the table goes beyond the header's sector, which is written as a whole. */
#define CLUSTERS 130u
#define STATES_MAX 16u
#define PATH "disk"

/* What a tree holds: a digest of every state's content. */
struct tree {
	unsigned count;
	struct {
		char guid[GUID_TEXT_BYTES];
		uint64_t digest;
	} states[STATES_MAX];
	uint64_t top;
};

struct scene {
	const struct crash_ops_params *params;
	uint64_t random;
	struct memfs *fs;
	struct tree before, after;
	unsigned snapshots; /* taken so far: ids "s0", "s1", … */
	bool is_applied;
};

static uint64_t below(struct scene *scene, uint64_t limit)
{
	return (test_random(&scene->random) >> 16) % limit;
}

static int digest(struct ploop_disk *disk, const char *guid, uint64_t *result)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_engine *engine = ploop_disk_engine(disk, guid, false, &err);
	uint64_t h = UINT64_C(0xcbf29ce484222325), buffer[CLUSTER_BYTES / 8];
	struct blockdev *dev;
	int r = 0;

	if (!engine) {
		if (getenv("STOR_TEST_LOG"))
			err_print(&err);
		return -1;
	}
	dev = ploop_engine_blockdev(engine);
	for (uint64_t at = 0; at < dev->size_bytes && !r; at += CLUSTER_BYTES) {
		r = blockdev_pread(dev, buffer, CLUSTER_BYTES, at);
		for (unsigned i = 0; i < CLUSTER_BYTES / 8; i++)
			h = (h ^ buffer[i]) * UINT64_C(0x100000001b3) + (h >> 29);
	}
	ploop_engine_abandon(engine);
	*result = h;
	return r;
}

/* Every state that a user may see. */
static int look(struct ploop_disk *disk, struct tree *tree)
{
	const struct ploop_descriptor *d = &disk->descriptor;

	tree->count = 0;
	if (digest(disk, NULL, &tree->top))
		return -1;
	for (unsigned i = 0; i < d->shot_count; i++) {
		const struct ploop_shot *shot = &d->shots[i];

		if (shot->is_temporary || guid_equal(shot->guid, d->top))
			continue;
		memcpy(tree->states[tree->count].guid, shot->guid, GUID_TEXT_BYTES);
		if (digest(disk, shot->guid, &tree->states[tree->count++].digest))
			return -1;
	}
	return 0;
}

static const uint64_t *find(const struct tree *tree, const char *guid)
{
	for (unsigned i = 0; i < tree->count; i++)
		if (guid_equal(tree->states[i].guid, guid))
			return &tree->states[i].digest;
	return NULL;
}

/* --- the tree --- */

/* The live state, for writing. */
static struct ploop_engine *open_live(struct ploop_disk *disk, struct blockdev **dev)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_engine *engine = ploop_disk_engine(disk, NULL, true, &err);

	if (!engine)
		abort();
	*dev = ploop_engine_blockdev(engine);
	return engine;
}

static void scribble(struct scene *scene, struct ploop_disk *disk)
{
	struct stor_err err = STOR_ERR_INIT;
	uint64_t buffer[CLUSTER_BYTES / 8];
	struct blockdev *dev;
	struct ploop_engine *engine = open_live(disk, &dev);

	for (unsigned n = 0; n < 8; n++) {
		uint64_t at = below(scene, CLUSTERS) * CLUSTER_BYTES;
		uint64_t length = below(scene, 2) ? CLUSTER_BYTES : 4096;

		for (unsigned i = 0; i < CLUSTER_BYTES / 8; i++)
			buffer[i] = n % 4 ? test_random(&scene->random) : 0;
		if (n == 7 ? blockdev_discard(dev, at, length)
		           : blockdev_pwrite(dev, buffer, length, at))
			abort();
	}
	/* Sometimes the server is killed, having flushed. */
	if (below(scene, 4)) {
		if (ploop_engine_close(engine, &err))
			abort();
	} else {
		if (blockdev_flush(dev))
			abort();
		ploop_engine_abandon(engine);
	}
}

/* So much of the live state's file is free, here and there, that clusters have to move. */
static void make_holes(struct scene *scene, struct ploop_disk *disk)
{
	struct stor_err err = STOR_ERR_INIT;
	uint64_t buffer[CLUSTER_BYTES / 8];
	struct blockdev *dev;
	struct ploop_engine *engine = open_live(disk, &dev);

	for (unsigned n = 0; n < 2 * CLUSTERS; n++) {
		uint64_t at = n % CLUSTERS * CLUSTER_BYTES;

		memset(buffer, 1 + (int)below(scene, 100), sizeof(buffer));
		if (n < CLUSTERS      ? blockdev_pwrite(dev, buffer, CLUSTER_BYTES, at)
		    : below(scene, 2) ? blockdev_discard(dev, at, CLUSTER_BYTES)
		                      : 0)
			abort();
	}
	if (ploop_engine_close(engine, &err))
		abort();
}

static void reload(struct scene *scene, struct ploop_disk *disk)
{
	struct stor_err err = STOR_ERR_INIT;

	ploop_disk_close(disk);
	if (ploop_disk_load(memfs_dir(scene->fs), PATH, PLOOP_DISK_RECOVER, disk, &err)) {
		err_print(&err);
		abort();
	}
}

static char *some_id(struct scene *scene, char id[16])
{
	snprintf(id, 16, "s%u", scene->snapshots ? (unsigned)below(scene, scene->snapshots) : 0);
	return id;
}

static void set_up(struct scene *scene, struct ploop_disk *disk)
{
	struct stor_err err = STOR_ERR_INIT;
	uint64_t sectors = CLUSTERS * CLUSTER_SECTORS;
	unsigned version = 1 + (unsigned)below(scene, 2);
	bool is_raw = !below(scene, 4);
	struct ploop_descriptor d;
	struct ploop_dir *dir;

	scene->fs = memfs_new();
	dir = memfs_dir(scene->fs);
	if (is_raw ? ploop_image_create_raw(dir, "root.hdd", sectors, &err)
	           : ploop_image_create(dir, "root.hdd", version, CLUSTER_SECTORS, sectors, &err))
		abort();
	if (ploop_descriptor_make(&d, sectors, CLUSTER_SECTORS, "root.hdd", is_raw) ||
	    ploop_descriptor_store(dir, &d, &err))
		abort();
	ploop_descriptor_free(&d);
	if (ploop_disk_load(dir, PATH, PLOOP_DISK_RECOVER, disk, &err))
		abort();
	for (unsigned i = 0; i < 5; i++) {
		char id[16];

		scribble(scene, disk);
		reload(scene, disk);
		if (i && !below(scene, 3)) {
			if (ploop_op_rollback(disk, some_id(scene, id), &err))
				abort();
			continue;
		}
		snprintf(id, sizeof(id), "s%u", scene->snapshots++);
		if (ploop_op_snapshot(disk, id, &err))
			abort();
	}
	scribble(scene, disk);
	reload(scene, disk);
	if (scene->params->op != CRASH_COMPACT)
		return;
	make_holes(scene, disk);
	reload(scene, disk);
}

/* --- the operation --- */

static int operate(struct scene *scene, struct ploop_disk *disk, struct stor_err *err)
{
	uint64_t freed;
	char id[16];

	switch (scene->params->op) {
	case CRASH_SNAPSHOT:
		return ploop_op_snapshot(disk, "new", err);
	case CRASH_ROLLBACK:
		return ploop_op_rollback(disk, some_id(scene, id), err);
	case CRASH_MERGE:
		return ploop_op_merge(disk, some_id(scene, id), NULL, err);
	case CRASH_MERGE_ALL:
		return ploop_op_merge(disk, NULL, NULL, err);
	case CRASH_DELETE:
		return ploop_op_delete(disk, some_id(scene, id), err);
	case CRASH_VERSION:
		return ploop_op_convert_version(disk, 1 + (unsigned)below(scene, 2), err);
	case CRASH_LAYOUT:
		return ploop_op_convert_layout(disk, (enum ploop_op_layout)below(scene, 3), 0, err);
	case CRASH_COMPACT:
		return ploop_op_compact(disk, &freed, err);
	case CRASH_OPS:
		break;
	}
	abort();
}

static void run(struct scene *scene)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_disk disk;

	set_up(scene, &disk);
	if (look(&disk, &scene->before))
		abort();
	memfs_record(scene->fs);
#ifdef PLOOP_FAULTS
	disk.faults = scene->params->faults;
#endif
	scene->is_applied = !operate(scene, &disk, &err);
	/* A tree that the operation does not fit is refused, and stays. */
	if (!scene->is_applied && err.status != STOR_UNSUPPORTED) {
		err_print(&err);
		abort();
	}
	if (look(&disk, &scene->after))
		abort();
	ploop_disk_close(&disk);
}

/* --- the states --- */

static int count_finding(void *ctx, const char *key, const char *value)
{
	unsigned *count = ctx;

	*count += !strcmp(key, "error") || !strcmp(key, "warning");
	if (getenv("STOR_TEST_LOG"))
		fprintf(stderr, "%s: %s\n", key, value);
	return 0;
}

struct listing {
	const struct ploop_descriptor *descriptor;
	unsigned strangers;
};

static int count_stranger(void *ctx, const char *name)
{
	struct listing *listing = ctx;

	if (!strcmp(name, PLOOP_DESCRIPTOR_NAME) || !strcmp(name, PLOOP_NAMES_NAME))
		return 0;
	for (unsigned i = 0; i < listing->descriptor->image_count; i++)
		if (!strcmp(listing->descriptor->images[i].file, name))
			return 0;
	if (getenv("STOR_TEST_LOG"))
		fprintf(stderr, "left behind: %s\n", name);
	listing->strangers++;
	return 0;
}

static const char *check_files(struct ploop_disk *disk)
{
	const struct ploop_descriptor *d = &disk->descriptor;
	struct listing listing = { .descriptor = d };
	unsigned findings = 0;

	for (unsigned i = 0; i < d->image_count; i++) {
		struct ploop_check check = { .emit = count_finding, .ctx = &findings };
		struct stor_err err = STOR_ERR_INIT;
		struct ploop_file *file;
		int r;

		if (d->images[i].is_plain &&
		    guid_equal(ploop_descriptor_shot(d, d->images[i].guid)->parent, PLOOP_NO_GUID))
			continue;
		if (disk->dir->ops->open(disk->dir, d->images[i].file, 0, &file))
			return "an image is missing";
		r = ploop_check_image(file, d->images[i].file, &check, &err);
		ploop_file_close(file);
		if (r || findings)
			return "the check finds something";
	}
	disk->dir->ops->list(disk->dir, count_stranger, &listing);
	return listing.strangers ? "files are left behind" : NULL;
}

static const char *compare(const struct scene *scene, const struct tree *now)
{
	if (now->top != scene->before.top && now->top != scene->after.top)
		return "the live state is another";
	for (unsigned i = 0; i < now->count; i++) {
		const char *guid = now->states[i].guid;
		const uint64_t *was = find(&scene->before, guid), *is = find(&scene->after, guid);

		if ((!was || now->states[i].digest != *was) &&
		    (!is || now->states[i].digest != *is))
			return "a snapshot is another";
	}
	for (unsigned i = 0; i < scene->before.count; i++) {
		const char *guid = scene->before.states[i].guid;

		if (find(&scene->after, guid) && !find(now, guid))
			return "a snapshot is missing";
	}
	return NULL;
}

static const char *examine(struct scene *scene, struct memfs *state)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_disk disk;
	const char *what;
	struct tree now;

	if (ploop_disk_load(memfs_dir(state), PATH, PLOOP_DISK_RECOVER, &disk, &err)) {
		if (getenv("STOR_TEST_LOG"))
			err_print(&err);
		return "does not recover";
	}
	what = check_files(&disk);
	if (!what)
		what = look(&disk, &now) ? "a state cannot be read" : compare(scene, &now);
	/* What was begun can be ended. */
	if (!what && ploop_op_settle(&disk, &err))
		what = "cannot be finished";
	if (!what)
		what = look(&disk, &now) ? "a state cannot be read at last" : compare(scene, &now);
	if (!what)
		what = check_files(&disk);
	ploop_disk_close(&disk);
	return what;
}

unsigned crash_ops(const struct crash_ops_params *params, unsigned *applied)
{
	struct scene scene = { .params = params, .random = params->seed * 2 + 1 };
	unsigned broken = 0;
	size_t length;

	for (unsigned i = 0; i < 8; i++)
		test_random(&scene.random);
	run(&scene);
	*applied += scene.is_applied;
	length = memfs_log_length(scene.fs);
	for (unsigned i = 0; i < params->states && length; i++) {
		/* Every prefix in turn, and again with other subsets; or some of them. */
		size_t cut = params->states > length ? i % (length + 1) : below(&scene, length + 1);
		struct memfs *state = memfs_cut(scene.fs, cut, &scene.random);
		const char *what = examine(&scene, state);

		if (what && ++broken <= 3 && !params->faults)
			fprintf(stderr, "operation %d, seed %" PRIu64 ", cut at %zu of %zu: %s\n",
			        (int)params->op, params->seed, cut, length, what);
		memfs_free(state);
	}
	memfs_free(scene.fs);
	return broken;
}

/* --- interrupted by the user --- */

static const char *cancel(struct scene *scene, unsigned at, bool *is_over)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_disk disk;
	int r;

	set_up(scene, &disk);
	testhost_cancel_at(at);
	r = operate(scene, &disk, &err);
	*is_over = testhost_cancel_at(0) < at;
	ploop_disk_close(&disk);
	if (!r || *is_over)
		return *is_over ? NULL : "it goes on when it is interrupted";
	if (!strstr(err.text, "interrupted by the test"))
		return "it says something else";
	return examine(scene, scene->fs);
}

int crash_ops_cancelled(const struct crash_ops_params *params)
{
	struct scene whole = { .params = params, .random = params->seed * 2 + 1 };
	struct scene start;
	bool is_over = false;
	int points = 0;

	for (unsigned i = 0; i < 8; i++)
		test_random(&whole.random);
	start = whole;
	run(&whole);
	while (!is_over) {
		struct scene scene = start;
		const char *what;

		scene.before = whole.before;
		scene.after = whole.after;
		what = cancel(&scene, (unsigned)points + 1, &is_over);
		memfs_free(scene.fs);
		points += !is_over;
		if (!what)
			continue;
		fprintf(stderr, "operation %d, seed %" PRIu64 ", interrupted at %d: %s\n",
		        (int)params->op, params->seed, points, what);
		points = -1;
		break;
	}
	memfs_free(whole.fs);
	return points;
}
