/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine does to image files for what is asked of it: how much it reads and writes,
 * through chains of any length, and what becomes of an image's extension. Its I/O is performed by
 * an executor that counts, and that can keep it waiting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "ploop/check.h"
#include "ploop/engine.h"
#include "ploop/image.h"
#include "tests/ploop/memfs.h"
#include "tests/ploop/testhost.h"

#define CLUSTER_BYTES 65536u
#define CLUSTERS 64u
#define DISK_BYTES ((uint64_t)CLUSTERS * CLUSTER_BYTES)
#define IO_OPS (PLOOP_IO_SYNC + 1)

struct counter {
	struct ploop_executor executor; /* first */
	unsigned ios[IO_OPS];
	uint64_t bytes[IO_OPS];
	bool is_holding;
	struct ploop_io *held;
};

static void count(struct ploop_executor *executor, struct ploop_io *io)
{
	struct counter *counter = (struct counter *)executor;

	counter->ios[io->op]++;
	counter->bytes[io->op] += io->length;
	if (counter->is_holding) {
		io->next = counter->held;
		counter->held = io;
		return;
	}
	io->done(io, ploop_io_perform(io));
}

static void let_go(struct counter *counter)
{
	struct ploop_io *io = counter->held;

	counter->is_holding = false;
	counter->held = NULL;
	while (io) {
		struct ploop_io *next = io->next;

		io->done(io, ploop_io_perform(io));
		io = next;
	}
}

static void forget(struct counter *counter)
{
	memset(counter->ios, 0, sizeof(counter->ios));
	memset(counter->bytes, 0, sizeof(counter->bytes));
}

/* --- disks --- */

struct scene {
	struct memfs *fs;
	struct counter counter;
	struct ploop_engine *engine;
	struct blockdev *dev;
};

static const char *name_of(unsigned level)
{
	static char name[16];

	snprintf(name, sizeof(name), "delta%u", level);
	return name;
}

static void add_image(struct scene *scene, unsigned level)
{
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(ploop_image_create(memfs_dir(scene->fs), name_of(level), 2,
	                                    CLUSTER_BYTES / 512, DISK_BYTES / 512, &err),
	                 0);
}

/* The chain of that many files; false: it was refused. */
static bool try_open(struct scene *scene, unsigned levels, bool writable, struct stor_err *err)
{
	struct ploop_link *links = calloc(levels, sizeof(*links));
	struct ploop_open_params params = { .links = links,
		                            .count = levels,
		                            .writable = writable,
		                            .recover = true,
		                            .executor = &scene->counter.executor };
	struct ploop_dir *dir = memfs_dir(scene->fs);

	assert_non_null(links);
	for (unsigned i = 0; i < levels; i++) {
		links[i].name = "an image";
		assert_int_equal(dir->ops->open(dir, name_of(i),
		                                writable && i == levels - 1 ? PLOOP_OPEN_WRITE : 0,
		                                &links[i].file),
		                 0);
	}
	scene->engine = ploop_engine_open(&params, err);
	for (unsigned i = 0; i < levels && !scene->engine; i++)
		ploop_file_close(links[i].file);
	free(links);
	if (scene->engine)
		scene->dev = ploop_engine_blockdev(scene->engine);
	return scene->engine;
}

static void open_chain(struct scene *scene, unsigned levels, bool writable)
{
	struct stor_err err = STOR_ERR_INIT;

	if (!try_open(scene, levels, writable, &err))
		fail_msg("%s", err.text);
	forget(&scene->counter);
}

static void close_chain(struct scene *scene)
{
	struct stor_err err = STOR_ERR_INIT;

	if (ploop_engine_close(scene->engine, &err))
		fail_msg("%s", err.text);
}

/* That many bytes there, all of that value. */
static void put(struct scene *scene, uint64_t offset, size_t length, int value)
{
	cleanup_free uint8_t *data = malloc(length);

	assert_non_null(data);
	memset(data, value, length);
	assert_int_equal(blockdev_pwrite(scene->dev, data, length, offset), 0);
}

