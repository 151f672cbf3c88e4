/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A base written anew in another layout, and other work on one file. */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/image.h"
#include "ploop/internal.h"
#include "ploop/seal.h"
#include "ploop/tool.h"

#define COPY_BYTES (4u << 20)

enum ploop_op_layout ploop_op_layout(const struct ploop_disk *disk)
{
	const struct ploop_descriptor *d = &disk->descriptor;

	for (unsigned i = 0; i < d->image_count; i++)
		if (d->images[i].is_plain)
			return PLOOP_OP_RAW;
	return d->is_preallocated ? PLOOP_OP_PREALLOCATED : PLOOP_OP_EXPANDABLE;
}

/* The new base while it is written. */
struct rewriting {
	struct ploop_disk *disk;
	struct ploop_engine *from;
	char *name;
	enum ploop_op_layout layout;
	unsigned version;
};

/* Every slot in its place. */
static int fill_table(struct ploop_file *file, struct ploop_header *header)
{
	cleanup_free uint8_t *page = aligned_alloc(PLOOP_PAGE_BYTES, PLOOP_PAGE_BYTES);
	uint32_t start = ploop_header_data_start(header), guest = 0;
	int r = page ? 0 : -ENOMEM;

	header->flags &= ~PLOOP_FLAG_EMPTY;
	for (uint64_t at = 0; guest < header->entries && !r; at += PLOOP_PAGE_BYTES) {
		unsigned slot = at ? 0 : PLOOP_HEADER_SLOTS;

		memset(page, 0, PLOOP_PAGE_BYTES);
		if (!at)
			ploop_header_encode(header, page);
		for (; slot < PLOOP_PAGE_SLOTS && guest < header->entries; slot++, guest++)
			ploop_put32(page + (size_t)slot * 4,
			            ploop_slot_encode(header, start + guest));
		r = file->ops->pwrite(file, page, PLOOP_PAGE_BYTES, at);
	}
	return r;
}

/* Copy what there is to the same place of a file, `shift` further. */
static int copy_in_place(struct ploop_engine *from, struct ploop_file *file, uint64_t shift,
                         struct stor_err *err)
{
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, COPY_BYTES);
	struct blockdev *source = ploop_engine_blockdev(from);
	struct blockdev_extent extent = { .offset = 0 };
	int r = buffer ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < source->size_bytes && !r; at = extent.offset + extent.length) {
		r = ploop_engine_extent(from, at, &extent);
		if (r || extent.kind == BLOCKDEV_HOLE)
			continue;
		if (extent.length > COPY_BYTES)
			extent.length = COPY_BYTES;
		r = blockdev_pread(source, buffer, extent.length, at);
		if (!r)
			r = file->ops->pwrite(file, buffer, extent.length, shift + at);
		if (!r && host->progress("converting", at + extent.length, source->size_bytes, err))
			return -1;
	}
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: convert") : 0;
}

static int write_flat(struct rewriting *w, struct stor_err *err)
{
	uint64_t sectors = ploop_engine_size(w->from) / PLOOP_SECTOR, shift = 0;
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_dir *dir = w->disk->dir;
	struct ploop_header header = { 0 };
	const char *why = NULL;
	int r = 0;

	if (w->layout == PLOOP_OP_RAW) {
		if (ploop_image_create_raw(dir, w->name, sectors, err))
			return -1;
	} else {
		why = ploop_header_make(&header, w->version, w->disk->descriptor.cluster_sectors,
		                        sectors);
		if (why)
			return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: convert: %s", why);
		if (ploop_image_create(dir, w->name, w->version, header.cluster_sectors, sectors,
		                       err))
			return -1;
		shift = (uint64_t)header.first_sector * PLOOP_SECTOR;
	}
	r = dir->ops->open(dir, w->name, PLOOP_OPEN_WRITE | PLOOP_OPEN_OWN, &file);
	if (!r && shift) {
		r = file->ops->zero(file, shift, header.sectors * PLOOP_SECTOR);
		if (!r)
			r = fill_table(file, &header);
	}
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: write \"%s\"", w->name);
	if (copy_in_place(w->from, file, shift, err))
		return -1;
	/* As one that is made so from the start. */
	if (shift && ploop_seal_all(file, w->name, err))
		return -1;
	if (!shift)
		r = file->ops->seal(file, 0, sectors * PLOOP_SECTOR,
		                    ploop_engine_cluster_bytes(w->from));
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: write \"%s\"", w->name);
	r = ploop_op_fault(w->disk, CONTENT_UNSYNCED) ? 0 : file->ops->sync(file);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write \"%s\"", w->name) : 0;
}

static int write_expandable(struct rewriting *w, struct stor_err *err)
{
	struct ploop_image image = { .file = w->name };
	const struct ploop_image *chain[1] = { &image };
	uint64_t sectors = ploop_engine_size(w->from) / PLOOP_SECTOR;
	struct ploop_engine *to;

	if (ploop_image_create(w->disk->dir, w->name, w->version,
	                       w->disk->descriptor.cluster_sectors, sectors, err))
		return -1;
	to = ploop_ops_open(w->disk, chain, 0, 1, true, err);
	if (!to)
		return -1;
	if (ploop_ops_copy(w->from, to, "converting", err)) {
		ploop_engine_abandon(to);
		return -1;
	}
	return ploop_engine_close(to, err);
}

