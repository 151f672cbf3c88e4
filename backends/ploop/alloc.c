/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which clusters of the top's file are in use. Nothing on disk says so but the table itself, so it
 * is read whole once, before the first allocation; the same pass finds damage, and a damaged table
 * gets no new slots.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#define SCAN_BYTES (256u << 10)

static bool test_bit(const uint64_t *bits, uint64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void set_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static void clear_bit(uint64_t *bits, uint64_t i)
{
	bits[i / 64] &= ~(UINT64_C(1) << i % 64);
}

bool ploop_alloc_is_used(const struct ploop_alloc *alloc, uint64_t cluster)
{
	return cluster < alloc->end && test_bit(alloc->used, cluster);
}

static int make_room(struct ploop_alloc *alloc, uint64_t bits)
{
	uint64_t want;
	uint64_t *used;

	if (bits <= alloc->bits)
		return 0;
	want = (bits + bits / 8 + 4096) / 64 * 64;
	used = realloc(alloc->used, want / 8);
	if (!used)
		return -ENOMEM;
	memset(used + alloc->bits / 64, 0, (want - alloc->bits) / 8);
	alloc->used = used;
	alloc->bits = want;
	return 0;
}

/* Mark what one piece of the table refers to. */
static int scan_slots(struct ploop_engine *engine, const uint8_t *slots, size_t count)
{
	const struct ploop_level *top = ploop_top(engine);
	struct ploop_alloc *alloc = &engine->alloc;
	uint32_t start = ploop_header_data_start(&top->header);

	for (size_t i = 0; i < count; i++) {
		uint32_t slot = ploop_get32(slots + i * 4), cluster;

		if (!slot)
			continue;
		if (!ploop_slot_decode(&top->header, slot, &cluster) || cluster < start ||
		    cluster >= top->clusters || test_bit(alloc->used, cluster))
			return -EIO;
		set_bit(alloc->used, cluster);
		alloc->free_count--;
	}
	return 0;
}

static int scan_table(struct ploop_engine *engine)
{
	const struct ploop_level *top = ploop_top(engine);
	uint64_t end = PLOOP_HEADER_BYTES + (uint64_t)top->header.entries * 4;
	cleanup_free uint8_t *data = aligned_alloc(PLOOP_PAGE_BYTES, SCAN_BYTES);

	if (!data)
		return -ENOMEM;
	for (uint64_t offset = 0; offset < end; offset += SCAN_BYTES) {
		size_t skip = offset ? 0 : PLOOP_HEADER_BYTES;
		uint64_t got = end - offset < SCAN_BYTES ? end - offset : SCAN_BYTES;
		uint64_t whole = (got + PLOOP_PAGE_BYTES - 1) / PLOOP_PAGE_BYTES * PLOOP_PAGE_BYTES;
		int r = top->file->ops->pread(top->file, data, whole, offset);

		if (!r)
			r = scan_slots(engine, data + skip, (got - skip) / 4);
		if (r)
			return r;
	}
	return 0;
}

int ploop_alloc_scan(struct ploop_engine *engine)
{
	struct ploop_alloc *alloc = &engine->alloc;
	struct ploop_level *top = ploop_top(engine);
	uint32_t start = ploop_header_data_start(&top->header);
	int r;

	if (alloc->is_scanned)
		return 0;
	if (alloc->is_damaged)
		return -EIO;
	alloc->end = top->clusters;
	r = make_room(alloc, alloc->end);
	if (r)
		return r;
	memset(alloc->used, 0, alloc->bits / 8);
	for (uint32_t i = 0; i < start; i++)
		set_bit(alloc->used, i);
	alloc->free_count = alloc->end - start;
	r = scan_table(engine);
	if (r) {
		alloc->is_damaged = r == -EIO;
		return r;
	}
	for (size_t i = 0; i < engine->reserved_count; i++) {
		uint64_t cluster = engine->reserved[i];

		if (cluster < alloc->end && !test_bit(alloc->used, cluster)) {
			set_bit(alloc->used, cluster);
			alloc->free_count--;
		}
	}
	alloc->hint = start;
	alloc->is_scanned = true;
	return 0;
}

int ploop_alloc_drop_reserved(struct ploop_engine *engine)
{
	if (engine->reserved_count) {
		/* What the extension said of its clusters may be wrong: only the table counts. */
		if (engine->alloc.is_scanned)
			ploop_top(engine)->clusters = engine->alloc.end;
		engine->reserved_count = 0;
		ploop_alloc_reset(engine);
	}
	return ploop_alloc_scan(engine);
}

static void set_free(struct ploop_alloc *alloc, uint32_t cluster)
{
	clear_bit(alloc->used, cluster);
	alloc->free_count++;
	if (cluster < alloc->hint)
		alloc->hint = cluster;
}

/* Clusters whose clearing is durable become free once no older request is under way. */
static void cool(struct ploop_engine *engine, bool is_quiet)
{
	struct ploop_freed_list *cooling = &engine->alloc.cooling;
	uint64_t oldest = engine->oldest && !is_quiet ? engine->oldest->sequence : UINT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < cooling->count; i++) {
		if (cooling->items[i].sequence <= oldest)
			set_free(&engine->alloc, cooling->items[i].cluster);
		else
			cooling->items[kept++] = cooling->items[i];
	}
	cooling->count = kept;
}

