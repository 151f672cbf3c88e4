/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a chain, the top's mark and header, recovery after an unclean end, and closing. */
#include "ploop/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"

int ploop_level_read(struct ploop_level *level, const struct ploop_link *link, struct stor_err *err)
{
	cleanup_free uint8_t *page = aligned_alloc(PLOOP_PAGE_BYTES, PLOOP_PAGE_BYTES);
	struct ploop_file *file = link->file;
	const char *why;
	int r;

	*level = (struct ploop_level){ .file = file, .is_raw = link->is_raw };
	level->name = strdup(link->name);
	if (!level->name || !page)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: open \"%s\"", link->name);
	r = file->ops->size(file, &level->file_bytes);
	if (!r && !level->is_raw)
		r = file->ops->pread(file, page, PLOOP_PAGE_BYTES, 0);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: read \"%s\"", link->name);
	if (level->is_raw)
		return 0;
	why = ploop_header_parse(page, &level->header);
	if (why)
		return host->fail(err, STOR_FAILED, 0, "ploop: \"%s\": %s", link->name, why);
	level->clusters = level->file_bytes / ploop_header_cluster_bytes(&level->header);
	if (level->clusters < ploop_header_data_start(&level->header))
		return host->fail(err, STOR_FAILED, 0,
		                  "ploop: \"%s\": file ends within its block allocation table",
		                  link->name);
	if (level->header.flags & PLOOP_FLAG_CONVERT) {
		host->fail(err, STOR_FAILED, 0, "ploop: \"%s\": conversion was interrupted",
		           link->name);
		host->hint(err, "`stor volume check --repair` undoes it");
		return -1;
	}
	return 0;
}

static int read_chain(struct ploop_engine *engine, const struct ploop_open_params *params,
                      struct stor_err *err)
{
	uint32_t cluster_sectors = 0;

	for (unsigned i = 0; i < params->count; i++) {
		struct ploop_level *level = &engine->level[i];

		if (params->links[i].is_raw && i)
			return host->fail(err, STOR_FAILED, 0,
			                  "ploop: \"%s\": raw file on top of another",
			                  params->links[i].name);
		engine->levels = i + 1;
		if (ploop_level_read(level, &params->links[i], err))
			return -1;
		if (level->is_raw)
			continue;
		if (cluster_sectors && cluster_sectors != level->header.cluster_sectors)
			return host->fail(
				err, STOR_FAILED, 0,
				"ploop: \"%s\": cluster size differs from the file below it",
				level->name);
		cluster_sectors = level->header.cluster_sectors;
		if (i + 1 < params->count && level->header.mark == PLOOP_MARK_IN_USE)
			host->log(STOR_LOG_WARN, "ploop: \"%s\" is marked in use below the top",
			          level->name);
	}
	if (!cluster_sectors)
		cluster_sectors = params->cluster_sectors ? params->cluster_sectors
		                                          : PLOOP_CLUSTER_SECTORS_DEFAULT;
	engine->cluster_bytes = cluster_sectors * PLOOP_SECTOR;
	engine->cluster_shift = (unsigned)__builtin_ctz(engine->cluster_bytes);
	return 0;
}

static int set_size(struct ploop_engine *engine, struct stor_err *err)
{
	struct ploop_level *top = ploop_top(engine), *base = &engine->level[0];
	uint64_t clusters;

	engine->size_bytes = top->is_raw ? top->file_bytes / PLOOP_SECTOR * PLOOP_SECTOR
	                                 : top->header.sectors * PLOOP_SECTOR;
	if (base->is_raw)
		base->clusters =
			(base->file_bytes + engine->cluster_bytes - 1) >> engine->cluster_shift;
	clusters = (engine->size_bytes + engine->cluster_bytes - 1) >> engine->cluster_shift;
	if (!clusters || clusters > UINT32_MAX - PLOOP_PAGE_SLOTS)
		return host->fail(err, STOR_FAILED, 0, "ploop: \"%s\": impossible disk size",
		                  top->name);
	engine->clusters = (uint32_t)clusters;
	return 0;
}