static unsigned version_of(struct ploop_disk *disk, const struct ploop_image *base)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_header header;

	if (base->is_plain || disk->dir->ops->open(disk->dir, base->file, 0, &file) ||
	    !ploop_image_read_header(file, &header))
		return 2;
	return header.version;
}

/* The descriptor names the new base in the old one's place. */
static int put_in_place(struct rewriting *w, const char *old, struct ploop_intent *intent,
                        struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	int r = w->disk->dir->ops->sync(w->disk->dir);

	if (!r && ploop_descriptor_copy(&w->disk->descriptor, &changed, err))
		r = -1;
	else if (r)
		r = host->fail(err, STOR_FAILED, -r, "ploop: write \"%s\"", w->name);
	for (unsigned i = 0; i < changed.image_count && !r; i++) {
		struct ploop_image *image = &changed.images[i];

		/* As `ploop` has it, of all files. */
		image->is_plain = w->layout == PLOOP_OP_RAW;
		if (strcmp(image->file, old) != 0)
			continue;
		free(image->file);
		image->file = steal_ptr(&w->name);
		old = image->file;
	}
	changed.is_preallocated = w->layout == PLOOP_OP_PREALLOCATED;
	if (!r)
		return ploop_ops_store(w->disk, &changed, intent, err);
	free(intent->text);
	intent->text = NULL;
	return r;
}

static int rewrite_base(struct rewriting *w, const struct ploop_image *base, struct stor_err *err)
{
	struct ploop_intent intent = { .text = NULL }, again = { .text = NULL };
	cleanup_free char *name = strdup(w->name);
	int r;

	ploop_intent_drop(&intent, w->name);
	ploop_intent_drop(&intent, base->file);
	ploop_intent_drop(&again, w->name);
	ploop_intent_drop(&again, base->file);
	r = name ? ploop_intent_store(w->disk, &intent, err) : -1;
	if (!r)
		r = w->layout == PLOOP_OP_EXPANDABLE ? write_expandable(w, err)
		                                     : write_flat(w, err);
	if (!r)
		return put_in_place(w, base->file, &again, err);
	free(again.text);
	if (name)
		(void)w->disk->dir->ops->unlink(w->disk->dir, name);
	(void)w->disk->dir->ops->unlink(w->disk->dir, PLOOP_INTENT_NAME);
	return -1;
}

int ploop_op_convert_layout(struct ploop_disk *disk, enum ploop_op_layout layout, unsigned version,
                            struct stor_err *err)
{
	struct libploop_job job = { .op = LIBPLOOP_LAYOUT, .layout = (enum libploop_layout)layout };
	struct rewriting w = { .disk = disk, .layout = layout };
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	int r;

	if (ploop_op_settle(disk, err))
		return -1;
	if (ploop_op_layout(disk) == layout)
		return 0;
	r = ploop_tool_do(disk, &job, "convert", err);
	if (r <= 0)
		return r;
	if (!ploop_descriptor_chain(&disk->descriptor, disk->descriptor.top, chain, err))
		return -1;
	w.version = version ? version : version_of(disk, chain[0]);
	w.from = ploop_ops_open(disk, chain, 0, 1, false, err);
	if (!w.from)
		return -1;
	w.name = ploop_ops_new_name(disk, err);
	r = w.name ? rewrite_base(&w, chain[0], err) : -1;
	free(w.name);
	ploop_engine_abandon(w.from);
	return r;
}

int ploop_op_compact(struct ploop_disk *disk, uint64_t *freed_bytes, struct stor_err *err)
{
	struct ploop_engine *engine;

	*freed_bytes = 0;
	if (ploop_op_settle(disk, err))
		return -1;
	engine = ploop_disk_engine(disk, NULL, true, err);
	if (!engine)
		return -1;
	if (!ploop_engine_compact(engine, freed_bytes, err))
		return ploop_engine_close(engine, err);
	/* What was moved is valid. */
	(void)ploop_engine_finish(engine);
	return -1;
}

int ploop_op_restore_descriptor(struct ploop_dir *dir, const char *name, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor descriptor = { .images = NULL };
	cleanup_ploop_file struct ploop_file *file = NULL, *present = NULL;
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header;
	const char *why = NULL;
	int r = dir->ops->open(dir, PLOOP_DESCRIPTOR_NAME, 0, &present);

	if (r != -ENOENT)
		return host->fail(err, STOR_USAGE, 0, "ploop: " PLOOP_DESCRIPTOR_NAME " exists");
	r = dir->ops->open(dir, name, PLOOP_OPEN_OWN, &file);
	if (!r)
		r = file->ops->pread(file, raw, sizeof(raw), 0);
	if (!r)
		why = ploop_header_parse(raw, &header);
	if (r || why)
		return host->fail(err, r == -ENOENT ? STOR_NOT_FOUND : STOR_FAILED, -r,
		                  "ploop: read image %s%s%s", name, why ? ": " : "",
		                  why ? why : "");
	if (ploop_descriptor_make(&descriptor, header.sectors, header.cluster_sectors, name, false))
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: restore descriptor");
	return ploop_descriptor_store(dir, &descriptor, err);
}
