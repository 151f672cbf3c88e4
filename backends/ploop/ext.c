/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format's extension: one cluster of sections (dirty bitmaps of backup software, mostly), which
 * may point to further clusters. The engine does not keep bitmaps: it leaves them alone as long as
 * nothing is written, and drops them when something was.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <stor/util.h>

#define EXT_MAGIC UINT64_C(0xab234cef23dcea87)
#define EXT_HEADER_BYTES 24u /* magic, MD5 of the rest */
#define SECTION_BYTES 24u    /* magic, flags, size of the data, padding */
#define SECTION_BITMAP UINT64_C(0x20385fae252cb34a)
#define SECTION_NECESSARY 1u /* who does not know it must not write */
#define BITMAP_BYTES 32u     /* size, id, granularity, length of the table that follows */

struct clusters {
	uint64_t *items;
	size_t count;
};

static int add_cluster(struct clusters *list, uint64_t cluster)
{
	uint64_t *items;

	if (list->count & (list->count - 1))
		items = list->items;
	else
		items = realloc(list->items, (list->count ? list->count * 2 : 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = cluster;
	return 0;
}

static int read_bitmap(const uint8_t *data, uint32_t size, uint32_t cluster_sectors, uint64_t limit,
                       struct clusters *list)
{
	uint32_t entries;

	if (size < BITMAP_BYTES)
		return -EINVAL;
	entries = ploop_get32(data + 28);
	if (entries > (size - BITMAP_BYTES) / 8)
		return -EINVAL;
	for (uint32_t i = 0; i < entries; i++) {
		uint64_t sector = ploop_get64(data + BITMAP_BYTES + (size_t)i * 8);
		int r;

		if (sector <= 1) /* all clear, all set */
			continue;
		if (sector % cluster_sectors || sector / cluster_sectors >= limit)
			return -EINVAL;
		r = add_cluster(list, sector / cluster_sectors);
		if (r)
			return r;
	}
	return 0;
}

static int read_sections(const uint8_t *data, uint64_t size, const struct ploop_header *header,
                         uint64_t limit, struct clusters *list)
{
	uint64_t at = EXT_HEADER_BYTES;

	while (size - at >= SECTION_BYTES) {
		uint64_t magic = ploop_get64(data + at), flags = ploop_get64(data + at + 8);
		uint32_t length = ploop_get32(data + at + 16);
		int r = 0;

		at += SECTION_BYTES;
		if (!magic)
			return 0;
		if (length > size - at)
			return -EINVAL;
		if (magic == SECTION_BITMAP)
			r = read_bitmap(data + at, length, header->cluster_sectors, limit, list);
		else if (flags & SECTION_NECESSARY)
			r = -ENOTSUP;
		if (r)
			return r;
		length = (length + 7) & ~7u;
		if (length > size - at)
			return 0;
		at += length;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Each cluster once, and none of the table's. Sorts the list. */
static bool is_sound(struct clusters *list, uint64_t start)
{
	qsort(list->items, list->count, sizeof(*list->items), compare);
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i] < start || (i && list->items[i] == list->items[i - 1]))
			return false;
	return true;
}

int ploop_ext_read(struct ploop_file *file, const struct ploop_header *header,
                   uint64_t file_clusters, uint64_t **clusters, size_t *count)
{
	uint64_t size = ploop_header_cluster_bytes(header);
	uint64_t cluster = header->ext_sector / header->cluster_sectors;
	cleanup_free uint8_t *data = NULL;
	struct clusters list = { NULL, 0 };
	int r;

	if (header->ext_sector % header->cluster_sectors || cluster >= file_clusters)
		return -EINVAL;
	data = aligned_alloc(PLOOP_PAGE_BYTES, size);
	if (!data)
		return -ENOMEM;
	r = file->ops->pread(file, data, size, cluster * size);
	if (!r)
		r = ploop_get64(data) == EXT_MAGIC ? add_cluster(&list, cluster) : -EINVAL;
	if (!r)
		r = read_sections(data, size, header, file_clusters, &list);
	if (!r && !is_sound(&list, ploop_header_data_start(header)))
		r = -EINVAL;
	if (r) {
		free(list.items);
		return r;
	}
	*clusters = list.items;
	*count = list.count;
	return 0;
}