int ploop_alloc_take(struct ploop_engine *engine, uint32_t *cluster)
{
	struct ploop_alloc *alloc = &engine->alloc;
	uint64_t i;
	int r = ploop_alloc_scan(engine);

	if (r)
		return r;
	if (alloc->cooling.count)
		cool(engine, false);
	i = alloc->hint / 64;
	if (alloc->free_count) {
		while (!~alloc->used[i])
			i++;
		i = i * 64 + (uint64_t)__builtin_ctzll(~alloc->used[i]);
		alloc->free_count--;
	} else {
		i = alloc->end;
		if (i >= ploop_header_slot_limit(&ploop_top(engine)->header))
			return -ENOSPC;
		r = make_room(alloc, i + 1);
		if (r)
			return r;
		alloc->end = i + 1;
		engine->ahead.appended++;
	}
	set_bit(alloc->used, i);
	alloc->hint = i + 1;
	*cluster = (uint32_t)i;
	return 0;
}

void ploop_alloc_give_back(struct ploop_engine *engine, uint32_t cluster)
{
	set_free(&engine->alloc, cluster);
}

static int list_add(struct ploop_freed_list *list, uint32_t cluster, uint64_t sequence)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		struct ploop_freed *items = realloc(list->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = (struct ploop_freed){ cluster, sequence };
	return 0;
}

/* Move everything from one list to the end of another. What finds no room is leaked until the next
 * scan: that wastes a cluster and harms nothing. */
static void list_move(struct ploop_freed_list *from, struct ploop_freed_list *to)
{
	for (size_t i = 0; i < from->count; i++)
		if (list_add(to, from->items[i].cluster, from->items[i].sequence))
			break;
	from->count = 0;
}

int ploop_alloc_free(struct ploop_engine *engine, uint32_t cluster)
{
	int r = ploop_alloc_scan(engine);

	if (r)
		return r;
	if (ploop_fault(engine, EARLY_REUSE)) {
		set_free(&engine->alloc, cluster);
		return 0;
	}
	return list_add(&engine->alloc.pending, cluster, engine->next_sequence);
}

void ploop_alloc_flush_begins(struct ploop_engine *engine)
{
	list_move(&engine->alloc.pending, &engine->alloc.flushing);
}

void ploop_alloc_flush_ends(struct ploop_engine *engine, bool succeeded)
{
	struct ploop_alloc *alloc = &engine->alloc;

	list_move(&alloc->flushing, succeeded ? &alloc->cooling : &alloc->pending);
}

void ploop_alloc_settle(struct ploop_engine *engine)
{
	cool(engine, true);
}

void ploop_alloc_reset(struct ploop_engine *engine)
{
	struct ploop_alloc *alloc = &engine->alloc;

	free(alloc->used);
	free(alloc->pending.items);
	free(alloc->flushing.items);
	free(alloc->cooling.items);
	memset(alloc, 0, sizeof(*alloc));
}
