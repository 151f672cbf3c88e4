/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Versions of the format, as `ploop convert` changes them: FILE.idx gets a copy of header and
 * table, the header's Convert flag says that the table is under way, and goes when all of it is
 * durable. What was interrupted is undone by the copy.
 */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/tool.h"

struct table {
	struct ploop_disk *disk;
	const char *name;
	char *idx_name;
	struct ploop_file *file, *idx;
	struct ploop_header header;
	uint8_t page[PLOOP_PAGE_BYTES];
};

static void table_free(struct table **at)
{
	struct table *table = *at;

	if (!table)
		return;
	ploop_file_close(table->file);
	ploop_file_close(table->idx);
	free(table->idx_name);
	free(table);
}
#define cleanup_table __attribute__((cleanup(table_free)))

static int failed(const struct table *table, int r, struct stor_err *err)
{
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: convert \"%s\"", table->name) : 0;
}

/* NULL with err filled. */
static struct table *table_open(struct ploop_disk *disk, const char *name, struct stor_err *err)
{
	struct table *table = calloc(1, sizeof(*table));
	unsigned flags = (disk->open_flags & PLOOP_OPEN_LOCK) | PLOOP_OPEN_WRITE | PLOOP_OPEN_OWN;
	const char *why = NULL;
	int r = -ENOMEM;

	if (table && asprintf(&table->idx_name, "%s.idx", name) >= 0) {
		table->disk = disk;
		table->name = name;
		r = disk->dir->ops->open(disk->dir, name, flags, &table->file);
		if (!r)
			r = table->file->ops->pread(table->file, table->page, PLOOP_PAGE_BYTES, 0);
		why = r ? NULL : ploop_header_parse(table->page, &table->header);
	}
	if (!r && !why)
		return table;
	host->fail(err, r == -EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, -r,
	           "ploop: open image %s of %s%s%s", name, disk->path, why ? ": " : "",
	           why ? why : "");
	table_free(&table);
	return NULL;
}

static int write_header(struct table *table, const struct ploop_header *header)
{
	struct ploop_file *file = table->file;
	int r = file->ops->pread(file, table->page, PLOOP_PAGE_BYTES, 0);

	ploop_header_encode(header, table->page);
	if (!r)
		r = file->ops->pwrite(file, table->page, PLOOP_PAGE_BYTES, 0);
	return r ? r : file->ops->sync(file);
}

static uint64_t table_bytes(const struct ploop_header *header)
{
	return (uint64_t)header->first_sector * PLOOP_SECTOR;
}

/* Every slot of the page for another version. false: one is damaged. */
static bool translate(struct table *table, const struct ploop_header *to, uint64_t index)
{
	for (unsigned i = index ? 0 : PLOOP_HEADER_SLOTS; i < PLOOP_PAGE_SLOTS; i++) {
		uint8_t *at = table->page + (size_t)i * 4;
		uint32_t slot = ploop_get32(at), cluster;

		if (index * PLOOP_PAGE_SLOTS + i - PLOOP_HEADER_SLOTS >= table->header.entries)
			break;
		if (!slot)
			continue;
		if (!ploop_slot_decode(&table->header, slot, &cluster))
			return false;
		ploop_put32(at, ploop_slot_encode(to, cluster));
	}
	return true;
}

static int remove_idx(struct table *table)
{
	struct ploop_dir *dir = table->disk->dir;
	int r = dir->ops->unlink(dir, table->idx_name);

	if (r == -ENOENT)
		return 0;
	return r ? r : dir->ops->sync(dir);
}

/* Copy header and table, durably, having looked at every slot. */
static int back_up(struct table *table, const struct ploop_header *to)
{
	struct ploop_dir *dir = table->disk->dir;
	uint64_t end = table_bytes(&table->header);
	int r = remove_idx(table);

	if (!r)
		r = dir->ops->open(dir, table->idx_name, PLOOP_OPEN_CREATE, &table->idx);
	for (uint64_t at = 0; at < end && !r; at += PLOOP_PAGE_BYTES) {
		r = table->file->ops->pread(table->file, table->page, PLOOP_PAGE_BYTES, at);
		if (!r)
			r = table->idx->ops->pwrite(table->idx, table->page, PLOOP_PAGE_BYTES, at);
		if (!r && !translate(table, to, at / PLOOP_PAGE_BYTES))
			r = -EIO;
	}
	if (!r && !ploop_op_fault(table->disk, COPY_UNSYNCED))
		r = table->idx->ops->sync(table->idx);
	if (!r)
		r = dir->ops->sync(dir);
	if (r)
		(void)remove_idx(table);
	return r;
}

static int rewrite(struct table *table, const struct ploop_header *to)
{
	struct ploop_file *file = table->file;
	uint64_t end = table_bytes(to);
	int r = 0;

	for (uint64_t at = 0; at < end && !r; at += PLOOP_PAGE_BYTES) {
		r = file->ops->pread(file, table->page, PLOOP_PAGE_BYTES, at);
		if (!r && !translate(table, to, at / PLOOP_PAGE_BYTES))
			r = -EIO;
		if (!at)
			ploop_header_encode(to, table->page);
		if (!r)
			r = file->ops->pwrite(file, table->page, PLOOP_PAGE_BYTES, at);
	}
	return r ? r : file->ops->sync(file);
}

/* Can it be said in the other version? NULL, or why not. */
static const char *check_fits(struct table *table, unsigned version, struct ploop_header *to)
{
	uint64_t size = 0;
	const char *why;

	*to = table->header;
	to->version = version;
	why = ploop_header_resize(to, table->header.sectors);
	if (why)
		return why;
	*to = table->header;
	to->version = version;
	if (table->file->ops->size(table->file, &size) ||
	    size / ploop_header_cluster_bytes(to) > ploop_header_slot_limit(to))
		return "file too large for version 1 of the format";
	return NULL;
}

