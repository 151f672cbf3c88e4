/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ploop engine: one disk made of a chain of image files, read and written by requests.
 *
 *      request ──► plan: which clusters lie where ──► pieces ──► I/O on image files ──► done
 *                        │                              ▲
 *                        └─ not in the top: allocate, copy up
 *
 * The engine starts no thread and waits for nothing: an executor performs its I/O and calls it
 * back. A server gives it one that queues the I/O in a ring; ploop_engine_blockdev() uses one that
 * performs it at once, and is called by several threads. Blocks of the allocation table that are
 * met for the first time are the exception: they are read in place, 4 KiB each.
 *
 * Durability: a completed flush makes durable all that completed before it: the data first, then
 * the slots that point to it. Between flushes no slot is written. A cluster freed by a discard is
 * reused only when a flush has made the clearing of its slot durable and no request that might
 * know the old place is under way. So after a power cut the image holds each cluster as it was at
 * the last flush or later, and nothing else but an in-use mark, clusters that nobody refers to, and
 * a file that ends within one.
 */
#ifndef PLOOP_ENGINE_H
#define PLOOP_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "common/blockdev.h"
#include "ploop/file.h"
#include "ploop/format.h"

struct ploop_engine;

enum ploop_io_op {
	PLOOP_IO_READ,
	PLOOP_IO_WRITE,
	PLOOP_IO_ZERO,
	PLOOP_IO_EXTEND, /* may be refused */
	PLOOP_IO_SYNC
};

/* One I/O on an image file. */
struct ploop_io {
	enum ploop_io_op op;
	struct ploop_file *file;
	void *data; /* of READ and WRITE */
	uint64_t length, offset;
	/* Called once, by any thread, without locks held; result is 0 or a negative errno value. */
	void (*done)(struct ploop_io *io, int result);
	struct ploop_io *next; /* the executor's, then the engine's */
};

struct ploop_executor {
	/* Perform the I/O, now or later, and call io->done(). Must not fail otherwise. */
	void (*submit)(struct ploop_executor *executor, struct ploop_io *io);
};

/* Performs every I/O at once, in the calling thread. */
extern struct ploop_executor ploop_executor_sync;

/* Perform one I/O in this thread; 0 or a negative errno value. */
int ploop_io_perform(const struct ploop_io *io);

enum ploop_request_op {
	PLOOP_READ,
	PLOOP_WRITE,
	PLOOP_FLUSH,
	PLOOP_DISCARD, /* the content no longer matters */
	PLOOP_ZERO,    /* reads as zeros afterwards, without taking room where possible */
	PLOOP_EXTEND,  /* the engine's own: see ahead.c */
};

struct ploop_piece;

struct ploop_request {
	/* Set by the caller. */
	enum ploop_request_op op;
	void *data;              /* READ, WRITE */
	uint64_t offset, length; /* within the disk */
	/* Called once, by any thread; the request is the caller's again from here on. */
	void (*done)(struct ploop_request *request, int result);
	void *ctx;
	/* The engine's own. */
	struct ploop_engine *engine;
	uint64_t sequence;
	struct ploop_request *prev, *next; /* in flight, oldest first; or held */
	struct ploop_request *next_flush;
	unsigned pending;
	int result;
};

/* Start a request. Out of range: completes with -EINVAL. */
void ploop_submit(struct ploop_engine *engine, struct ploop_request *request);

/* One file of a chain, base first. */
struct ploop_link {
	struct ploop_file *file; /* the engine takes it over when opening succeeds */
	bool is_raw;             /* Type Plain: the file is the disk; only the base can be */
	const char *name;        /* for messages; copied */
};

struct ploop_open_params {
	const struct ploop_link *links; /* base first; the last one is the top */
	unsigned count;
	bool writable;            /* the top's file is open for writing */
	uint32_t cluster_sectors; /* for a chain of one raw file; 0: the default */
	/* The image may carry a mark of an unclean end: its table is examined, and what a power cut
	 * leaves is put right. Otherwise such an image is refused to a writer. */
	bool recover;
	struct ploop_executor *executor; /* NULL: ploop_executor_sync */
	/* How far to extend a file that grows ahead of need, at most. Closing cuts it off. */
	uint64_t ahead_bytes;
#ifdef PLOOP_FAULTS
	unsigned faults; /* PLOOP_FAULT_*: bugs put back on purpose, for tests of the tests */
#endif
};

