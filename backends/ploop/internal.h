/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine's own files share. Everything below is guarded by engine->lock unless it says
 * otherwise. */
#ifndef PLOOP_INTERNAL_H
#define PLOOP_INTERNAL_H

#include <pthread.h>

#include "ploop/engine.h"

/* --- where a guest cluster lies --- */

#define PLOOP_LEVEL_NONE 0xff      /* nowhere: zeros */
#define PLOOP_LEVEL_BAD 0xfe       /* the top's slot is damaged; `cluster` is its raw value */
#define PLOOP_LEVEL_BAD_BELOW 0xfd /* a slot below the top is damaged */

struct ploop_place {
	uint8_t level;    /* index into the chain, or one of the above */
	uint32_t cluster; /* of that file */
};

/* The merged map of PLOOP_PAGE_SLOTS guest clusters: one page of the table of every delta. */
struct ploop_chunk {
	uint32_t index;
	bool is_dirty;
	struct ploop_chunk *next_dirty;
	uint8_t *level; /* NULL: every entry is the top's, or 0 and nowhere */
	uint32_t cluster[PLOOP_PAGE_SLOTS];
};

struct ploop_map {
	struct ploop_chunk **chunks; /* NULL: not read yet */
	uint32_t count;
	struct ploop_chunk *dirty; /* pages that a flush has to write */
	uint32_t dirty_count;
	/* What lies below the top, of the chunk that was last asked for. */
	struct ploop_chunk *below;
};

int ploop_map_init(struct ploop_engine *engine);
void ploop_map_free(struct ploop_map *map);
/* Make room for a longer table. 0 or -ENOMEM. */
int ploop_map_extend(struct ploop_engine *engine, uint32_t entries);
/* Forget everything; nothing may be dirty. */
void ploop_map_forget(struct ploop_engine *engine);
/* Where a guest cluster lies. May read table pages. */
int ploop_map_get(struct ploop_engine *engine, uint32_t guest, struct ploop_place *place);
/* Where it lies when the top is left out. */
int ploop_map_get_below(struct ploop_engine *engine, uint32_t guest, struct ploop_place *place);
/* No cluster of this one's page lies anywhere: *next is the first one of the next page. */
bool ploop_map_skips(struct ploop_engine *engine, uint32_t guest, uint32_t *next);
/* Make sure that ploop_map_set() can work for this cluster. */
int ploop_map_prepare(struct ploop_engine *engine, uint32_t guest);
/* The cluster lies in the top at `cluster`; 0: in the top no more, and nowhere below. */
void ploop_map_set(struct ploop_engine *engine, uint32_t guest, uint32_t cluster);
/* The page as it has to be on disk; page 0 without the header. */
void ploop_map_page(struct ploop_engine *engine, const struct ploop_chunk *chunk, uint8_t *page);
void ploop_map_mark_dirty(struct ploop_engine *engine, struct ploop_chunk *chunk);

static inline uint32_t ploop_page_of(uint32_t guest)
{
	return (guest + PLOOP_HEADER_SLOTS) / PLOOP_PAGE_SLOTS;
}

/* --- clusters of the top's file --- */

struct ploop_freed {
	uint32_t cluster;
	uint64_t sequence; /* requests up to this one may know the cluster */
};

struct ploop_freed_list {
	struct ploop_freed *items;
	size_t count, room;
};

struct ploop_alloc {
	bool is_scanned, is_damaged;
	uint64_t *used;                   /* one bit a cluster of the file */
	uint64_t bits;                    /* room in `used` */
	uint64_t end;                     /* clusters up to here are the file's, or handed out */
	uint64_t free_count;              /* clear bits below `end` */
	uint64_t hint;                    /* no clear bit below */
	struct ploop_freed_list pending;  /* freed, slot not yet cleared on disk */
	struct ploop_freed_list flushing; /* their clearing is being flushed */
	struct ploop_freed_list cooling;  /* cleared; waiting for older requests to end */
};