static void must_be(struct scene *scene, uint64_t offset, size_t length, int value)
{
	cleanup_free uint8_t *data = malloc(length);

	assert_non_null(data);
	assert_int_equal(blockdev_pread(scene->dev, data, length, offset), 0);
	for (size_t i = 0; i < length; i++)
		if (data[i] != value)
			fail_msg("byte %zu is %d, not %d", i, data[i], value);
}

static int set_up(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	testhost_load();
	assert_non_null(scene);
	scene->fs = memfs_new();
	scene->counter.executor.submit = count;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	memfs_free(scene->fs);
	free(scene);
	return 0;
}

/* --- what is read and written --- */

/* A base with data in each cluster, under an empty delta whose table was read already. */
static void begin_over_data(struct scene *scene)
{
	add_image(scene, 0);
	add_image(scene, 1);
	open_chain(scene, 1, true);
	for (unsigned i = 0; i < CLUSTERS; i++)
		put(scene, (uint64_t)i * CLUSTER_BYTES, CLUSTER_BYTES, 7);
	/* It keeps its cluster, and holds zeros. */
	put(scene, 9 * CLUSTER_BYTES, CLUSTER_BYTES, 0);
	close_chain(scene);
	open_chain(scene, 2, true);
	must_be(scene, 0, 512, 7);
	forget(&scene->counter);
}

static void whole_clusters_are_written_without_reading(void **state)
{
	struct scene *scene = *state;

	begin_over_data(scene);
	put(scene, 2 * CLUSTER_BYTES, 3 * CLUSTER_BYTES, 1);
	assert_int_equal(scene->counter.ios[PLOOP_IO_READ], 0);
	assert_int_equal(scene->counter.ios[PLOOP_IO_WRITE], 1);
	assert_int_equal(scene->counter.bytes[PLOOP_IO_WRITE], 3 * CLUSTER_BYTES);
	/* And a part, now that the top has them, as what it is. */
	put(scene, 3 * CLUSTER_BYTES + 512, 1024, 2);
	assert_int_equal(scene->counter.ios[PLOOP_IO_READ], 0);
	assert_int_equal(scene->counter.bytes[PLOOP_IO_WRITE], 3 * CLUSTER_BYTES + 1024);
	must_be(scene, 3 * CLUSTER_BYTES, 512, 1);
	must_be(scene, 3 * CLUSTER_BYTES + 512, 1024, 2);
	close_chain(scene);
}

static void parts_are_copied_up(void **state)
{
	struct scene *scene = *state;

	begin_over_data(scene);
	put(scene, 5 * CLUSTER_BYTES + 4096, 512, 1);
	assert_int_equal(scene->counter.bytes[PLOOP_IO_READ], CLUSTER_BYTES);
	assert_int_equal(scene->counter.bytes[PLOOP_IO_WRITE], CLUSTER_BYTES);
	must_be(scene, 5 * CLUSTER_BYTES, 4096, 7);
	must_be(scene, 5 * CLUSTER_BYTES + 4096, 512, 1);
	close_chain(scene);
}

/* What is copied up and turns out to be zeros is not written. */
static void zeros_are_not_copied_up(void **state)
{
	struct scene *scene = *state;

	begin_over_data(scene);
	put(scene, 9 * CLUSTER_BYTES + 4096, 512, 0);
	assert_int_equal(scene->counter.bytes[PLOOP_IO_READ], CLUSTER_BYTES);
	assert_int_equal(scene->counter.ios[PLOOP_IO_WRITE], 0);
	must_be(scene, 9 * CLUSTER_BYTES, CLUSTER_BYTES, 0);
	close_chain(scene);
}

static uint64_t file_bytes(struct scene *scene, unsigned level)
{
	uint64_t size;

	assert_int_equal(memfs_size(scene->fs, name_of(level), &size), 0);
	return size;
}

static void discarded_clusters_are_used_again(void **state)
{
	struct scene *scene = *state;
	uint64_t before;

	add_image(scene, 0);
	open_chain(scene, 1, true);
	put(scene, 0, 10 * CLUSTER_BYTES, 7);
	assert_int_equal(blockdev_flush(scene->dev), 0);
	before = file_bytes(scene, 0);
	for (unsigned round = 0; round < 5; round++) {
		unsigned from = round % 2 ? 40 : 2, to = round % 2 ? 2 : 40;

		assert_int_equal(
			blockdev_discard(scene->dev, from * CLUSTER_BYTES, 8 * CLUSTER_BYTES), 0);
		must_be(scene, from * CLUSTER_BYTES, 8 * CLUSTER_BYTES, 0);
		assert_int_equal(blockdev_flush(scene->dev), 0);
		put(scene, to * CLUSTER_BYTES, 8 * CLUSTER_BYTES, 8);
	}
	assert_int_equal(file_bytes(scene, 0), before);
	close_chain(scene);
	assert_int_equal(file_bytes(scene, 0), before);
}

