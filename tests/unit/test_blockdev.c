/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw files as block devices: any alignment with and without O_DIRECT, zeros, holes, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/blockdev.h"

#define SIZE (1u << 20)

static int open_image(int flags)
{
	char path[] = "/var/tmp/stor-test-XXXXXX";
	int fd = mkstemp(path), again;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	again = open(path, O_RDWR | O_CLOEXEC | flags);
	assert_true(again >= 0);
	unlink(path);
	close(fd);
	return again;
}

static void fill(unsigned char *data, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(rand_r(&seed) | 1);
}

/* Against a copy in memory: random ranges, whose ends lie anywhere. */
static void check_random_ranges(int flags)
{
	int fd = open_image(flags);
	struct blockdev *dev = blockdev_open_file(fd);
	unsigned char *image = calloc(2, SIZE), *data = image + SIZE;
	unsigned seed = 1;

	assert_non_null(dev);
	assert_true(dev->size_bytes == SIZE);
	for (int i = 0; i < 300; i++) {
		uint64_t offset = (unsigned)rand_r(&seed) % SIZE;
		size_t length = (unsigned)rand_r(&seed) % (i % 2 ? 200 : SIZE / 4);

		if (length > SIZE - offset)
			length = SIZE - offset;
		if (i % 5 == 4) {
			memset(image + offset, 0, length);
			assert_int_equal(blockdev_zero(dev, offset, length), 0);
		} else {
			fill(image + offset, length, seed);
			assert_int_equal(blockdev_pwrite(dev, image + offset, length, offset), 0);
		}
		offset = (unsigned)rand_r(&seed) % SIZE;
		assert_int_equal(blockdev_pread(dev, data, SIZE - offset, offset), 0);
		assert_memory_equal(data, image + offset, SIZE - offset);
	}
	assert_int_equal(blockdev_flush(dev), 0);
	blockdev_close(dev);
	close(fd);
	free(image);
}

static void buffered_ranges_come_back(void **state)
{
	(void)state;
	check_random_ranges(0);
}

static void direct_ranges_come_back(void **state)
{
	(void)state;
	check_random_ranges(O_DIRECT);
}

static void ranges_beyond_the_end_are_refused(void **state)
{
	int fd = open_image(0);
	struct blockdev *dev = blockdev_open_file(fd);
	struct blockdev_extent extent;
	struct stat st;
	char byte = 1;

	(void)state;
	assert_int_equal(blockdev_pwrite(dev, &byte, 1, SIZE), -EINVAL);
	assert_int_equal(blockdev_pread(dev, &byte, 1, SIZE), -EINVAL);
	assert_int_equal(blockdev_pwrite(dev, &byte, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(blockdev_zero(dev, SIZE - 1, 2), -EINVAL);
	assert_int_equal(blockdev_discard(dev, SIZE - 1, 2), -EINVAL);
	assert_int_equal(blockdev_write_back(dev, SIZE - 1, 2), -EINVAL);
	assert_int_equal(blockdev_extent(dev, SIZE, &extent), -EINVAL);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	blockdev_close(dev);
	close(fd);
}

static void holes_are_found_and_made(void **state)
{
	int fd = open_image(0);
	struct blockdev *dev = blockdev_open_file(fd);
	struct blockdev_extent extent;
	unsigned char data[65536];
	struct stat st;

	(void)state;
	fill(data, sizeof(data), 7);
	assert_int_equal(blockdev_pwrite(dev, data, sizeof(data), 262144), 0);
	assert_int_equal(blockdev_extent(dev, 4096, &extent), 0);
	assert_int_equal(extent.kind, BLOCKDEV_HOLE);
	assert_int_equal(extent.offset, 4096);
	assert_int_equal(extent.length, 262144 - 4096);
	assert_int_equal(blockdev_extent(dev, 262144 + 10, &extent), 0);
	assert_int_equal(extent.kind, BLOCKDEV_DATA);
	assert_int_equal(extent.length, sizeof(data) - 10);
	assert_int_equal(blockdev_extent(dev, 262144 + sizeof(data), &extent), 0);
	assert_int_equal(extent.kind, BLOCKDEV_HOLE);
	assert_int_equal(extent.offset + extent.length, SIZE);
	assert_int_equal(blockdev_zero(dev, 0, SIZE), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_blocks, 0);
	blockdev_close(dev);
	close(fd);
}

/* --- implementations that lack what is optional ------------------------------------------------
 */

static unsigned char memory[300000];

static int memory_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	(void)dev;
	memcpy(data, memory + offset, length);
	return 0;
}

static int memory_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	(void)dev;
	memcpy(memory + offset, data, length);
	return 0;
}

