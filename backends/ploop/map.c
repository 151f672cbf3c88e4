/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The merged map of a chain: for each guest cluster the file and the cluster in it, whatever the
 * chain's length. It is read page by page as it is needed, so that opening costs the same for
 * any size, and a page that nobody ever wrote takes no memory.
 */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

/* Every page whose entries all lie nowhere. Never written to. */
static struct ploop_chunk empty_chunk;

static bool is_bad(uint8_t level)
{
	return level == PLOOP_LEVEL_BAD || level == PLOOP_LEVEL_BAD_BELOW;
}

static void chunk_free(struct ploop_chunk *chunk)
{
	if (!chunk || chunk == &empty_chunk)
		return;
	free(chunk->level);
	free(chunk);
}

static void cleanup_chunk_ptr(struct ploop_chunk **chunk)
{
	chunk_free(*chunk);
}
#define cleanup_chunk __attribute__((cleanup(cleanup_chunk_ptr)))

static struct ploop_chunk *chunk_new(uint32_t index)
{
	struct ploop_chunk *chunk = calloc(1, sizeof(*chunk));

	if (chunk)
		chunk->index = index;
	return chunk;
}

/* Entries get a level each; until then they are the chain's last level's. */
static int chunk_split(struct ploop_chunk *chunk, unsigned levels)
{
	if (chunk->level)
		return 0;
	chunk->level = malloc(PLOOP_PAGE_SLOTS);
	if (!chunk->level)
		return -ENOMEM;
	for (unsigned i = 0; i < PLOOP_PAGE_SLOTS; i++)
		chunk->level[i] = chunk->cluster[i] ? (uint8_t)(levels - 1) : PLOOP_LEVEL_NONE;
	return 0;
}

static int chunk_add_raw(struct ploop_engine *engine, struct ploop_chunk *chunk)
{
	uint64_t first = (uint64_t)chunk->index * PLOOP_PAGE_SLOTS;

	for (unsigned i = 0; i < PLOOP_PAGE_SLOTS; i++) {
		uint64_t guest = first + i - PLOOP_HEADER_SLOTS;

		if (first + i < PLOOP_HEADER_SLOTS || guest >= engine->level[0].clusters)
			continue;
		chunk->level[i] = 0;
		chunk->cluster[i] = (uint32_t)guest;
	}
	return 0;
}

static int chunk_add_page(struct ploop_engine *engine, struct ploop_chunk *chunk, unsigned index,
                          unsigned levels, const uint8_t *page)
{
	const struct ploop_level *level = &engine->level[index];
	uint64_t first = (uint64_t)chunk->index * PLOOP_PAGE_SLOTS;
	uint32_t start = ploop_header_data_start(&level->header);
	bool is_last = index == levels - 1;

	for (unsigned i = first ? 0 : PLOOP_HEADER_SLOTS; i < PLOOP_PAGE_SLOTS; i++) {
		uint32_t slot = ploop_get32(page + (size_t)i * 4), cluster;
		bool is_good;

		if (first + i - PLOOP_HEADER_SLOTS >= level->header.entries)
			break;
		if (!slot)
			continue;
		is_good = ploop_slot_decode(&level->header, slot, &cluster) && cluster >= start &&
		          cluster < level->clusters;
		if ((!is_good || !is_last) && chunk_split(chunk, levels))
			return -ENOMEM;
		chunk->cluster[i] = is_good ? cluster : slot;
		if (chunk->level)
			chunk->level[i] = is_good   ? (uint8_t)index
			                  : is_last ? PLOOP_LEVEL_BAD
			                            : PLOOP_LEVEL_BAD_BELOW;
	}
	return 0;
}

/* Merge one page of the first `levels` files. */
static int chunk_load(struct ploop_engine *engine, uint32_t index, unsigned levels,
                      struct ploop_chunk **loaded)
{
	static const uint8_t zeros[PLOOP_PAGE_BYTES];
	cleanup_chunk struct ploop_chunk *chunk = NULL;
	cleanup_free uint8_t *page = aligned_alloc(PLOOP_PAGE_BYTES, PLOOP_PAGE_BYTES);
	uint64_t offset = (uint64_t)index * PLOOP_PAGE_BYTES;

	if (!page)
		return -ENOMEM;
	for (unsigned i = 0; i < levels; i++) {
		struct ploop_level *level = &engine->level[i];
		int r;

		if (!level->is_raw) {
			if (offset >= PLOOP_HEADER_BYTES + (uint64_t)level->header.entries * 4)
				continue;
			r = level->file->ops->pread(level->file, page, PLOOP_PAGE_BYTES, offset);
			if (r)
				return r;
			if (index && !memcmp(page, zeros, PLOOP_PAGE_BYTES))
				continue;
		}
		if (!chunk)
			chunk = chunk_new(index);
		if (!chunk)
			return -ENOMEM;
		if (level->is_raw)
			r = chunk_split(chunk, levels) ? -ENOMEM : chunk_add_raw(engine, chunk);
		else
			r = chunk_add_page(engine, chunk, i, levels, page);
		if (r)
			return r;
	}
	*loaded = chunk ? steal_ptr(&chunk) : &empty_chunk;
	return 0;
}

static int chunk_get(struct ploop_engine *engine, uint32_t index, struct ploop_chunk **chunk)
{
	if (!engine->map.chunks[index]) {
		int r = chunk_load(engine, index, engine->levels, &engine->map.chunks[index]);

		if (r)
			return r;
	}
	*chunk = engine->map.chunks[index];
	return 0;
}