/* Opens a chain. A writable top gets its in-use mark, durably, before this returns. NULL with err
 * filled; the files then stay the caller's. */
struct ploop_engine *ploop_engine_open(const struct ploop_open_params *params,
                                       struct stor_err *err);

/* Flush, take the mark back, and close all files. No request may be under way. When the flush fails
 * the mark stays, -1 is returned with err filled, and the engine is gone all the same. */
int ploop_engine_close(struct ploop_engine *engine, struct stor_err *err);

/* Let go of everything without a flush, as after a kill; the mark stays. */
void ploop_engine_abandon(struct ploop_engine *engine);

uint64_t ploop_engine_size(const struct ploop_engine *engine);
uint32_t ploop_engine_cluster_bytes(const struct ploop_engine *engine);

/* The engine as a block device, called synchronously by any number of threads. It lives as long as
 * the engine; its close() flushes and closes the engine too. */
struct blockdev *ploop_engine_blockdev(struct ploop_engine *engine);

/* The extent that begins at `offset`; may end early. 0 or a negative errno value. */
int ploop_engine_extent(struct ploop_engine *engine, uint64_t offset,
                        struct blockdev_extent *extent);

/*
 * Changes to an open engine, by one caller at a time. Each holds new requests back, waits for those
 * under way, flushes, works, and lets the held ones go: with an executor that only works while
 * its owner's loop turns, the owner first holds and turns the loop until ploop_engine_is_quiet().
 */
void ploop_engine_hold(struct ploop_engine *engine);
bool ploop_engine_is_quiet(struct ploop_engine *engine);
void ploop_engine_release(struct ploop_engine *engine);

/* Enlarge the disk (the top's own table; what lies below stays shorter and reads as zeros). */
int ploop_engine_grow(struct ploop_engine *engine, uint64_t size_bytes, struct stor_err *err);

/* Move clusters from the file's end into free ones and cut the file. */
int ploop_engine_compact(struct ploop_engine *engine, uint64_t *freed_bytes, struct stor_err *err);

/* Give every cluster that has none its own, reading as before. */
int ploop_engine_preallocate(struct ploop_engine *engine, struct stor_err *err);

/* Called when the new top could be written to, and nothing was: 0, or a negative errno value with
 * nothing changed. */
struct ploop_commit {
	int (*run)(void *ctx);
	void *ctx;
};

/* Continue on top of the present chain in a new, empty delta, which the engine takes over; the old
 * top is closed for writing with its mark taken back. commit: NULL where nothing is to be done. On
 * failure the engine goes on as before. */
int ploop_engine_push(struct ploop_engine *engine, const struct ploop_link *top,
                      const struct ploop_commit *commit, struct stor_err *err);

/* Go on with other files below the top, which together read as those there were. They are taken
 * over on success, and the old ones closed. */
int ploop_engine_rebase(struct ploop_engine *engine, const struct ploop_link *links, unsigned count,
                        struct stor_err *err);

/* Use the files past the host's page cache from now on, but the first `shared` ones: as
 * ploop_file_go_direct(). */
void ploop_engine_go_direct(struct ploop_engine *engine, unsigned shared, uint32_t granule_bytes);

struct ploop_usage {
	uint64_t size_bytes;      /* of the disk */
	uint64_t file_bytes;      /* of the top's file */
	uint64_t allocated_bytes; /* in clusters that the top refers to */
	uint64_t free_bytes;      /* in clusters of the file that nobody refers to */
};
int ploop_engine_usage(struct ploop_engine *engine, struct ploop_usage *usage,
                       struct stor_err *err);

#define PLOOP_FAULT_SLOT_FIRST 1u  /* slots are written before the data is durable */
#define PLOOP_FAULT_NO_SYNC 2u     /* a flush forgets to make its slots durable */
#define PLOOP_FAULT_EARLY_CLEAR 4u /* the mark is taken back before the last flush */
#define PLOOP_FAULT_EARLY_REUSE 8u /* freed clusters are reused before a flush */
#define PLOOP_FAULT_MOVE_UNSYNCED                                                                  \
	16u /* moved clusters' slots are written before the copy is safe */

#endif
