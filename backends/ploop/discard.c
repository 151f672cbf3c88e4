/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Discard: clusters of the top that nothing shows through become free. A cluster that a file below
 * has too must stay: without it the old content would come back. */
#include "ploop/internal.h"

#include <errno.h>

static int discard_cluster(struct ploop_engine *engine, uint32_t guest)
{
	struct ploop_place place, below;
	int r = ploop_map_get(engine, guest, &place);

	if (r)
		return r;
	if (place.level != engine->levels - 1 || ploop_allocating(engine, guest))
		return 0;
	r = ploop_map_get_below(engine, guest, &below);
	if (r || below.level != PLOOP_LEVEL_NONE)
		return r;
	r = ploop_alloc_free(engine, place.cluster);
	if (r)
		return r;
	ploop_map_set(engine, guest, 0);
	engine->is_modified = true;
	return 0;
}

int ploop_discard(struct ploop_engine *engine, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;
	uint64_t first = (offset + engine->cluster_bytes - 1) >> engine->cluster_shift;
	uint64_t last = end == engine->size_bytes ? engine->clusters : end >> engine->cluster_shift;
	uint32_t next;

	if (ploop_top(engine)->is_raw)
		return 0;
	for (uint64_t guest = first; guest < last; guest++) {
		int r;

		if (ploop_map_skips(engine, (uint32_t)guest, &next)) {
			guest = (uint64_t)next - 1;
			continue;
		}
		r = discard_cluster(engine, (uint32_t)guest);
		if (r)
			return r;
	}
	return 0;
}
