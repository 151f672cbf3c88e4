/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes to the chain of an open engine: a new top, and other files below it. The engine is
 * stopped meanwhile. */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"

/* --- a new top --- */

static int check_new_top(struct ploop_engine *engine, struct ploop_level *level,
                         struct stor_err *err)
{
	if (engine->levels == PLOOP_CHAIN_MAX)
		return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: the chain has %u files already",
		                  engine->levels);
	if (level->is_raw || ploop_header_cluster_bytes(&level->header) != engine->cluster_bytes ||
	    (level->header.sectors + level->header.cluster_sectors - 1) * PLOOP_SECTOR <
	            engine->size_bytes)
		return host->fail(err, STOR_FAILED, 0,
		                  "ploop: \"%s\" does not fit on top of \"%s\"", level->name,
		                  ploop_top(engine)->name);
	return 0;
}

static int put_on_top(struct ploop_engine *engine, struct ploop_level *level,
                      const struct ploop_commit *commit)
{
	struct ploop_level *old = ploop_top(engine);
	int r = ploop_engine_flush_quiet(engine);

	if (r)
		return r;
	if (!old->is_raw) {
		r = engine->is_modified ? ploop_top_tidy(engine) : 0;
		if (!r)
			r = ploop_top_close_mark(engine);
		if (r)
			return r;
		old->clusters = engine->alloc.is_scanned ? engine->alloc.end : old->clusters;
	}
	ploop_map_forget(engine);
	ploop_alloc_reset(engine);
	engine->reserved_count = 0;
	engine->levels++;
	*ploop_top(engine) = *level;
	engine->closing_mark = PLOOP_MARK_CLOSED;
	engine->is_modified = false;
	ploop_top(engine)->header.mark = PLOOP_MARK_IN_USE;
	r = ploop_top_write_header(engine, &ploop_top(engine)->header);
	return r || !commit ? r : commit->run(commit->ctx);
}

int ploop_engine_push(struct ploop_engine *engine, const struct ploop_link *top,
                      const struct ploop_commit *commit, struct stor_err *err)
{
	struct ploop_level level = { .name = NULL };
	int r;

	if (ploop_level_read(&level, top, err) || check_new_top(engine, &level, err)) {
		free(level.name);
		return -1;
	}
	ploop_engine_stop(engine);
	r = put_on_top(engine, &level, commit);
	if (r && ploop_top(engine)->file == top->file)
		engine->levels--;
	if (r && !ploop_top(engine)->is_raw) {
		/* Back to the old top, which goes on being written. */
		ploop_top(engine)->header.mark = PLOOP_MARK_IN_USE;
		if (ploop_top_write_header(engine, &ploop_top(engine)->header))
			engine->flush.failed = true;
	}
	ploop_engine_release(engine);
	if (!r)
		return 0;
	free(level.name);
	return host->fail(err, STOR_FAILED, -r, "ploop: put \"%s\" on top", top->name);
}

/* --- other files below --- */

static void close_levels(struct ploop_level *levels, unsigned count, bool closes_files)
{
	for (unsigned i = 0; i < count; i++) {
		if (closes_files)
			ploop_file_close(levels[i].file);
		free(levels[i].name);
	}
}

/* Read the new ones; what was read is to be freed, whether it fails or not. */
static int read_levels(struct ploop_engine *engine, const struct ploop_link *links, unsigned count,
                       struct ploop_level *levels, struct stor_err *err)
{
	for (unsigned i = 0; i < count; i++) {
		if (ploop_level_read(&levels[i], &links[i], err))
			return -1;
		if (levels[i].is_raw)
			levels[i].clusters = (levels[i].file_bytes + engine->cluster_bytes - 1) >>
			                     engine->cluster_shift;
		else if (ploop_header_cluster_bytes(&levels[i].header) != engine->cluster_bytes)
			return host->fail(err, STOR_FAILED, 0,
			                  "ploop: \"%s\": cluster size differs from the top's",
			                  levels[i].name);
	}
	return 0;
}

static void put_below(struct ploop_engine *engine, struct ploop_level *levels, unsigned count)
{
	struct ploop_level top = *ploop_top(engine);

	if (engine->alloc.is_scanned)
		top.clusters = engine->alloc.end;
	ploop_map_forget(engine);
	close_levels(engine->level, engine->levels - 1, true);
	memcpy(engine->level, levels, count * sizeof(*levels));
	engine->level[count] = top;
	engine->levels = count + 1;
}

int ploop_engine_rebase(struct ploop_engine *engine, const struct ploop_link *links, unsigned count,
                        struct stor_err *err)
{
	cleanup_free struct ploop_level *levels = calloc(count + 1, sizeof(*levels));
	int r;

	if (!levels || count >= PLOOP_CHAIN_MAX)
		return host->fail(err, STOR_FAILED, levels ? E2BIG : ENOMEM, "ploop: take a chain");
	r = read_levels(engine, links, count, levels, err);
	if (!r) {
		ploop_engine_stop(engine);
		r = ploop_engine_flush_quiet(engine);
		if (!r)
			put_below(engine, levels, count);
		else
			host->fail(err, STOR_FAILED, -r, "ploop: flush before the chain changes");
		ploop_engine_release(engine);
	}
	if (r)
		close_levels(levels, count, false);
	return r ? -1 : 0;
}