/* --- chains --- */

static void a_chain_of_127_reads_as_one_file_does(void **state)
{
	struct scene *scene = *state;
	struct stor_err err = STOR_ERR_INIT;

	for (unsigned i = 0; i < 128; i++)
		add_image(scene, i);
	for (unsigned i = 0; i < 127; i++) {
		open_chain(scene, i + 1, true);
		put(scene, (uint64_t)(i % CLUSTERS) * CLUSTER_BYTES, CLUSTER_BYTES, (int)i + 1);
		close_chain(scene);
	}
	open_chain(scene, 127, true);
	for (unsigned i = 0; i < CLUSTERS; i++)
		must_be(scene, (uint64_t)i * CLUSTER_BYTES, CLUSTER_BYTES,
		        (int)(i + CLUSTERS < 127 ? i + CLUSTERS : i) + 1);
	assert_int_equal(scene->counter.ios[PLOOP_IO_READ], CLUSTERS);
	assert_int_equal(scene->counter.bytes[PLOOP_IO_READ], DISK_BYTES);
	close_chain(scene);
	assert_false(try_open(scene, 128, true, &err));
	assert_non_null(strstr(err.text, "a chain of 128 files (at most 127)"));
}

/* --- many at once --- */

static unsigned ended;

static void has_ended(struct ploop_request *request, int result)
{
	(void)request;
	assert_int_equal(result, 0);
	ended++;
}

static void submit_all(struct scene *scene, enum ploop_request_op op,
                       struct ploop_request requests[CLUSTERS], uint8_t *data)
{
	ended = 0;
	forget(&scene->counter);
	scene->counter.is_holding = true;
	for (unsigned i = 0; i < CLUSTERS; i++) {
		requests[i] = (struct ploop_request){ .op = op,
			                              .data = data + (size_t)i * 4096,
			                              .offset = (uint64_t)i * CLUSTER_BYTES,
			                              .length = 4096,
			                              .done = has_ended };
		ploop_submit(scene->engine, &requests[i]);
	}
	assert_int_equal(ended, 0);
}

static void requests_are_under_way_together(void **state)
{
	struct scene *scene = *state;
	struct ploop_request requests[CLUSTERS];
	cleanup_free uint8_t *data = calloc(CLUSTERS, 4096);

	assert_non_null(data);
	begin_over_data(scene);
	submit_all(scene, PLOOP_READ, requests, data);
	assert_int_equal(scene->counter.ios[PLOOP_IO_READ], CLUSTERS);
	let_go(&scene->counter);
	assert_int_equal(ended, CLUSTERS);
	assert_int_equal(data[4096], 7);
	/* Those that allocate, too: each copies a cluster up. */
	submit_all(scene, PLOOP_WRITE, requests, data);
	assert_int_equal(scene->counter.ios[PLOOP_IO_READ], CLUSTERS);
	let_go(&scene->counter);
	assert_int_equal(ended, CLUSTERS);
	close_chain(scene);
}

/* --- the extension --- */

#define EXT_MAGIC UINT64_C(0xab234cef23dcea87)
#define BITMAP_MAGIC UINT64_C(0x20385fae252cb34a)
#define EXT_DATA_BYTES (32 + 3 * 8)

/* One cluster with a section, and behind it the cluster of a bitmap, which the section points to.
 */
