/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/gpt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/guid.h"

#define SECTOR 512u
#define ENTRIES 128u
#define ENTRY_BYTES 128u
#define TABLE_BYTES (ENTRIES * ENTRY_BYTES)
#define TABLE_SECTORS (TABLE_BYTES / SECTOR)
#define HEADER_BYTES 92u
#define LINUX_TYPE "{0fc63daf-8483-4772-8e79-3d69d8477de4}"

static const char signature[8] = { 'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T' };

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
	uint32_t crc = UINT32_MAX;

	while (size--) {
		crc ^= *data++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

int gpt_layout(uint64_t device_sectors, uint32_t cluster_sectors, struct gpt_partition *partition)
{
	uint64_t b = cluster_sectors, end;

	if (device_sectors < 2 * b + 2 * (TABLE_SECTORS + 2))
		return -1;
	end = (device_sectors - b) / b * b;
	if (end <= b || end > device_sectors - TABLE_SECTORS - 1)
		return -1;
	partition->first_sector = b;
	partition->sectors = end - b;
	return 0;
}

/* One copy as read: header and entries. */
struct copy {
	uint8_t header[SECTOR];
	uint8_t table[TABLE_BYTES];
	bool has_signature, is_good;
};

static int read_copy(struct blockdev *dev, uint64_t sector, struct copy *copy)
{
	uint8_t zeroed[HEADER_BYTES];
	uint64_t table;
	int r = dev->ops->pread(dev, copy->header, SECTOR, sector * SECTOR);

	copy->has_signature = copy->is_good = false;
	if (r || memcmp(copy->header, signature, sizeof(signature)) != 0)
		return r;
	copy->has_signature = true;
	memcpy(zeroed, copy->header, HEADER_BYTES);
	memset(zeroed + 16, 0, 4);
	table = get(copy->header + 72, 8);
	if (get(copy->header + 12, 4) != HEADER_BYTES ||
	    get(copy->header + 16, 4) != crc32_of(zeroed, HEADER_BYTES) ||
	    get(copy->header + 24, 8) != sector || get(copy->header + 80, 4) != ENTRIES ||
	    get(copy->header + 84, 4) != ENTRY_BYTES ||
	    table > dev->size_bytes / SECTOR - TABLE_SECTORS)
		return 0;
	r = dev->ops->pread(dev, copy->table, TABLE_BYTES, table * SECTOR);
	copy->is_good = !r && get(copy->header + 88, 4) == crc32_of(copy->table, TABLE_BYTES);
	return r;
}

static bool first_partition(const struct copy *copy, uint64_t device_sectors,
                            struct gpt_partition *partition)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		const uint8_t *entry = copy->table + (size_t)i * ENTRY_BYTES;
		uint64_t first = get(entry + 32, 8), last = get(entry + 40, 8);

		if (!get(entry, 8) && !get(entry + 8, 8))
			continue;
		if (first > last || last >= device_sectors)
			return false;
		partition->first_sector = first;
		partition->sectors = last - first + 1;
		return true;
	}
	return false;
}

int gpt_read(struct blockdev *dev, enum gpt_state *state, struct gpt_partition *partition)
{
	cleanup_free struct copy *copies = calloc(2, sizeof(*copies));
	uint64_t sectors = dev->size_bytes / SECTOR;
	int r;

	if (!copies)
		return -ENOMEM;
	*state = GPT_NONE;
	if (sectors < 2 * (TABLE_SECTORS + 2))
		return 0;
	r = read_copy(dev, 1, &copies[0]);
	if (!r)
		r = read_copy(dev, sectors - 1, &copies[1]);
	/* A disk that grew: the other copy is where the first one says. */
	if (!r && copies[0].is_good && !copies[1].has_signature) {
		*state = first_partition(&copies[0], sectors, partition) ? GPT_ONE : GPT_DAMAGED;
		return 0;
	}
	if (r || (!copies[0].has_signature && !copies[1].has_signature))
		return r;
	for (unsigned i = 0; i < 2; i++)
		copies[i].is_good =
			copies[i].is_good && first_partition(&copies[i], sectors, partition);
	if (copies[0].is_good && copies[1].is_good)
		*state = GPT_GOOD;
	else
		*state = copies[0].is_good || copies[1].is_good ? GPT_ONE : GPT_DAMAGED;
	return 0;
}