int ploop_ops_convert_file(struct ploop_disk *disk, const char *name, unsigned version,
                           struct stor_err *err)
{
	cleanup_table struct table *table = table_open(disk, name, err);
	struct ploop_header to, under_way;
	const char *why;
	int r;

	if (!table)
		return -1;
	if (table->header.version == version)
		return 0;
	why = check_fits(table, version, &to);
	if (why)
		return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: convert \"%s\": %s", name, why);
	r = back_up(table, &to);
	if (r)
		return failed(table, r, err);
	under_way = table->header;
	under_way.flags |= PLOOP_FLAG_CONVERT;
	under_way.mark = PLOOP_MARK_IN_USE;
	r = write_header(table, &under_way);
	under_way.version = version;
	if (!r)
		r = rewrite(table, &under_way);
	if (!r)
		r = write_header(table, &to);
	if (!r)
		r = remove_idx(table);
	return failed(table, r, err);
}

/* The copy belongs to this file. */
static bool is_backup_of(const struct ploop_header *idx, const struct ploop_header *header)
{
	return idx->cluster_sectors == header->cluster_sectors && idx->entries == header->entries &&
	       idx->first_sector == header->first_sector;
}

static int restore(struct table *table)
{
	struct ploop_file *file = table->file;
	struct ploop_header old, under_way;
	uint64_t size = 0;
	int r = table->idx->ops->size(table->idx, &size);

	if (!r)
		r = table->idx->ops->pread(table->idx, table->page, PLOOP_PAGE_BYTES, 0);
	if (r)
		return r;
	if (ploop_header_parse(table->page, &old) || !is_backup_of(&old, &table->header) ||
	    size < table_bytes(&old))
		return -EINVAL;
	old.flags &= ~PLOOP_FLAG_CONVERT;
	under_way = old;
	under_way.flags |= PLOOP_FLAG_CONVERT;
	under_way.mark = PLOOP_MARK_IN_USE;
	for (uint64_t at = 0; at < table_bytes(&old) && !r; at += PLOOP_PAGE_BYTES) {
		r = table->idx->ops->pread(table->idx, table->page, PLOOP_PAGE_BYTES, at);
		if (!at)
			ploop_header_encode(&under_way, table->page);
		if (!r)
			r = file->ops->pwrite(file, table->page, PLOOP_PAGE_BYTES, at);
	}
	if (!r)
		r = file->ops->sync(file);
	return r ? r : write_header(table, &old);
}

int ploop_ops_restore_table(struct ploop_disk *disk, const char *name, struct stor_err *err)
{
	cleanup_table struct table *table = table_open(disk, name, err);
	int r;

	if (!table)
		return -1;
	if (!(table->header.flags & PLOOP_FLAG_CONVERT))
		return failed(table, remove_idx(table), err);
	r = disk->dir->ops->open(disk->dir, table->idx_name, PLOOP_OPEN_OWN, &table->idx);
	if (!r)
		r = restore(table);
	if (r == -ENOENT || r == -EINVAL)
		return host->fail(err, STOR_FAILED, 0,
		                  "ploop: \"%s\": conversion was interrupted, and \"%s\" with its "
		                  "old table is %s",
		                  name, table->idx_name,
		                  r == -ENOENT ? "missing" : "not of this image");
	if (!r)
		host->log(STOR_LOG_INFO, "ploop: \"%s\": conversion undone", name);
	return failed(table, r ? r : remove_idx(table), err);
}

/* --- all files --- */

int ploop_ops_convert_all(struct ploop_disk *disk, unsigned version, struct stor_err *err)
{
	const struct ploop_descriptor *d = &disk->descriptor;

	for (unsigned i = 0; i < d->image_count; i++) {
		const struct ploop_shot *shot = ploop_descriptor_shot(d, d->images[i].guid);
		bool is_raw =
			d->images[i].is_plain && shot && guid_equal(shot->parent, PLOOP_NO_GUID);

		if (is_raw || !ploop_file_is_own(d->images[i].file))
			continue;
		if (host->progress("converting", i, d->image_count, err) ||
		    ploop_ops_convert_file(disk, d->images[i].file, version, err))
			return -1;
	}
	return 0;
}

int ploop_op_convert_version(struct ploop_disk *disk, unsigned version, struct stor_err *err)
{
	struct libploop_job job = { .op = LIBPLOOP_VERSION, .version = version };
	struct ploop_intent intent = { .text = NULL };
	int r;

	if (version != 1 && version != 2)
		return host->fail(err, STOR_USAGE, 0, "ploop: convert %s: version %u is unknown",
		                  disk->path, version);
	/* Old programs want all files of one version: what is interrupted goes on when it is found.
	 */
	ploop_intent_version(&intent, version);
	if (ploop_op_settle(disk, err) || ploop_intent_store(disk, &intent, err))
		return -1;
	r = ploop_tool_do(disk, &job, "convert", err);
	if (r > 0)
		r = ploop_ops_convert_all(disk, version, err);
	if (r) {
		/* Said, and not to be tried again by whoever opens the disk next. */
		(void)disk->dir->ops->unlink(disk->dir, PLOOP_INTENT_NAME);
		return -1;
	}
	r = disk->dir->ops->unlink(disk->dir, PLOOP_INTENT_NAME);
	return r && r != -ENOENT ? host->fail(err, STOR_FAILED, -r,
	                                      "ploop: remove %s/" PLOOP_INTENT_NAME, disk->path)
	                         : 0;
}