int ploop_top_write_header(struct ploop_engine *engine, const struct ploop_header *header)
{
	cleanup_free uint8_t *page = aligned_alloc(PLOOP_PAGE_BYTES, PLOOP_PAGE_BYTES);
	struct ploop_file *file = ploop_top(engine)->file;
	int r;

	if (!page)
		return -ENOMEM;
	r = file->ops->pread(file, page, PLOOP_PAGE_BYTES, 0);
	if (r)
		return r;
	ploop_header_encode(header, page);
	r = file->ops->pwrite(file, page, PLOOP_PAGE_BYTES, 0);
	return r ? r : file->ops->sync(file);
}

static int read_extension(struct ploop_engine *engine, struct stor_err *err)
{
	struct ploop_level *top = ploop_top(engine);
	int r;

	if (!top->header.ext_sector)
		return 0;
	if (top->header.mark != PLOOP_MARK_CLOSED_CBT) {
		host->log(STOR_LOG_WARN, "ploop: \"%s\": stale change tracking data is dropped",
		          top->name);
		engine->is_modified = true;
		return 0;
	}
	r = ploop_ext_read(top->file, &top->header, top->clusters, &engine->reserved,
	                   &engine->reserved_count);
	if (r == -EINVAL) {
		host->log(STOR_LOG_WARN, "ploop: \"%s\": damaged change tracking data is dropped",
		          top->name);
		engine->is_modified = true;
		return 0;
	}
	if (r == -ENOTSUP)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: \"%s\": has a format extension that forbids writing",
		                  top->name);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: read extension of \"%s\"",
		                  top->name);
	/* Now, for a server has nobody to tell it when it closes. */
	host->log(STOR_LOG_WARN,
	          "ploop: \"%s\": its change tracking data is dropped once the disk is written to",
	          top->name);
	return 0;
}

/* Give the file back what a table that ends somewhere and blocks never written take from it. */
int ploop_top_tidy(struct ploop_engine *engine)
{
	struct ploop_level *top = ploop_top(engine);
	struct ploop_alloc *alloc = &engine->alloc;
	uint64_t start = ploop_header_data_start(&top->header), size, end;
	int r = ploop_alloc_drop_reserved(engine);

	if (r)
		return r;
	ploop_alloc_settle(engine);
	while (alloc->end > start && !ploop_alloc_is_used(alloc, alloc->end - 1)) {
		alloc->end--;
		alloc->free_count--;
	}
	if (alloc->hint > alloc->end)
		alloc->hint = alloc->end;
	end = alloc->end << engine->cluster_shift;
	r = top->file->ops->size(top->file, &size);
	if (!r && size > end)
		r = top->file->ops->truncate(top->file, end);
	if (!r)
		r = top->file->ops->seal(top->file, start << engine->cluster_shift,
		                         end - (start << engine->cluster_shift),
		                         engine->cluster_bytes);
	return r ? r : top->file->ops->sync(top->file);
}

static int recover(struct ploop_engine *engine, bool wanted, struct stor_err *err)
{
	struct ploop_level *top = ploop_top(engine);
	int r;

	if (!wanted) {
		host->fail(err, STOR_BUSY, 0, "ploop: \"%s\" is marked in use", top->name);
		host->hint(err, "if nobody uses it, `stor volume check --repair` frees it");
		return -1;
	}
	host->log(STOR_LOG_INFO, "ploop: \"%s\" was not closed; recovering", top->name);
	engine->is_modified = true;
	r = ploop_alloc_scan(engine);
	if (r == -EIO) {
		host->fail(err, STOR_FAILED, 0, "ploop: \"%s\": block allocation table is damaged",
		           top->name);
		host->hint(err, "`stor volume check --repair` mends what can be mended");
		return -1;
	}
	if (!r)
		r = ploop_top_tidy(engine);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: recover \"%s\"", top->name) : 0;
}

static int begin_writing(struct ploop_engine *engine, const struct ploop_open_params *params,
                         struct stor_err *err)
{
	struct ploop_level *top = ploop_top(engine);
	uint32_t mark;
	int r;

	engine->is_writable = true;
	if (top->is_raw)
		return 0;
	mark = top->header.mark;
	engine->closing_mark = mark == PLOOP_MARK_CLOSED_CBT ? mark : PLOOP_MARK_CLOSED;
	if (read_extension(engine, err))
		return -1;
	if (mark == PLOOP_MARK_IN_USE)
		return recover(engine, params->recover, err);
	top->header.mark = PLOOP_MARK_IN_USE;
	r = ploop_top_write_header(engine, &top->header);
	if (r) {
		top->header.mark = mark;
		return host->fail(err, STOR_FAILED, -r, "ploop: mark \"%s\" in use", top->name);
	}
	return 0;
}