static void add_extension(struct scene *scene, uint32_t mark, uint64_t magic, uint64_t flags)
{
	cleanup_free uint8_t *file = calloc(1, DISK_BYTES * 2);
	uint64_t size = file_bytes(scene, 0), at = size / CLUSTER_BYTES;
	uint8_t *ext;

	assert_non_null(file);
	memcpy(file, memfs_bytes(scene->fs, name_of(0)), size);
	ext = file + at * CLUSTER_BYTES;
	ploop_put64(ext, EXT_MAGIC);
	ploop_put64(ext + 24, magic);
	ploop_put64(ext + 32, flags);
	ploop_put32(ext + 40, EXT_DATA_BYTES);
	ploop_put64(ext + 48, DISK_BYTES / 512);
	ploop_put32(ext + 48 + 24, 128);
	ploop_put32(ext + 48 + 28, 3);
	ploop_put64(ext + 48 + 32, (at + 1) * (CLUSTER_BYTES / 512));
	ploop_put64(ext + 48 + 48, 1);
	memset(ext + CLUSTER_BYTES, 0xa5, CLUSTER_BYTES);
	ploop_put32(file + 44, mark);
	ploop_put64(file + 56, at * (CLUSTER_BYTES / 512));
	memfs_put(scene->fs, name_of(0), file, (at + 2) * CLUSTER_BYTES);
}

static void begin_with_extension(struct scene *scene, uint32_t mark, uint64_t magic, uint64_t flags)
{
	add_image(scene, 0);
	open_chain(scene, 1, true);
	put(scene, 0, 3 * CLUSTER_BYTES, 7);
	close_chain(scene);
	add_extension(scene, mark, magic, flags);
}

static bool has_extension(struct scene *scene)
{
	const uint8_t *file = memfs_bytes(scene->fs, name_of(0));

	if (!ploop_get64(file + 56))
		return false;
	assert_int_equal(ploop_get64(file + ploop_get64(file + 56) * 512), EXT_MAGIC);
	return true;
}

static uint32_t mark_of(struct scene *scene)
{
	return ploop_get32(memfs_bytes(scene->fs, name_of(0)) + 44);
}

static int count_findings(void *ctx, const char *key, const char *value)
{
	(void)value;
	*(unsigned *)ctx += strcmp(key, "note") != 0;
	return 0;
}

static unsigned findings(struct scene *scene)
{
	unsigned found = 0;
	struct ploop_check check = { .emit = count_findings, .ctx = &found };
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_file *file;

	assert_int_equal(
		memfs_dir(scene->fs)->ops->open(memfs_dir(scene->fs), name_of(0), 0, &file), 0);
	assert_int_equal(ploop_check_image(file, "image", &check, &err), 0);
	ploop_file_close(file);
	return found;
}

static void an_extension_stays_while_nothing_is_written(void **state)
{
	struct scene *scene = *state;
	uint64_t before;

	begin_with_extension(scene, PLOOP_MARK_CLOSED_CBT, BITMAP_MAGIC, 0);
	before = file_bytes(scene, 0);
	assert_int_equal(findings(scene), 0);
	for (unsigned writable = 0; writable < 2; writable++) {
		open_chain(scene, 1, writable);
		assert_int_equal(mark_of(scene),
		                 writable ? PLOOP_MARK_IN_USE : PLOOP_MARK_CLOSED_CBT);
		must_be(scene, 0, 3 * CLUSTER_BYTES, 7);
		assert_int_equal(blockdev_flush(scene->dev), 0);
		close_chain(scene);
		assert_int_equal(mark_of(scene), PLOOP_MARK_CLOSED_CBT);
		assert_true(has_extension(scene));
	}
	assert_int_equal(file_bytes(scene, 0), before);
	assert_int_equal(findings(scene), 0);
}

/* Its clusters are nobody's before it is dropped, and then as free as others. */
static void an_extension_is_dropped_by_a_write(void **state)
{
	struct scene *scene = *state;

	begin_with_extension(scene, PLOOP_MARK_CLOSED_CBT, BITMAP_MAGIC, 0);
	open_chain(scene, 1, true);
	put(scene, 20 * CLUSTER_BYTES, 4 * CLUSTER_BYTES, 8);
	assert_int_equal(blockdev_flush(scene->dev), 0);
	assert_true(has_extension(scene));
	close_chain(scene);
	assert_false(has_extension(scene));
	assert_int_equal(mark_of(scene), PLOOP_MARK_CLOSED);
	assert_int_equal(findings(scene), 0);
	open_chain(scene, 1, true);
	put(scene, 30 * CLUSTER_BYTES, 2 * CLUSTER_BYTES, 9);
	must_be(scene, 0, 3 * CLUSTER_BYTES, 7);
	must_be(scene, 20 * CLUSTER_BYTES, 4 * CLUSTER_BYTES, 8);
	close_chain(scene);
}

