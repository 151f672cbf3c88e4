/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What interrupted operations leave, of stor and of `ploop`, put right when a disk that nobody uses
 * is opened:
 *  - a base that libploop made raw, and the descriptor that was to say so: put in its place;
 *  - temporary files of the descriptor: removed;
 *  - a table that was being converted: undone by FILE.idx; the copy alone: removed;
 *  - files that an intent names: removed unless the descriptor names them;
 *  - a delta that the descriptor does not name and that holds nothing: the new top of a snapshot
 *    that was not taken; removed. One that holds something is left for `stor volume check`;
 *  - in-use marks, of a merge (on a lower file) or of a server that was killed: recovered;
 *  - a live state that is larger than the descriptor says: its resize is brought to an end.
 */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/image.h"
#include "ploop/partition.h"

#define DELTA_TABLE_MAX (UINT64_C(1) << 27)
#define READ_BYTES (1u << 16)

/* --- tables and marks --- */

static bool is_raw_base(const struct ploop_descriptor *d, const struct ploop_image *image)
{
	const struct ploop_shot *shot = ploop_descriptor_shot(d, image->guid);

	return image->is_plain && shot && guid_equal(shot->parent, PLOOP_NO_GUID);
}

/* 0, or a negative errno value; -EINVAL: it has no header. */
static int read_header(struct ploop_disk *disk, const char *name, struct ploop_header *header,
                       uint64_t *size)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	const char *why = NULL;
	int r = disk->dir->ops->open(disk->dir, name, PLOOP_OPEN_OWN, &file);

	if (!r)
		r = file->ops->size(file, size);
	if (!r)
		r = ploop_image_examine_header(file, header, &why);
	return why ? -EINVAL : r;
}

static int clear_mark(struct ploop_disk *disk, const struct ploop_image *image,
                      struct stor_err *err)
{
	const struct ploop_image *chain[2] = { image, NULL };
	/* Never as a raw one. */
	struct ploop_image lone = *image;
	struct ploop_engine *engine;

	lone.is_plain = false;
	chain[0] = &lone;
	engine = ploop_ops_open(disk, chain, 0, 1, true, err);
	return engine ? ploop_engine_close(engine, err) : -1;
}

/* What is wrong beyond an interruption is told by who opens the file, and by the check. */
static int recover_image(struct ploop_disk *disk, const struct ploop_image *image,
                         struct stor_err *err)
{
	struct ploop_header header;
	uint64_t size;
	int r = read_header(disk, image->file, &header, &size);

	if (r)
		return 0;
	if (ploop_ops_restore_table(disk, image->file, err))
		return -1;
	if (header.flags & PLOOP_FLAG_CONVERT && read_header(disk, image->file, &header, &size))
		return 0;
	return header.mark == PLOOP_MARK_IN_USE ? clear_mark(disk, image, err) : 0;
}

static int recover_images(struct ploop_disk *disk, struct stor_err *err)
{
	const struct ploop_descriptor *d = &disk->descriptor;

	for (unsigned i = 0; i < d->image_count; i++) {
		const struct ploop_image *image = &d->images[i];

		if (!is_raw_base(d, image) && ploop_file_is_own(image->file) &&
		    recover_image(disk, image, err))
			return -1;
	}
	return 0;
}

/* --- files that nobody refers to --- */

struct names {
	char **items;
	size_t count;
	const struct ploop_descriptor *descriptor;
};

/* "BASE.{GUID}", which neither the descriptor names. */
static int collect(void *ctx, const char *name)
{
	struct names *names = ctx;
	size_t length = strlen(name);
	char **grown;

	if (length <= GUID_TEXT_BYTES || name[length - GUID_TEXT_BYTES] != '.' ||
	    !guid_is_valid(name + length - (GUID_TEXT_BYTES - 1)))
		return 0;
	for (unsigned i = 0; i < names->descriptor->image_count; i++) {
		const char *file = names->descriptor->images[i].file;
		const char *slash = strrchr(file, '/');

		/* By whatever path. */
		if (!strcmp(slash ? slash + 1 : file, name))
			return 0;
	}
	grown = realloc(names->items, (names->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	names->items = grown;
	grown[names->count] = strdup(name);
	return grown[names->count++] ? 0 : -ENOMEM;
}

/* All zeros: the making of a delta got no further. */
static bool is_all_zero(struct ploop_disk *disk, const char *name, uint64_t size)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, READ_BYTES);

	if (!buffer || size > DELTA_TABLE_MAX ||
	    disk->dir->ops->open(disk->dir, name, PLOOP_OPEN_OWN, &file))
		return false;
	for (uint64_t at = 0; at < size; at += READ_BYTES) {
		if (file->ops->pread(file, buffer, READ_BYTES, at))
			return false;
		for (size_t i = 0; i < READ_BYTES; i++)
			if (buffer[i])
				return false;
	}
	return true;
}

static bool holds_nothing(struct ploop_disk *disk, const char *name)
{
	struct ploop_header header;
	uint64_t size = 0;
	int r = read_header(disk, name, &header, &size);

	if (!r)
		return size <= (uint64_t)header.first_sector * PLOOP_SECTOR;
	return r == -EINVAL && is_all_zero(disk, name, size);
}

