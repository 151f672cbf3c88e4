/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The check of one image file. Repair never guesses: a slot that points nowhere is cleared and said
 * to be lost; a cluster that two slots point to is copied, so that a write to the one no longer
 * changes the other. Every step may be cut short by a power failure and begun anew: the in-use mark
 * goes last, and stays when anything could not be mended.
 */
#include "ploop/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/internal.h"

#define COPY_BYTES (1u << 20)
#define REPORT_MAX 20u /* slots named one by one */

struct examined {
	struct ploop_check *check;
	struct ploop_file *file;
	const char *name;
	struct ploop_header header;
	uint64_t cluster_bytes, file_bytes;
	uint64_t clusters; /* whole ones in the file; repair appends */
	uint64_t *used;    /* one bit each, for the clusters that it had at first */
	uint64_t bits;
	uint64_t used_count;
	uint64_t last_used; /* one past */
	uint64_t *reserved;
	size_t reserved_count;
	uint64_t bad, crossed, named;
	bool is_marked; /* the repair has set the in-use mark */
	uint8_t page[PLOOP_PAGE_BYTES];
};

int ploop_check_say(struct ploop_check *check, const char *key, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!strcmp(key, "error"))
		check->damaged++;
	else if (!strcmp(key, "repaired"))
		check->repaired++;
	return check->emit(check->ctx, key, text);
}

enum stor_verdict ploop_check_verdict(const struct ploop_check *check)
{
	if (check->damaged)
		return STOR_VERDICT_DAMAGED;
	return check->repaired ? STOR_VERDICT_REPAIRED : STOR_VERDICT_CLEAN;
}

static int io_failed(struct examined *e, int r, const char *what, struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, -r, "ploop: check \"%s\": %s", e->name, what);
}

static int write_header(struct examined *e)
{
	uint8_t page[PLOOP_PAGE_BYTES];
	int r = e->file->ops->pread(e->file, page, sizeof(page), 0);

	if (r)
		return r;
	ploop_header_encode(&e->header, page);
	r = e->file->ops->pwrite(e->file, page, sizeof(page), 0);
	return r ? r : e->file->ops->sync(e->file);
}

/* Before the first change. */
static int begin_repair(struct examined *e)
{
	int r = 0;

	if (e->is_marked)
		return 0;
	if (e->header.mark != PLOOP_MARK_IN_USE) {
		e->header.mark = PLOOP_MARK_IN_USE;
		r = write_header(e);
	}
	e->is_marked = !r;
	return r;
}

static bool test_and_set(struct examined *e, uint64_t cluster)
{
	uint64_t bit = UINT64_C(1) << cluster % 64;
	bool was_set = e->used[cluster / 64] & bit;

	e->used[cluster / 64] |= bit;
	e->used_count += !was_set;
	if (cluster >= e->last_used)
		e->last_used = cluster + 1;
	return was_set;
}

/* A copy of a cluster at the file's end. */
static int split(struct examined *e, uint32_t cluster, uint32_t *copy)
{
	uint64_t step = e->cluster_bytes < COPY_BYTES ? e->cluster_bytes : COPY_BYTES;
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, step);
	uint64_t to = e->clusters;
	int r = begin_repair(e);

	if (!buffer)
		return -ENOMEM;
	if (to >= ploop_header_slot_limit(&e->header))
		return -ENOSPC;
	for (uint64_t done = 0; done < e->cluster_bytes && !r; done += step) {
		r = e->file->ops->pread(e->file, buffer, step, cluster * e->cluster_bytes + done);
		if (!r)
			r = e->file->ops->pwrite(e->file, buffer, step,
			                         to * e->cluster_bytes + done);
	}
	if (r)
		return r;
	e->clusters++;
	e->last_used = e->clusters;
	*copy = (uint32_t)to;
	return e->file->ops->sync(e->file);
}

static int say_slot(struct examined *e, uint64_t guest, const char *what)
{
	struct ploop_check *check = e->check;
	const char *key = check->repair ? "repaired" : "error";

	if (++e->named > REPORT_MAX) {
		check->damaged += !check->repair;
		check->repaired += check->repair;
		return 0;
	}
	return ploop_check_say(check, key, "%s: cluster %" PRIu64 " %s", e->name, guest, what);
}