/* Where the bitmap lies. */
static void point_bitmap_at(struct scene *scene, uint64_t cluster)
{
	uint8_t *file = memfs_bytes(scene->fs, name_of(0));

	ploop_put64(file + ploop_get64(file + 56) * 512 + 48 + 32, cluster * (CLUSTER_BYTES / 512));
}

/* It says that its bitmap lies where the disk has data. */
static void an_extension_that_claims_data_harms_none(void **state)
{
	struct scene *scene = *state;
	struct stor_err err = STOR_ERR_INIT;
	uint64_t freed;

	begin_with_extension(scene, PLOOP_MARK_CLOSED_CBT, BITMAP_MAGIC, 0);
	point_bitmap_at(scene, 1);
	assert_true(findings(scene) > 0);
	open_chain(scene, 1, true);
	assert_true(has_extension(scene));
	put(scene, 30 * CLUSTER_BYTES, CLUSTER_BYTES, 9);
	if (ploop_engine_compact(scene->engine, &freed, &err))
		fail_msg("%s", err.text);
	put(scene, 20 * CLUSTER_BYTES, 4 * CLUSTER_BYTES, 8);
	must_be(scene, 0, 3 * CLUSTER_BYTES, 7);
	close_chain(scene);
	assert_int_equal(findings(scene), 0);
}

/* It says that its bitmap lies where it lies itself. */
static void a_damaged_extension_is_dropped(void **state)
{
	struct scene *scene = *state;

	begin_with_extension(scene, PLOOP_MARK_CLOSED_CBT, BITMAP_MAGIC, 0);
	point_bitmap_at(scene, file_bytes(scene, 0) / CLUSTER_BYTES - 2);
	assert_true(findings(scene) > 0);
	open_chain(scene, 1, true);
	close_chain(scene);
	assert_false(has_extension(scene));
	assert_int_equal(findings(scene), 0);
}

/* Whoever had it open for writing may have changed anything since. */
static void an_extension_is_stale_after_an_unclean_end(void **state)
{
	struct scene *scene = *state;

	begin_with_extension(scene, PLOOP_MARK_IN_USE, BITMAP_MAGIC, 0);
	/* In use, stale, and so clusters behind the last one. */
	assert_int_equal(findings(scene), 3);
	open_chain(scene, 1, true);
	must_be(scene, 0, 3 * CLUSTER_BYTES, 7);
	close_chain(scene);
	assert_false(has_extension(scene));
	assert_int_equal(mark_of(scene), PLOOP_MARK_CLOSED);
	assert_int_equal(findings(scene), 0);
}

static void unknown_sections_forbid_writing_where_they_say_so(void **state)
{
	struct scene *scene = *state;
	struct stor_err err = STOR_ERR_INIT;

	begin_with_extension(scene, PLOOP_MARK_CLOSED_CBT, 0x1234, 1);
	assert_false(try_open(scene, 1, true, &err));
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "forbids writing"));
	assert_int_equal(mark_of(scene), PLOOP_MARK_CLOSED_CBT);
	open_chain(scene, 1, false);
	must_be(scene, 0, 3 * CLUSTER_BYTES, 7);
	close_chain(scene);
	add_extension(scene, PLOOP_MARK_CLOSED_CBT, 0x1234, 0);
	open_chain(scene, 1, true);
	close_chain(scene);
	assert_true(has_extension(scene));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_clusters_are_written_without_reading),
		TEST(parts_are_copied_up),
		TEST(zeros_are_not_copied_up),
		TEST(discarded_clusters_are_used_again),
		TEST(a_chain_of_127_reads_as_one_file_does),
		TEST(requests_are_under_way_together),
		TEST(an_extension_stays_while_nothing_is_written),
		TEST(an_extension_is_dropped_by_a_write),
		TEST(an_extension_that_claims_data_harms_none),
		TEST(a_damaged_extension_is_dropped),
		TEST(an_extension_is_stale_after_an_unclean_end),
		TEST(unknown_sections_forbid_writing_where_they_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
