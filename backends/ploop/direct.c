/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that a loop device can serve: see direct.h. */
#include "ploop/direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/image.h"
#include "ploop/window.h"

#define SLOTS_AT_ONCE 16384u

/* Does every slot point to the cluster's own place? */
static const char *examine_slots(struct ploop_file *file, const struct ploop_header *header)
{
	cleanup_free uint8_t *slots = malloc((size_t)SLOTS_AT_ONCE * 4);
	uint32_t start = ploop_header_data_start(header), count;

	if (!slots)
		return "no memory";
	for (uint64_t first = 0; first < header->entries; first += count) {
		count = header->entries - first < SLOTS_AT_ONCE
		                ? (uint32_t)(header->entries - first)
		                : SLOTS_AT_ONCE;
		if (file->ops->pread(file, slots, (size_t)count * 4,
		                     PLOOP_HEADER_BYTES + first * 4))
			return "its block allocation table cannot be read";
		for (uint32_t i = 0; i < count; i++) {
			uint32_t slot = ploop_get32(slots + (size_t)i * 4), cluster;

			if (!slot || !ploop_slot_decode(header, slot, &cluster) ||
			    cluster != start + first + i)
				return "its clusters do not all lie in order";
		}
	}
	return NULL;
}

static const char *examine_image(struct ploop_file *file, uint64_t *offset, uint64_t *size)
{
	struct ploop_header header;
	uint64_t file_bytes = 0;
	const char *why;

	if (ploop_image_examine_header(file, &header, &why) || file->ops->size(file, &file_bytes))
		return "it cannot be read";
	if (!why)
		why = ploop_header_needs_engine(&header);
	if (why)
		return why;
	*offset = (uint64_t)header.first_sector * PLOOP_SECTOR;
	*size = header.sectors * PLOOP_SECTOR;
	if (file_bytes < *offset || file_bytes - *offset < *size)
		return "its file ends before its disk does";
	return examine_slots(file, &header);
}

const char *ploop_direct_place(const struct ploop_volume *pv, uint64_t *offset, uint64_t *size)
{
	const struct ploop_link *base = &pv->links[0];

	if (pv->count != 1)
		return "it is a chain of several files";
	if (!base->is_raw)
		return examine_image(base->file, offset, size);
	*offset = 0;
	if (base->file->ops->size(base->file, size))
		return "it cannot be read";
	*size = *size / PLOOP_SECTOR * PLOOP_SECTOR;
	return *size ? NULL : "it is empty";
}

struct blockdev *ploop_direct_blockdev(const struct ploop_volume *pv, uint64_t offset,
                                       uint64_t size, struct blockdev **file_dev)
{
	struct blockdev *window;

	*file_dev = blockdev_open_file(pv->links[0].file->fd);
	if (!*file_dev)
		return NULL;
	window = window_open(*file_dev, offset, size);
	if (!window)
		blockdev_close(*file_dev);
	return window;
}

static int write_mark(struct ploop_file *file, struct ploop_header *header, uint32_t mark)
{
	uint8_t raw[PLOOP_HEADER_BYTES];
	int r = file->ops->pread(file, raw, sizeof(raw), 0);

	if (r)
		return r;
	header->mark = mark;
	ploop_header_encode(header, raw);
	r = file->ops->pwrite(file, raw, sizeof(raw), 0);
	return r ? r : file->ops->sync(file);
}

int ploop_direct_mark(struct ploop_volume *pv, struct stor_err *err)
{
	struct ploop_link *top = ploop_volume_top(pv);
	struct ploop_header header;
	const char *why;
	int r;

	if (top->is_raw)
		return 0;
	r = ploop_image_examine_header(top->file, &header, &why);
	if (!r && why)
		return host->fail(err, STOR_FAILED, 0, "ploop: \"%s\": %s", top->name, why);
	if (!r && header.mark == PLOOP_MARK_IN_USE)
		return 0;
	if (!r)
		r = write_mark(top->file, &header, PLOOP_MARK_IN_USE);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: mark \"%s\" in use", top->name) : 0;
}

int ploop_direct_unmark(struct ploop_volume *pv, struct stor_err *err)
{
	struct ploop_link *top = ploop_volume_top(pv);
	struct ploop_header header;
	uint64_t offset, size;
	const char *why;
	int r;

	if (top->is_raw || ploop_direct_place(pv, &offset, &size))
		return 0;
	r = ploop_image_examine_header(top->file, &header, &why);
	if (!r && (why || header.mark != PLOOP_MARK_IN_USE))
		return 0;
	/* Of what was trimmed, the blocks are taken again: an image must have no holes. */
	if (!r)
		r = top->file->ops->seal(top->file, offset, size,
		                         ploop_header_cluster_bytes(&header));
	if (!r)
		r = top->file->ops->sync(top->file);
	if (!r)
		r = write_mark(top->file, &header, PLOOP_MARK_CLOSED);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: close \"%s\"", top->name) : 0;
}