int ploop_top_close_mark(struct ploop_engine *engine)
{
	struct ploop_level *top = ploop_top(engine);
	struct ploop_header header = top->header;

	header.mark = engine->closing_mark;
	if (engine->is_modified) {
		if (header.ext_sector)
			host->log(STOR_LOG_INFO, "ploop: \"%s\": change tracking data dropped",
			          top->name);
		header.mark = PLOOP_MARK_CLOSED;
		header.ext_sector = 0;
	}
	if (engine->alloc.is_scanned) {
		uint64_t used = engine->alloc.end - engine->alloc.free_count;

		header.flags &= ~PLOOP_FLAG_EMPTY;
		if (used == ploop_header_data_start(&header))
			header.flags |= PLOOP_FLAG_EMPTY;
	}
	top->header = header;
	return ploop_top_write_header(engine, &header);
}

/* Frees everything but the files. */
static void dispose(struct ploop_engine *engine)
{
	for (unsigned i = 0; i < engine->levels; i++)
		free(engine->level[i].name);
	ploop_map_free(&engine->map);
	ploop_alloc_reset(engine);
	free(engine->reserved);
	pthread_cond_destroy(&engine->changed);
	pthread_mutex_destroy(&engine->lock);
	free(engine);
}

struct ploop_engine *ploop_engine_open(const struct ploop_open_params *params, struct stor_err *err)
{
	struct ploop_engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine) {
		host->fail(err, STOR_FAILED, ENOMEM, "ploop: open");
		return NULL;
	}
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->changed, NULL);
	engine->ahead.bytes = params->writable ? params->ahead_bytes : 0;
	engine->executor = params->executor ? params->executor : &ploop_executor_sync;
#ifdef PLOOP_FAULTS
	engine->faults = params->faults;
#endif
	if (!params->count || params->count > PLOOP_CHAIN_MAX) {
		r = host->fail(err, STOR_FAILED, 0, "ploop: a chain of %u files (at most %u)",
		               params->count, PLOOP_CHAIN_MAX);
	} else {
		r = read_chain(engine, params, err);
		if (!r)
			r = set_size(engine, err);
		if (!r && ploop_map_init(engine))
			r = host->fail(err, STOR_FAILED, ENOMEM, "ploop: open \"%s\"",
			               ploop_top(engine)->name);
		if (!r && params->writable)
			r = begin_writing(engine, params, err);
	}
	if (r) {
		dispose(engine);
		return NULL;
	}
	return engine;
}

static int end_writing(struct ploop_engine *engine)
{
	struct ploop_level *top = ploop_top(engine);
	int r;

	if (!engine->is_writable)
		return 0;
	if (ploop_fault(engine, EARLY_CLEAR) && !top->is_raw) {
		r = ploop_top_close_mark(engine);
		return r ? r : ploop_engine_flush_quiet(engine);
	}
	r = ploop_engine_flush_quiet(engine);
	if (r || top->is_raw)
		return r;
	if (engine->is_modified)
		r = ploop_top_tidy(engine);
	return r ? r : ploop_top_close_mark(engine);
}

void ploop_engine_abandon(struct ploop_engine *engine)
{
	for (unsigned i = 0; i < engine->levels; i++)
		ploop_file_close(engine->level[i].file);
	dispose(engine);
}

int ploop_engine_finish(struct ploop_engine *engine)
{
	int r = end_writing(engine);

	ploop_engine_abandon(engine);
	return r;
}

int ploop_engine_close(struct ploop_engine *engine, struct stor_err *err)
{
	cleanup_free char *name = strdup(ploop_top(engine)->name);
	int r = ploop_engine_finish(engine);

	if (r)
		host->fail(err, STOR_FAILED, -r, "ploop: close \"%s\"", name ? name : "the top");
	return r ? -1 : 0;
}

void ploop_engine_go_direct(struct ploop_engine *engine, unsigned shared, uint32_t granule_bytes)
{
	for (unsigned i = shared; i < engine->levels; i++)
		ploop_file_go_direct(engine->level[i].file, granule_bytes);
}

uint64_t ploop_engine_size(const struct ploop_engine *engine)
{
	return engine->size_bytes;
}

uint32_t ploop_engine_cluster_bytes(const struct ploop_engine *engine)
{
	return engine->cluster_bytes;
}