/* Read the whole table once and learn what is free. -EIO when it is damaged. */
int ploop_alloc_scan(struct ploop_engine *engine);
/* The same, and the extension's clusters are as free as others; for a quiet, flushed engine. */
int ploop_alloc_drop_reserved(struct ploop_engine *engine);
/* A cluster that nobody refers to. 0 or negative errno. */
int ploop_alloc_take(struct ploop_engine *engine, uint32_t *cluster);
/* It was taken and never got referred to. */
void ploop_alloc_give_back(struct ploop_engine *engine, uint32_t cluster);
/* Its slot was cleared in memory. 0 or -ENOMEM (before anything changed). */
int ploop_alloc_free(struct ploop_engine *engine, uint32_t cluster);
void ploop_alloc_flush_begins(struct ploop_engine *engine);
void ploop_alloc_flush_ends(struct ploop_engine *engine, bool succeeded);
/* All freed clusters are free at once; for a quiet, flushed engine. */
void ploop_alloc_settle(struct ploop_engine *engine);
void ploop_alloc_reset(struct ploop_engine *engine);
bool ploop_alloc_is_used(const struct ploop_alloc *alloc, uint64_t cluster);

/* --- requests --- */

enum ploop_piece_kind {
	PIECE_READ,  /* a run within one file */
	PIECE_WRITE, /* a run of clusters that the top has */
	PIECE_NEW,   /* whole clusters that the top gets */
	PIECE_COPY,  /* part of a cluster that the top gets */
	PIECE_WAIT,  /* of a cluster that another piece is just allocating */
};

struct ploop_piece {
	struct ploop_io io;
	struct ploop_request *request;
	enum ploop_piece_kind kind;
	uint64_t offset, length; /* of the disk, in bytes */
	uint32_t guest, count;   /* NEW, COPY, WAIT: guest clusters */
	uint32_t cluster;        /* NEW, COPY: the first of the top's clusters */
	int result;
	struct ploop_place source; /* COPY */
	uint64_t done_bytes;       /* COPY: of the cluster */
	bool is_blank;             /* COPY: the cluster reads as zeros already */
	char *buffer;              /* COPY: one step */
	uint64_t buffer_bytes;
	struct ploop_piece *waiters; /* pieces that wait for this one */
	struct ploop_piece *next;    /* in a plan, or among waiters */
	struct ploop_piece *prev_alloc, *next_alloc;
};

/* A chain of pieces to start once the lock is dropped. */
struct ploop_plan {
	struct ploop_piece *first, *last;
};

/* Plan and start a part of a request; a plan that fails part way leaves the error in the request.
 * Called without the lock, with request->pending held by the caller. */
void ploop_request_run(struct ploop_request *request, uint64_t offset, uint64_t length);
/* One holder of request->pending is through. */
void ploop_request_put(struct ploop_request *request, int result);
void ploop_piece_start(struct ploop_piece *piece);
void ploop_copy_start(struct ploop_piece *piece);
/* NEW and COPY: the data is written, or not. */
void ploop_piece_settle(struct ploop_piece *piece, int result);
/* Free whole clusters that nothing shows below; called with the lock. */
int ploop_discard(struct ploop_engine *engine, uint64_t offset, uint64_t length);
/* Is a piece just allocating this cluster? Called with the lock. */
struct ploop_piece *ploop_allocating(struct ploop_engine *engine, uint32_t guest);
void ploop_flush_start(struct ploop_request *request);
/* Flush by itself when much is dirty. Called without the lock. */
void ploop_flush_kick(struct ploop_engine *engine);
bool ploop_is_zero(const void *data, size_t length);

/* --- room ahead --- */

/* Extend the file if it is time to. Called without the lock. */
void ploop_ahead_kick(struct ploop_engine *engine);
void ploop_ahead_start(struct ploop_request *request);
/* Does a cluster that was just taken read as zeros? old_end: alloc.end before that. */
bool ploop_ahead_is_blank(struct ploop_engine *engine, uint32_t cluster, uint64_t old_end);
/* Cut what is ahead off. The engine is stopped. */
void ploop_ahead_drop(struct ploop_engine *engine);