/* One slot; *slot is changed when it is mended. */
static int check_slot(struct examined *e, uint64_t guest, uint32_t *slot, bool *is_changed)
{
	bool repair = e->check->repair;
	uint32_t cluster, copy;
	const char *what = NULL;
	int r;

	if (!ploop_slot_decode(&e->header, *slot, &cluster))
		what = "points into the middle of a cluster";
	else if (cluster < ploop_header_data_start(&e->header))
		what = "points into the block allocation table";
	else if (cluster >= e->bits)
		what = "points beyond the end of the file";
	if (what) {
		e->bad++;
		if (repair) {
			*slot = 0;
			*is_changed = true;
		}
		return say_slot(e, guest, what);
	}
	if (!test_and_set(e, cluster))
		return 0;
	e->crossed++;
	if (repair) {
		r = split(e, cluster, &copy);
		if (r)
			return r;
		*slot = ploop_slot_encode(&e->header, copy);
		*is_changed = true;
	}
	return say_slot(e, guest, "shares its place in the file with another");
}

/* A slot of the table's last cluster that the disk does not have: it would show when it grows. */
static int check_surplus(struct examined *e, uint64_t guest, uint32_t *slot, bool *is_changed)
{
	e->bad++;
	if (e->check->repair) {
		*slot = 0;
		*is_changed = true;
	}
	return say_slot(e, guest, "lies beyond the end of the disk");
}

static int check_page(struct examined *e, uint32_t index)
{
	uint64_t first = (uint64_t)index * PLOOP_PAGE_SLOTS,
		 offset = (uint64_t)index * sizeof(e->page);
	bool is_changed = false;
	int r = e->file->ops->pread(e->file, e->page, sizeof(e->page), offset);

	for (unsigned i = first ? 0 : PLOOP_HEADER_SLOTS; i < PLOOP_PAGE_SLOTS && !r; i++) {
		uint64_t guest = first + i - PLOOP_HEADER_SLOTS;
		uint32_t slot = ploop_get32(e->page + (size_t)i * 4);

		if (!slot)
			continue;
		r = guest < e->header.entries ? check_slot(e, guest, &slot, &is_changed)
		                              : check_surplus(e, guest, &slot, &is_changed);
		ploop_put32(e->page + (size_t)i * 4, slot);
	}
	if (r || !is_changed)
		return r;
	r = begin_repair(e);
	if (!r && !index)
		ploop_header_encode(&e->header, e->page);
	return r ? r : e->file->ops->pwrite(e->file, e->page, sizeof(e->page), offset);
}

static int check_table(struct examined *e, struct stor_err *err)
{
	uint32_t pages =
		(uint32_t)((uint64_t)e->header.first_sector * PLOOP_SECTOR / PLOOP_PAGE_BYTES);
	int r = 0;

	for (uint32_t i = 0; i < pages && !r; i++) {
		r = check_page(e, i);
		if (!r && i % 256 == 0 &&
		    host->progress("checking", (uint64_t)i * sizeof(e->page),
		                   (uint64_t)pages * sizeof(e->page), err))
			return -1;
	}
	if (!r && e->named > REPORT_MAX)
		r = ploop_check_say(e->check, "note", "%s: %" PRIu64 " more such clusters", e->name,
		                    e->named - REPORT_MAX);
	if (!r && e->check->repair && (e->bad || e->crossed))
		r = e->file->ops->sync(e->file);
	return r ? io_failed(e, r, "block allocation table", err) : 0;
}

/* Clusters that nothing refers to, and what the file ends with. */
static int check_file_end(struct examined *e, struct stor_err *err)
{
	uint64_t start = ploop_header_data_start(&e->header), end = e->last_used;
	uint64_t size = e->clusters > e->bits ? e->clusters * e->cluster_bytes : e->file_bytes;
	uint64_t holes;
	int r = 0;

	if (end < start)
		end = start;
	holes = end - start - e->used_count - e->crossed * e->check->repair;
	if (holes)
		r = ploop_check_say(e->check, "note",
		                    "%s: %" PRIu64
		                    " clusters are not referred to and will be reused",
		                    e->name, holes);
	if (r || size == end * e->cluster_bytes)
		return r;
	r = ploop_check_say(e->check, e->check->repair ? "repaired" : "warning",
	                    "%s: %" PRIu64 " bytes behind the last cluster", e->name,
	                    size - end * e->cluster_bytes);
	if (r || !e->check->repair)
		return r;
	r = begin_repair(e);
	if (!r)
		r = e->file->ops->truncate(e->file, end * e->cluster_bytes);
	if (!r)
		r = e->file->ops->sync(e->file);
	return r ? io_failed(e, r, "cut the file's end", err) : 0;
}