static void chunk_entry(const struct ploop_chunk *chunk, uint32_t guest, unsigned levels,
                        struct ploop_place *place)
{
	unsigned i = (guest + PLOOP_HEADER_SLOTS) % PLOOP_PAGE_SLOTS;

	place->cluster = chunk->cluster[i];
	if (chunk->level)
		place->level = chunk->level[i];
	else
		place->level = place->cluster ? (uint8_t)(levels - 1) : PLOOP_LEVEL_NONE;
}

static bool is_raw_disk(const struct ploop_engine *engine)
{
	return engine->levels == 1 && engine->level[0].is_raw;
}

int ploop_map_get(struct ploop_engine *engine, uint32_t guest, struct ploop_place *place)
{
	struct ploop_chunk *chunk;
	int r;

	if (is_raw_disk(engine)) {
		*place = (struct ploop_place){ .level = 0, .cluster = guest };
		return 0;
	}
	r = chunk_get(engine, ploop_page_of(guest), &chunk);
	if (r)
		return r;
	chunk_entry(chunk, guest, engine->levels, place);
	return is_bad(place->level) ? -EIO : 0;
}

int ploop_map_get_below(struct ploop_engine *engine, uint32_t guest, struct ploop_place *place)
{
	struct ploop_map *map = &engine->map;
	uint32_t index = ploop_page_of(guest);

	if (engine->levels == 1) {
		*place = (struct ploop_place){ .level = PLOOP_LEVEL_NONE };
		return 0;
	}
	if (!map->below || map->below == &empty_chunk || map->below->index != index) {
		struct ploop_chunk *loaded;
		int r = chunk_load(engine, index, engine->levels - 1, &loaded);

		if (r)
			return r;
		chunk_free(map->below);
		map->below = loaded;
	}
	chunk_entry(map->below, guest, engine->levels - 1, place);
	return is_bad(place->level) ? -EIO : 0;
}

int ploop_map_prepare(struct ploop_engine *engine, uint32_t guest)
{
	uint32_t index = ploop_page_of(guest);
	struct ploop_chunk *chunk;
	int r = chunk_get(engine, index, &chunk);

	if (r || chunk != &empty_chunk)
		return r;
	chunk = chunk_new(index);
	if (!chunk)
		return -ENOMEM;
	engine->map.chunks[index] = chunk;
	return 0;
}

void ploop_map_mark_dirty(struct ploop_engine *engine, struct ploop_chunk *chunk)
{
	if (chunk->is_dirty)
		return;
	chunk->is_dirty = true;
	chunk->next_dirty = engine->map.dirty;
	engine->map.dirty = chunk;
	engine->map.dirty_count++;
}

void ploop_map_set(struct ploop_engine *engine, uint32_t guest, uint32_t cluster)
{
	struct ploop_chunk *chunk = engine->map.chunks[ploop_page_of(guest)];
	unsigned i = (guest + PLOOP_HEADER_SLOTS) % PLOOP_PAGE_SLOTS;

	chunk->cluster[i] = cluster;
	if (chunk->level)
		chunk->level[i] = cluster ? (uint8_t)(engine->levels - 1) : PLOOP_LEVEL_NONE;
	ploop_map_mark_dirty(engine, chunk);
}

void ploop_map_page(struct ploop_engine *engine, const struct ploop_chunk *chunk, uint8_t *page)
{
	const struct ploop_header *header = &ploop_top(engine)->header;

	for (unsigned i = 0; i < PLOOP_PAGE_SLOTS; i++) {
		uint8_t level = chunk->level ? chunk->level[i] : (uint8_t)(engine->levels - 1);
		uint32_t slot = 0;

		if (level == PLOOP_LEVEL_BAD)
			slot = chunk->cluster[i];
		else if (level == engine->levels - 1)
			slot = ploop_slot_encode(header, chunk->cluster[i]);
		ploop_put32(page + (size_t)i * 4, slot);
	}
}

int ploop_map_extend(struct ploop_engine *engine, uint32_t entries)
{
	struct ploop_map *map = &engine->map;
	uint32_t count = ploop_page_of(entries - 1) + 1;
	struct ploop_chunk **chunks;

	if (count <= map->count)
		return 0;
	chunks = realloc(map->chunks, count * sizeof(struct ploop_chunk *));
	if (!chunks)
		return -ENOMEM;
	memset(chunks + map->count, 0, (count - map->count) * sizeof(struct ploop_chunk *));
	map->chunks = chunks;
	map->count = count;
	return 0;
}

int ploop_map_init(struct ploop_engine *engine)
{
	return ploop_map_extend(engine, engine->clusters);
}

void ploop_map_forget(struct ploop_engine *engine)
{
	struct ploop_map *map = &engine->map;

	for (uint32_t i = 0; i < map->count; i++) {
		chunk_free(map->chunks[i]);
		map->chunks[i] = NULL;
	}
	chunk_free(map->below);
	map->below = NULL;
	map->dirty = NULL;
	map->dirty_count = 0;
}

void ploop_map_free(struct ploop_map *map)
{
	for (uint32_t i = 0; i < map->count; i++)
		chunk_free(map->chunks[i]);
	chunk_free(map->below);
	free(map->chunks);
}

bool ploop_map_skips(struct ploop_engine *engine, uint32_t guest, uint32_t *next)
{
	uint32_t index = ploop_page_of(guest);
	struct ploop_chunk *chunk;

	if (is_raw_disk(engine) || chunk_get(engine, index, &chunk) || chunk != &empty_chunk)
		return false;
	*next = (index + 1) * PLOOP_PAGE_SLOTS - PLOOP_HEADER_SLOTS;
	return true;
}