static int make_entry(uint8_t entry[ENTRY_BYTES], const struct gpt_partition *partition,
                      const uint8_t *old)
{
	static const char name[] = "primary";
	char text[GUID_TEXT_BYTES];

	memset(entry, 0, ENTRY_BYTES);
	guid_to_bytes(LINUX_TYPE, entry);
	if (old) {
		memcpy(entry, old, ENTRY_BYTES);
	} else {
		if (guid_make(text))
			return -errno;
		guid_to_bytes(text, entry + 16);
		for (unsigned i = 0; name[i]; i++)
			entry[56 + 2 * i] = (uint8_t)name[i];
	}
	put(entry + 32, partition->first_sector, 8);
	put(entry + 40, partition->first_sector + partition->sectors - 1, 8);
	return 0;
}

static int write_copy(struct blockdev *dev, struct copy *copy, uint64_t sector, uint64_t other,
                      uint64_t table)
{
	int r;

	put(copy->header + 24, sector, 8);
	put(copy->header + 32, other, 8);
	put(copy->header + 72, table, 8);
	put(copy->header + 16, 0, 4);
	put(copy->header + 16, crc32_of(copy->header, HEADER_BYTES), 4);
	r = dev->ops->pwrite(dev, copy->table, TABLE_BYTES, table * SECTOR);
	if (!r)
		r = dev->ops->pwrite(dev, copy->header, SECTOR, sector * SECTOR);
	return r ? r : dev->ops->flush(dev);
}

/* The MBR that keeps others off. */
static int write_protective(struct blockdev *dev)
{
	uint64_t sectors = dev->size_bytes / SECTOR - 1;
	uint8_t mbr[SECTOR] = { 0 };

	put(mbr + 447, 0x000200, 3);
	mbr[450] = 0xee;
	put(mbr + 451, 0xffffff, 3);
	put(mbr + 454, 1, 4);
	put(mbr + 458, sectors > UINT32_MAX ? UINT32_MAX : sectors, 4);
	mbr[510] = 0x55;
	mbr[511] = 0xaa;
	return dev->ops->pwrite(dev, mbr, SECTOR, 0);
}

int gpt_write(struct blockdev *dev, const struct gpt_partition *partition)
{
	cleanup_free struct copy *copy = calloc(1, sizeof(*copy)), *old = calloc(1, sizeof(*old));
	uint64_t last = dev->size_bytes / SECTOR - 1;
	char text[GUID_TEXT_BYTES];
	int r;

	if (!copy || !old)
		return -ENOMEM;
	if (last < 2 * (TABLE_SECTORS + 2) || partition->first_sector < TABLE_SECTORS + 2 ||
	    partition->first_sector + partition->sectors > last - TABLE_SECTORS)
		return -EINVAL;
	r = read_copy(dev, 1, old);
	if (!r && !old->is_good)
		r = read_copy(dev, last, old);
	if (!r && guid_make(text))
		r = -errno;
	if (!r)
		r = make_entry(copy->table, partition, old->is_good ? old->table : NULL);
	if (r)
		return r;
	if (old->is_good)
		memcpy(copy->table + ENTRY_BYTES, old->table + ENTRY_BYTES,
		       TABLE_BYTES - ENTRY_BYTES);
	memcpy(copy->header, signature, sizeof(signature));
	put(copy->header + 8, 0x10000, 4);
	put(copy->header + 12, HEADER_BYTES, 4);
	put(copy->header + 40, TABLE_SECTORS + 2, 8);
	put(copy->header + 48, last - TABLE_SECTORS - 1, 8);
	guid_to_bytes(text, copy->header + 56);
	if (old->is_good)
		memcpy(copy->header + 56, old->header + 56, 16);
	put(copy->header + 80, ENTRIES, 4);
	put(copy->header + 84, ENTRY_BYTES, 4);
	put(copy->header + 88, crc32_of(copy->table, TABLE_BYTES), 4);
	r = write_copy(dev, copy, last, 1, last - TABLE_SECTORS);
	if (!r)
		r = write_protective(dev);
	return r ? r : write_copy(dev, copy, 1, last, 2);
}
