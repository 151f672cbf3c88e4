/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors of image files reach whoever asked, and damage nothing: each read, write, sync, zeroing
 * and truncation of a workload fails in turn, once or with all that follow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "ploop/check.h"
#include "ploop/engine.h"
#include "ploop/image.h"
#include "tests/ploop/fault_engine.h"
#include "tests/ploop/memfs.h"
#include "tests/ploop/testhost.h"

#define CLUSTER_SECTORS 64u
#define SECTORS (40u * CLUSTER_SECTORS)
#define STEPS 60u

/*
 * What each sector may hold: one bit a tag, tag 0 being zeros. `now` is what a read may show;
 * `kept` is what may be found when the disk is opened anew, which is all since the last flush.
 */
struct disk {
	struct memfs *fs;
	struct ploop_engine *engine;
	uint64_t now[SECTORS], kept[SECTORS];
	uint64_t random;
	unsigned errors; /* that were told */
};

static void open_file(struct disk *disk, const char *name, unsigned flags, struct fault *fault,
                      struct ploop_link *link)
{
	*link = (struct ploop_link){ .name = name };
	assert_int_equal(
		memfs_dir(disk->fs)->ops->open(memfs_dir(disk->fs), name, flags, &link->file), 0);
	if (fault)
		link->file = fault_wrap(link->file, fault);
}

/* -1: it cannot be opened, which was told. */
static int open_disk(struct disk *disk, struct fault *fault)
{
	struct ploop_link links[2];
	struct ploop_open_params params = { .links = links, .count = 2, .writable = true };
	struct stor_err err = STOR_ERR_INIT;

	params.recover = true;
	open_file(disk, "base", 0, fault, &links[0]);
	open_file(disk, "top", PLOOP_OPEN_WRITE, fault, &links[1]);
	disk->engine = ploop_engine_open(&params, &err);
	if (disk->engine)
		return 0;
	assert_int_not_equal(err.status, STOR_OK);
	for (unsigned i = 0; i < 2; i++)
		ploop_file_close(links[i].file);
	return -1;
}

static void write_tag(struct disk *disk, struct blockdev *dev, uint64_t at, uint64_t count,
                      unsigned tag)
{
	static uint8_t data[4 * CLUSTER_SECTORS * PLOOP_SECTOR];
	int r;

	memset(data, (int)tag, count * PLOOP_SECTOR);
	r = tag ? blockdev_pwrite(dev, data, count * PLOOP_SECTOR, at * PLOOP_SECTOR)
	        : blockdev_zero(dev, at * PLOOP_SECTOR, count * PLOOP_SECTOR);
	disk->errors += r != 0;
	for (uint64_t i = at; i < at + count; i++) {
		disk->now[i] = (r ? disk->now[i] : 0) | UINT64_C(1) << tag;
		disk->kept[i] |= UINT64_C(1) << tag;
	}
}

static void must_hold(const uint64_t *allowed, uint64_t at, uint64_t count, const uint8_t *data)
{
	for (uint64_t i = 0; i < count * PLOOP_SECTOR; i++)
		if (data[i] > 63 || !(allowed[at + i / PLOOP_SECTOR] & UINT64_C(1) << data[i]))
			fail_msg("sector %llu holds %u", (unsigned long long)(at + i / 512),
			         data[i]);
}

static void read_back(struct disk *disk, struct blockdev *dev, uint64_t at, uint64_t count)
{
	static uint8_t data[4 * CLUSTER_SECTORS * PLOOP_SECTOR];
	int r = blockdev_pread(dev, data, count * PLOOP_SECTOR, at * PLOOP_SECTOR);

	disk->errors += r != 0;
	if (!r)
		must_hold(disk->now, at, count, data);
}

static void discard(struct disk *disk, struct blockdev *dev, uint64_t at, uint64_t count)
{
	int r = blockdev_discard(dev, at * PLOOP_SECTOR, count * PLOOP_SECTOR);

	disk->errors += r != 0;
	for (uint64_t i = at; i < at + count; i++) {
		disk->now[i] |= 1;
		disk->kept[i] |= 1;
	}
}

static void step(struct disk *disk, struct blockdev *dev, unsigned number)
{
	static const unsigned sizes[] = { 1, 8, 64, 64, 128, 200 };
	uint64_t count = sizes[test_random(&disk->random) % 6];
	uint64_t at = test_random(&disk->random) % (SECTORS - count);

	if (test_random(&disk->random) % 2)
		at -= at % CLUSTER_SECTORS;
	switch (test_random(&disk->random) % 10) {
	case 0:
	case 1:
		read_back(disk, dev, at, count);
		break;
	case 2:
		discard(disk, dev, at, count);
		break;
	case 3:
		write_tag(disk, dev, at, count, 0);
		break;
	case 4:
	case 5:
		if (blockdev_flush(dev))
			disk->errors++;
		else
			memcpy(disk->kept, disk->now, sizeof(disk->kept));
		break;
	default:
		write_tag(disk, dev, at, count, 1 + number % 60);
		break;
	}
}

static int count_error(void *ctx, const char *key, const char *value)
{
	(void)value;
	*(unsigned *)ctx += !strcmp(key, "error");
	return 0;
}

/* No cross-link, no slot out of range. */
static void check_top(struct disk *disk)
{
	unsigned errors = 0;
	struct ploop_check check = { .emit = count_error, .ctx = &errors };
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_link link;

	open_file(disk, "top", 0, NULL, &link);
	assert_int_equal(ploop_check_image(link.file, "top", &check, &err), 0);
	ploop_file_close(link.file);
	assert_int_equal(errors, 0);
}