static void defaults_fill_in(void **state)
{
	static const struct blockdev_ops ops = { .pread = memory_pread, .pwrite = memory_pwrite };
	struct blockdev dev = { &ops, sizeof(memory), 1 };
	struct blockdev_extent extent;

	(void)state;
	memset(memory, 0xee, sizeof(memory));
	/* Longer than the piece that is written at once, and not a multiple of it. */
	assert_int_equal(blockdev_zero(&dev, 3, 200001), 0);
	for (size_t i = 0; i < sizeof(memory); i++)
		assert_int_equal(memory[i], i >= 3 && i < 200004 ? 0 : 0xee);
	assert_int_equal(blockdev_discard(&dev, 0, 100), 0);
	assert_int_equal(memory[0], 0xee);
	assert_int_equal(blockdev_extent(&dev, 5, &extent), 0);
	assert_int_equal(extent.kind, BLOCKDEV_DATA);
	assert_int_equal(extent.length, sizeof(memory) - 5);
}

/* --- threads -----------------------------------------------------------------------------------
 */

#define THREADS 4
#define STRIPE 100 /* several of them share a unit of direct I/O */

struct striper {
	struct blockdev *dev;
	unsigned number;
	pthread_t thread;
	int error;
};

static void *write_stripes(void *arg)
{
	struct striper *striper = arg;
	unsigned char data[STRIPE];

	memset(data, (int)striper->number + 1, sizeof(data));
	for (unsigned at = striper->number; (at + 1) * STRIPE <= 65536; at += THREADS) {
		int error = blockdev_pwrite(striper->dev, data, STRIPE, (uint64_t)at * STRIPE);

		if (error)
			striper->error = error;
	}
	return NULL;
}

static void threads_do_not_undo_each_other(void **state)
{
	int fd = open_image(O_DIRECT);
	struct striper stripers[THREADS];
	struct blockdev *dev = blockdev_open_file(fd);
	unsigned char data[65536];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		stripers[i] = (struct striper){ .dev = dev, .number = i };
		assert_int_equal(
			pthread_create(&stripers[i].thread, NULL, write_stripes, &stripers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(stripers[i].thread, NULL);
		assert_int_equal(stripers[i].error, 0);
	}
	assert_int_equal(blockdev_pread(dev, data, sizeof(data), 0), 0);
	for (size_t i = 0; i < sizeof(data) / STRIPE * STRIPE; i++)
		assert_int_equal(data[i], i / STRIPE % THREADS + 1);
	blockdev_close(dev);
	close(fd);
}

static void what_is_no_device_is_refused(void **state)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_null(blockdev_open_file(fd));
	assert_int_equal(errno, EINVAL);
	close(fd);
	fd = open_image(O_DIRECT);
	assert_int_equal(ftruncate(fd, SIZE + 1), 0);
	assert_null(blockdev_open_file(fd));
	assert_int_equal(errno, EINVAL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffered_ranges_come_back),
		cmocka_unit_test(direct_ranges_come_back),
		cmocka_unit_test(ranges_beyond_the_end_are_refused),
		cmocka_unit_test(holes_are_found_and_made),
		cmocka_unit_test(defaults_fill_in),
		cmocka_unit_test(threads_do_not_undo_each_other),
		cmocka_unit_test(what_is_no_device_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