static int remove_orphans(struct ploop_disk *disk, struct stor_err *err)
{
	struct names names = { .descriptor = &disk->descriptor };
	int r = disk->dir->ops->list(disk->dir, collect, &names);

	for (size_t i = 0; i < names.count && !r; i++) {
		const char *name = names.items[i];

		if (!name)
			continue;
		if (holds_nothing(disk, name))
			r = disk->dir->ops->unlink(disk->dir, name);
		else
			host->log(STOR_LOG_WARN,
			          "ploop: %s: nothing refers to \"%s\", which holds data",
			          disk->path, name);
	}
	for (size_t i = 0; i < names.count; i++)
		free(names.items[i]);
	free(names.items);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: tidy %s", disk->path) : 0;
}

/* --- a conversion to raw by libploop --- */

#define STAGED_MAX (1u << 20)

/* Does the descriptor that was to come next say that the base is raw? */
static bool is_raw_staged(struct ploop_disk *disk)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	cleanup_free char *text = NULL;
	uint64_t size = 0;

	if (disk->dir->ops->open(disk->dir, PLOOP_DESCRIPTOR_STAGED, PLOOP_OPEN_OWN, &file) ||
	    file->ops->size(file, &size) || !size || size > STAGED_MAX)
		return false;
	text = calloc(1, size + 1);
	return text && !file->ops->pread(file, text, size, 0) && strstr(text, "<Type>Plain</Type>");
}

/* The base is replaced before the descriptor says so: interrupted there, it has no header. */
static int finish_raw(struct ploop_disk *disk, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	const struct ploop_descriptor *d = &disk->descriptor;
	struct ploop_header header;
	uint64_t size = 0;
	unsigned base = 0;

	while (base < d->image_count &&
	       !guid_equal(ploop_descriptor_shot(d, d->images[base].guid)->parent, PLOOP_NO_GUID))
		base++;
	if (base == d->image_count || d->images[base].is_plain || !is_raw_staged(disk) ||
	    read_header(disk, d->images[base].file, &header, &size) != -EINVAL ||
	    size % ((uint64_t)d->cluster_sectors * PLOOP_SECTOR) ||
	    size > d->sectors * PLOOP_SECTOR)
		return 0;
	if (ploop_descriptor_copy(d, &changed, err))
		return -1;
	for (unsigned i = 0; i < changed.image_count; i++)
		changed.images[i].is_plain = true;
	changed.is_preallocated = false;
	if (ploop_descriptor_store(disk->dir, &changed, err))
		return -1;
	ploop_ops_adopt(disk, &changed);
	return 0;
}

static int remove_temporary_files(struct ploop_disk *disk, struct stor_err *err)
{
	static const char *const names[] = { PLOOP_DESCRIPTOR_STAGED, PLOOP_NAMES_NAME ".tmp",
		                             PLOOP_INTENT_NAME ".tmp" };

	for (unsigned i = 0; i < 3; i++) {
		int r = disk->dir->ops->unlink(disk->dir, names[i]);

		if (r && r != -ENOENT)
			return host->fail(err, STOR_FAILED, -r, "ploop: remove %s/%s", disk->path,
			                  names[i]);
	}
	return 0;
}

/* --- a disk that was to get another size --- */

static const struct ploop_image *live_image(const struct ploop_disk *disk)
{
	return ploop_descriptor_image(&disk->descriptor, disk->descriptor.top);
}

/* The image is the first to grow, and the last to shrink. */
static bool is_resize_unfinished(struct ploop_disk *disk)
{
	const struct ploop_descriptor *d = &disk->descriptor;
	const struct ploop_image *top = live_image(disk);
	struct ploop_header header;
	uint64_t size;

	return top && !is_raw_base(d, top) && ploop_file_is_own(top->file) &&
	       !read_header(disk, top->file, &header, &size) &&
	       ploop_descriptor_is_outgrown(d, header.sectors);
}

static int finish_resize(struct ploop_disk *disk, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	struct ploop_engine *engine;
	unsigned count;
	uint64_t end;
	int r;

	if (!is_resize_unfinished(disk))
		return 0;
	count = ploop_descriptor_chain(&disk->descriptor, disk->descriptor.top, chain, err);
	if (!count || ploop_descriptor_copy(&disk->descriptor, &changed, err))
		return -1;
	engine = ploop_ops_open(disk, chain, 0, count, true, err);
	if (!engine)
		return -1;
	r = ploop_fit_partition(ploop_engine_blockdev(engine), changed.cluster_sectors, disk->path,
	                        &end, err);
	changed.sectors = ploop_engine_size(engine) / PLOOP_SECTOR;
	if (ploop_engine_close(engine, err) || r)
		return -1;
	if (ploop_descriptor_store(disk->dir, &changed, err))
		return -1;
	ploop_ops_adopt(disk, &changed);
	return 0;
}

int ploop_ops_recover(struct ploop_disk *disk, struct stor_err *err)
{
	unsigned version;
	int r;

	if (finish_raw(disk, err) || remove_temporary_files(disk, err) ||
	    ploop_intent_fulfil(disk, &version, err) || recover_images(disk, err) ||
	    remove_orphans(disk, err))
		return -1;
	if (!version)
		return finish_resize(disk, err);
	if (ploop_ops_convert_all(disk, version, err))
		return -1;
	r = disk->dir->ops->unlink(disk->dir, PLOOP_INTENT_NAME);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: remove %s/" PLOOP_INTENT_NAME,
	                      disk->path)
	         : finish_resize(disk, err);
}
