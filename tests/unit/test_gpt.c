/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The partition table: where it puts the partition, and that one damaged copy does not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/gpt.h"

static uint8_t disk[8u << 20];

static int mem_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	(void)dev;
	memcpy(data, disk + offset, length);
	return 0;
}

static int mem_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	(void)dev;
	memcpy(disk + offset, data, length);
	return 0;
}

static int mem_flush(struct blockdev *dev)
{
	(void)dev;
	return 0;
}

static const struct blockdev_ops ops = { .pread = mem_pread,
	                                 .pwrite = mem_pwrite,
	                                 .flush = mem_flush };

static void layout_is_that_of_ploop_init(void **state)
{
	struct gpt_partition p;

	(void)state;
	assert_int_equal(gpt_layout(2097152, 2048, &p), 0);
	assert_int_equal(p.first_sector, 2048);
	assert_int_equal(p.first_sector + p.sectors - 1, 2095103);
	assert_int_equal(gpt_layout(4096, 2048, &p), -1);
}

static void either_copy_is_enough(void **state)
{
	struct blockdev dev = { .ops = &ops, .size_bytes = sizeof(disk), .block_bytes = 512 };
	struct gpt_partition p, q;
	enum gpt_state what;

	(void)state;
	memset(disk, 0, sizeof(disk));
	assert_int_equal(gpt_read(&dev, &what, &q), 0);
	assert_int_equal(what, GPT_NONE);
	assert_int_equal(gpt_layout(sizeof(disk) / 512, 64, &p), 0);
	assert_int_equal(gpt_write(&dev, &p), 0);
	assert_int_equal(gpt_read(&dev, &what, &q), 0);
	assert_int_equal(what, GPT_GOOD);
	assert_memory_equal(&p, &q, sizeof(p));
	disk[1024 + 33] ^= 1; /* the first copy's entries */
	assert_int_equal(gpt_read(&dev, &what, &q), 0);
	assert_int_equal(what, GPT_ONE);
	assert_memory_equal(&p, &q, sizeof(p));
	disk[sizeof(disk) - 512 + 40] ^= 1; /* the second copy's header */
	assert_int_equal(gpt_read(&dev, &what, &q), 0);
	assert_int_equal(what, GPT_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_that_of_ploop_init),
		cmocka_unit_test(either_copy_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
