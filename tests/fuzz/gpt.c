/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partition tables: the input is the device's start and, from byte 17408 (34 sectors) on, its end.
 * Checksums are put right, or no input would get past them. */
#include "tests/fuzz/fuzz.h"

#include <zlib.h>

#include "common/gpt.h"

#define SECTOR 512u
#define TABLE_BYTES (34 * SECTOR)
#define DEVICE_BYTES (256u << 10)

struct memory {
	struct blockdev dev;
	uint8_t *bytes;
};

static int mem_pread(struct blockdev *dev, void *data, size_t length, uint64_t offset)
{
	memcpy(data, ((struct memory *)dev)->bytes + offset, length);
	return 0;
}

static int mem_pwrite(struct blockdev *dev, const void *data, size_t length, uint64_t offset)
{
	memcpy(((struct memory *)dev)->bytes + offset, data, length);
	return 0;
}

static int mem_flush(struct blockdev *dev)
{
	(void)dev;
	return 0;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* Puts the checksums of the header in that sector right, as far as it says what they cover. */
static void mend(uint8_t *device, uint64_t sector)
{
	uint8_t *header = device + sector * SECTOR;
	uint64_t table = get64(header + 72),
		 bytes = (get64(header + 80) & UINT32_MAX) * (get64(header + 80) >> 32);
	uint32_t header_bytes = (uint32_t)get64(header + 12);

	if (table < DEVICE_BYTES / SECTOR && bytes <= DEVICE_BYTES - table * SECTOR)
		put32(header + 88, (uint32_t)crc32(0, device + table * SECTOR, (uInt)bytes));
	put32(header + 16, 0);
	if (header_bytes <= SECTOR)
		put32(header + 16, (uint32_t)crc32(0, header, header_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct blockdev_ops ops = {
		.pread = mem_pread,
		.pwrite = mem_pwrite,
		.flush = mem_flush,
	};
	struct memory memory = { { &ops, DEVICE_BYTES, SECTOR }, calloc(1, DEVICE_BYTES) };
	size_t start = size < TABLE_BYTES ? size : TABLE_BYTES, end = size - start;
	struct gpt_partition partition = { 0 };
	enum gpt_state state;

	if (end > 33 * SECTOR)
		end = 33 * SECTOR;
	if (!memory.bytes)
		abort();
	memcpy(memory.bytes, data, start);
	memcpy(memory.bytes + DEVICE_BYTES - end, data + start, end);
	if (size % 2) {
		mend(memory.bytes, 1);
		mend(memory.bytes, DEVICE_BYTES / SECTOR - 1);
	}
	if (!gpt_read(&memory.dev, &state, &partition) && (state == GPT_GOOD || state == GPT_ONE) &&
	    partition.sectors)
		FUZZ_PROMISE(partition.first_sector < DEVICE_BYTES / SECTOR &&
		             partition.sectors <= DEVICE_BYTES / SECTOR - partition.first_sector);
	free(memory.bytes);
	return 0;
}