/* The one after the failure finds what was flushed, and nothing wrong. */
static void reopen(struct disk *disk)
{
	static uint8_t data[CLUSTER_SECTORS * PLOOP_SECTOR];
	struct stor_err err = STOR_ERR_INIT;

	check_top(disk);
	assert_int_equal(open_disk(disk, NULL), 0);
	for (uint64_t at = 0; at < SECTORS; at += CLUSTER_SECTORS) {
		assert_int_equal(blockdev_pread(ploop_engine_blockdev(disk->engine), data,
		                                sizeof(data), at * PLOOP_SECTOR),
		                 0);
		must_hold(disk->kept, at, CLUSTER_SECTORS, data);
	}
	assert_int_equal(ploop_engine_close(disk->engine, &err), 0);
	check_top(disk);
}

static void make_images(struct disk *disk, uint64_t seed)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_link base;
	struct ploop_open_params params = { .links = &base, .count = 1, .writable = true };

	memset(disk, 0, sizeof(*disk));
	disk->random = seed;
	disk->fs = memfs_new();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(ploop_image_create(memfs_dir(disk->fs), i ? "top" : "base", 2,
		                                    CLUSTER_SECTORS, SECTORS, &err),
		                 0);
	open_file(disk, "base", PLOOP_OPEN_WRITE, NULL, &base);
	disk->engine = ploop_engine_open(&params, &err);
	assert_non_null(disk->engine);
	for (uint64_t at = 0; at < SECTORS; at++)
		disk->now[at] = disk->kept[at] = 1;
	for (unsigned i = 0; i < 4; i++)
		write_tag(disk, ploop_engine_blockdev(disk->engine), i * 9 * CLUSTER_SECTORS, 200,
		          61 + i % 2);
	assert_int_equal(ploop_engine_close(disk->engine, &err), 0);
	memcpy(disk->kept, disk->now, sizeof(disk->kept));
}

/* Returns whether the fault was met. */
static bool run(struct fault *fault, uint64_t seed)
{
	struct stor_err err = STOR_ERR_INIT;
	struct disk *disk = calloc(1, sizeof(*disk));
	bool was_met;

	assert_non_null(disk);
	make_images(disk, seed);
	if (open_disk(disk, fault)) {
		disk->errors++;
	} else {
		for (unsigned i = 0; i < STEPS; i++)
			step(disk, ploop_engine_blockdev(disk->engine), i);
		if (!ploop_engine_close(disk->engine, &err))
			memcpy(disk->kept, disk->now, sizeof(disk->kept));
		else
			disk->errors++;
	}
	was_met = fault->failed;
	/* A read that fails once may be tried again, and then has not failed. */
	if (was_met && !disk->errors && (fault->stays || fault->kind != FAULT_READ))
		fail_msg("seed %llu: failure %u of kind %d was swallowed", (unsigned long long)seed,
		         fault->at, fault->kind);
	if (!was_met)
		assert_int_equal(disk->errors, 0);
	reopen(disk);
	memfs_free(disk->fs);
	free(disk);
	return was_met;
}

static void all_of(enum fault_kind kind, int error)
{
	unsigned met = 0;

	for (uint64_t seed = 1; seed <= 4; seed++)
		for (unsigned stays = 0; stays < 2; stays++)
			for (unsigned at = 1;; at++) {
				struct fault fault = { kind, at, stays, error, { 0 }, 0 };

				if (!run(&fault, seed))
					break;
				met++;
			}
	assert_true(met > 10);
}

static void reads(void **state)
{
	(void)state;
	all_of(FAULT_READ, -EIO);
}

static void writes(void **state)
{
	(void)state;
	all_of(FAULT_WRITE, -EIO);
}

static void writes_to_a_full_disk(void **state)
{
	(void)state;
	all_of(FAULT_WRITE, -ENOSPC);
}

static void syncs(void **state)
{
	(void)state;
	all_of(FAULT_SYNC, -EIO);
}

static void zeroing(void **state)
{
	(void)state;
	all_of(FAULT_ZERO, -ENOSPC);
}

/* Cutting what a discard freed at the file's end. */
static void truncation(void **state)
{
	struct fault fault = { FAULT_TRUNCATE, 1, true, -EIO, { 0 }, 0 };
	uint64_t at = SECTORS - CLUSTER_SECTORS;
	struct disk *disk = calloc(1, sizeof(*disk));
	struct stor_err err = STOR_ERR_INIT;
	struct blockdev *dev;

	(void)state;
	assert_non_null(disk);
	make_images(disk, 1);
	assert_int_equal(open_disk(disk, &fault), 0);
	dev = ploop_engine_blockdev(disk->engine);
	write_tag(disk, dev, at, CLUSTER_SECTORS, 5);
	assert_int_equal(blockdev_flush(dev), 0);
	discard(disk, dev, at, CLUSTER_SECTORS);
	assert_int_equal(disk->errors, 0);
	assert_int_equal(ploop_engine_close(disk->engine, &err), -1);
	assert_int_equal(fault.failed, 1);
	reopen(disk);
	memfs_free(disk->fs);
	free(disk);
}

static int load(void **state)
{
	(void)state;
	testhost_load();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),   cmocka_unit_test(writes),
		cmocka_unit_test(syncs),   cmocka_unit_test(writes_to_a_full_disk),
		cmocka_unit_test(zeroing), cmocka_unit_test(truncation),
	};

	return cmocka_run_group_tests(tests, load, NULL);
}