/* Marks the extension's clusters as used, or says what is wrong with it. */
static int check_extension(struct examined *e, struct stor_err *err)
{
	const char *what = NULL;
	int r;

	if (!e->header.ext_sector)
		return 0;
	r = ploop_ext_read(e->file, &e->header, e->clusters, &e->reserved, &e->reserved_count);
	if (r == -ENOTSUP)
		return ploop_check_say(e->check, "note", "%s: has an unknown format extension",
		                       e->name);
	if (r == -EINVAL)
		what = "the change tracking data is damaged";
	else if (r)
		return io_failed(e, r, "extension", err);
	else if (e->header.mark != PLOOP_MARK_CLOSED_CBT)
		what = "the change tracking data is stale";
	if (what) {
		r = ploop_check_say(e->check, e->check->repair ? "repaired" : "warning", "%s: %s",
		                    e->name, what);
		if (r || !e->check->repair)
			return r;
		e->header.ext_sector = 0;
		e->reserved_count = 0;
		r = begin_repair(e);
		if (!r)
			r = write_header(e);
		return r ? io_failed(e, r, "extension", err) : 0;
	}
	for (size_t i = 0; i < e->reserved_count; i++)
		test_and_set(e, e->reserved[i]);
	return 0;
}

/* Flags and mark; the mark is taken back only when nothing is left to mend. */
static int check_marks(struct examined *e, uint32_t old_mark, struct stor_err *err)
{
	struct ploop_check *check = e->check;
	bool is_empty = !(e->used_count - e->reserved_count),
	     says_empty = e->header.flags & PLOOP_FLAG_EMPTY;
	bool differs = is_empty != says_empty;
	const char *key = check->repair ? "repaired" : "warning";
	int r = 0;

	if (old_mark == PLOOP_MARK_IN_USE)
		r = ploop_check_say(check, check->damaged ? "warning" : key, "%s: marked in use",
		                    e->name);
	else if (old_mark != PLOOP_MARK_CLOSED && old_mark != PLOOP_MARK_CLOSED_CBT)
		r = ploop_check_say(check, key, "%s: unknown in-use mark", e->name);
	else
		old_mark = e->is_marked ? PLOOP_MARK_CLOSED : old_mark;
	if (!r && differs)
		r = ploop_check_say(check, key, "%s: the Empty flag is wrong", e->name);
	if (r || !check->repair || check->damaged)
		return r;
	if (!differs && e->header.mark == old_mark && old_mark != PLOOP_MARK_IN_USE)
		return 0;
	r = e->file->ops->seal(e->file, (uint64_t)e->header.first_sector * PLOOP_SECTOR,
	                       e->last_used * e->cluster_bytes >
	                                       (uint64_t)e->header.first_sector * PLOOP_SECTOR
	                               ? e->last_used * e->cluster_bytes -
	                                         (uint64_t)e->header.first_sector * PLOOP_SECTOR
	                               : 0,
	                       e->cluster_bytes);
	if (!r)
		r = e->file->ops->sync(e->file);
	e->header.flags &= ~PLOOP_FLAG_EMPTY;
	if (is_empty)
		e->header.flags |= PLOOP_FLAG_EMPTY;
	e->header.mark =
		old_mark == PLOOP_MARK_CLOSED_CBT && !e->is_marked ? old_mark : PLOOP_MARK_CLOSED;
	if (e->header.mark == PLOOP_MARK_CLOSED)
		e->header.ext_sector = 0;
	if (!r)
		r = write_header(e);
	return r ? io_failed(e, r, "header", err) : 0;
}

static int examine(struct examined *e, struct stor_err *err)
{
	const char *why;
	uint32_t mark;
	int r = e->file->ops->size(e->file, &e->file_bytes);

	if (!r)
		r = e->file->ops->pread(e->file, e->page, sizeof(e->page), 0);
	if (r)
		return io_failed(e, r, "header", err);
	why = ploop_header_parse(e->page, &e->header);
	if (why)
		return ploop_check_say(e->check, "error", "%s: %s", e->name, why);
	e->cluster_bytes = ploop_header_cluster_bytes(&e->header);
	e->clusters = e->bits = e->file_bytes / e->cluster_bytes;
	if (e->clusters < ploop_header_data_start(&e->header))
		return ploop_check_say(e->check, "error",
		                       "%s: file ends within its block allocation table", e->name);
	if (e->header.flags & PLOOP_FLAG_CONVERT)
		return ploop_check_say(e->check, "error", "%s: conversion was interrupted",
		                       e->name);
	e->used = calloc(e->bits / 64 + 1, 8);
	if (!e->used)
		return io_failed(e, -ENOMEM, "memory", err);
	mark = e->header.mark;
	if (check_extension(e, err) || check_table(e, err) || check_file_end(e, err))
		return -1;
	return check_marks(e, mark, err);
}

int ploop_check_image(struct ploop_file *file, const char *name, struct ploop_check *check,
                      struct stor_err *err)
{
	struct examined *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: check \"%s\"", name);
	e->check = check;
	e->file = file;
	e->name = name;
	r = examine(e, err);
	free(e->used);
	free(e->reserved);
	free(e);
	return r;
}