/* Submit through the engine's executor. */
void ploop_io_start(struct ploop_engine *engine, struct ploop_io *io);

/* --- the engine --- */

struct ploop_level {
	struct ploop_file *file;
	char *name;
	bool is_raw;
	struct ploop_header header; /* not of a raw file */
	uint64_t file_bytes;        /* as of opening */
	uint64_t clusters;          /* that the file holds; the top's grow */
};

struct ploop_flush {
	bool is_running;
	bool is_beginning, begin_again;
	bool failed;                   /* a sync failed: what was written is uncertain for ever */
	bool data_dirty;               /* something was written since the last sync began */
	struct ploop_request *waiting; /* for the next round */
	struct ploop_request *active;  /* of this round */
	struct ploop_io io;
	uint8_t *pages;              /* snapshot of the dirty pages */
	struct ploop_chunk **chunks; /* whose they are */
	uint32_t count, next;
};

struct ploop_ahead {
	uint64_t bytes;    /* the most */
	uint64_t appended; /* clusters, since the engine was opened or the last refusal */
	uint64_t end; /* clusters up to here are the file's; not used for those below alloc.end */
	bool is_running;
	struct ploop_io io;
};

struct ploop_engine {
	struct blockdev dev;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a synchronous request ended, or the engine became quiet */
	struct ploop_executor *executor;
	struct ploop_level level[PLOOP_CHAIN_MAX];
	unsigned levels;
	uint32_t cluster_bytes;
	unsigned cluster_shift;
	uint32_t clusters;   /* of the disk */
	uint64_t size_bytes; /* of the disk */
	bool is_writable;
	bool is_modified;      /* since it was opened */
	uint32_t closing_mark; /* what the mark becomes if nothing was modified */
	uint64_t *reserved;    /* clusters that an extension uses */
	size_t reserved_count;
	struct ploop_map map;
	struct ploop_alloc alloc;
	struct ploop_flush flush;
	struct ploop_ahead ahead;
	struct ploop_piece *allocating; /* NEW and COPY pieces under way */
	uint64_t next_sequence;
	struct ploop_request *oldest, *newest; /* in flight */
	struct ploop_request *held;            /* waiting for the hold to end, oldest first */
	unsigned holds;
#ifdef PLOOP_FAULTS
	unsigned faults;
#endif
};

#ifdef PLOOP_FAULTS
#define ploop_fault(engine, name) ((engine)->faults & PLOOP_FAULT_##name)
#else
#define ploop_fault(engine, name) ((void)(engine), false)
#endif

static inline struct ploop_level *ploop_top(struct ploop_engine *engine)
{
	return &engine->level[engine->levels - 1];
}

/* Close the engine; 0 or a negative errno value (the mark then stays). */
int ploop_engine_finish(struct ploop_engine *engine);
/* Make the top's file what its table says: nothing behind its last cluster, no holes. Quiet. */
int ploop_top_tidy(struct ploop_engine *engine);
/* The mark, flags and extension that a top gets when it is closed. Quiet and flushed. */
int ploop_top_close_mark(struct ploop_engine *engine);
/* Clusters that an extension uses; -ENOTSUP: it must not be written past; -EINVAL: damaged. */
int ploop_ext_read(struct ploop_file *file, const struct ploop_header *header,
                   uint64_t file_clusters, uint64_t **clusters, size_t *count);

/* Write the top's header, with these fields changed, and make it durable. Not for a raw top. */
int ploop_top_write_header(struct ploop_engine *engine, const struct ploop_header *header);
int ploop_level_read(struct ploop_level *level, const struct ploop_link *link,
                     struct stor_err *err);
/* Flush from a caller that holds the engine and has no lock. */
int ploop_engine_flush_quiet(struct ploop_engine *engine);
/* Hold, and wait in this thread until the engine is quiet. */
void ploop_engine_stop(struct ploop_engine *engine);

#endif
