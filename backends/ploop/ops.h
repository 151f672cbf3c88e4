/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations on the files of a stopped disk: snapshots, merges, other formats, by the engine alone.
 *
 * Each is a row of steps after any of which the power may fail. The descriptor is replaced as a
 * whole (ploop_descriptor_store()), and that is the moment at which an operation happens: a file
 * that it names is durable before, a file that it no longer names is removed after. What is to be
 * removed, or is half made, is named in a file before (PLOOP_INTENT_NAME). ploop_disk_load() with
 * PLOOP_DISK_RECOVER puts right what an interrupted operation left, be it of stor or of `ploop`.
 *
 * A merge writes into the parent's file; so the parent is marked Temporary before: it is a snapshot
 * no more. The child still hides all that is written. Temporary states with one child or none are
 * merged or removed by the next operation that changes the tree (ploop_op_settle()).
 *
 * Files that do not lie in the disk's own folder (of the volume that a clone was made of) are read,
 * never written or removed.
 */
#ifndef PLOOP_OPS_H
#define PLOOP_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "ploop/descriptor.h"
#include "ploop/engine.h"
#include "ploop/file.h"

/* Beside the descriptor: files that an interrupted operation has to remove, one "drop NAME" a line,
 * ended by "end"; and what users call snapshots, one "{GUID} SECONDS ID" a line. */
#define PLOOP_INTENT_NAME "stor-intent"
#define PLOOP_NAMES_NAME "stor-snapshots"

struct ploop_tool;

struct ploop_disk {
	struct ploop_dir *dir; /* borrowed, or of ploop_disk_open() */
	const char *path;      /* of the folder, for messages; borrowed */
	struct ploop_descriptor descriptor;
	int lock_fd; /* of DiskDescriptor.xml.lck; -1: the caller has it */
	bool owns_dir;
	/* Who else may do the work; NULL: the engine alone. */
	const struct ploop_tool *tool;
	/* PLOOP_OPEN_*: of every image file (a lock). */
	unsigned open_flags;
#ifdef PLOOP_FAULTS
	unsigned faults; /* PLOOP_OP_FAULT_* */
#endif
};

#define PLOOP_DISK_RECOVER 1u /* nobody uses it: put right what was interrupted */

/* Open the folder: lock its DiskDescriptor.xml.lck exclusively, waiting wait_ms at most
 * (STOR_BUSY), recover, read the descriptor. 0, or -1 with err filled and nothing to close. */
int ploop_disk_open(const char *path, uint32_t wait_ms, struct ploop_disk *disk,
                    struct stor_err *err);

/* The same where the caller has opened the folder and taken the lock. Without PLOOP_DISK_RECOVER
 * nothing is written, and the disk may be in use. */
int ploop_disk_load(struct ploop_dir *dir, const char *path, unsigned flags,
                    struct ploop_disk *disk, struct stor_err *err);
void ploop_disk_close(struct ploop_disk *disk);
#define cleanup_ploop_disk __attribute__((cleanup(ploop_disk_close)))

/* An engine on the chain that ends with the state `guid` (NULL: the live one), with its files
 * locked. Only the live state may be opened for writing. NULL with err filled. */
struct ploop_engine *ploop_disk_engine(struct ploop_disk *disk, const char *guid, bool writable,
                                       struct stor_err *err);

/* --- names of snapshots --- */

/*
 * The GUID of a snapshot that the user calls `id`: of an id that is a GUID (with or without braces)
 * that one, of any other one that is derived from it alone (an RFC 9562 version 8 UUID). So an id
 * is found though PLOOP_NAMES_NAME is lost; that file only serves to list the ids and times.
 */
void ploop_snapshot_guid(const char *id, char guid[GUID_TEXT_BYTES]);

/* As stor_snapshot_fn; Temporary states are left out. A snapshot of `ploop` has its GUID without
 * braces for an id, and no time. */
int ploop_op_snapshots(struct ploop_disk *disk, stor_snapshot_fn emit, void *ctx,
                       struct stor_err *err);

/* --- snapshots --- */

/* Freeze the live state as a snapshot. STOR_USAGE: the id is taken. */
int ploop_op_snapshot(struct ploop_disk *disk, const char *id, struct stor_err *err);

/*
 * The same of a running disk. First the new top's file is made and the changed descriptor staged,
 * both durably; *file: its name (malloc'ed). Then the filesystem's owner freezes it, and who serves
 * the disk goes on in the file and renames the descriptor (ploop_client_push()). Afterwards the
 * descriptor is read anew: 0 when it names the file, else -1, with what was staged removed. id
 * NULL: the state becomes a Temporary one, for a merge.
 */
int ploop_op_snapshot_stage(struct ploop_disk *disk, const char *id, char **file,
                            struct stor_err *err);
int ploop_op_snapshot_staged(struct ploop_disk *disk, const char *file, struct stor_err *err);

/* Give the live state up for a new one on top of the snapshot. */
int ploop_op_rollback(struct ploop_disk *disk, const char *id, struct stor_err *err);

/* Remove a snapshot: its file when it has no child; one child is merged with it; with several
 * children it becomes Temporary, and goes when all but one of them are gone. */
int ploop_op_delete(struct ploop_disk *disk, const char *id, struct stor_err *err);

/*
 * Fold snapshots into the child of the newest: `id` alone, or from `id` down to and including
 * `until` (a snapshot below it); id NULL: all below the live state. They cease to exist. Each must
 * have one child (STOR_UNSUPPORTED otherwise). Interrupted by the user, it can be continued only;
 * the snapshots are gone already.
 */
int ploop_op_merge(struct ploop_disk *disk, const char *id, const char *until,
                   struct stor_err *err);

/*
 * The same of a running disk, whose files its server reads. First begin says what is to be folded,
 * and whether the live state is what it would be folded into: then a state is put between
 * (ploop_op_snapshot_stage() without an id), and folded instead. Then the fold itself, of parents'
 * clusters that the server does not see; and the server takes the new chain.
 */
struct ploop_fold {
	char newest[GUID_TEXT_BYTES], lowest[GUID_TEXT_BYTES];
	bool needs_state;
};

int ploop_op_merge_begin(struct ploop_disk *disk, const char *id, const char *until,
                         struct ploop_fold *fold, struct stor_err *err);
int ploop_op_merge_fold(struct ploop_disk *disk, const struct ploop_fold *fold,
                        struct stor_err *err);

/* Merge or remove Temporary states that need be no more. The operations above that change the tree
 * do it first. */
int ploop_op_settle(struct ploop_disk *disk, struct stor_err *err);

/* --- the shape of files --- */

/* Rewrite the tables of all files for the version; what is of it already stays. */
int ploop_op_convert_version(struct ploop_disk *disk, unsigned version, struct stor_err *err);

enum ploop_op_layout { PLOOP_OP_EXPANDABLE, PLOOP_OP_PREALLOCATED, PLOOP_OP_RAW };

enum ploop_op_layout ploop_op_layout(const struct ploop_disk *disk);

/* Give the base another layout, by writing it anew beside the old one, under another name. A
 * preallocated base has every cluster in its place; deltas above stay as they are. version: of the
 * new base, 0: that of the old one, else 2. */
int ploop_op_convert_layout(struct ploop_disk *disk, enum ploop_op_layout layout, unsigned version,
                            struct stor_err *err);

/* Make the live state's file as small as it can be. */
int ploop_op_compact(struct ploop_disk *disk, uint64_t *freed_bytes, struct stor_err *err);

/* Write a DiskDescriptor.xml for a lone base file in the folder, whose lock the caller has.
 * STOR_USAGE: there is one already. */
int ploop_op_restore_descriptor(struct ploop_dir *dir, const char *file, struct stor_err *err);

/* Bugs put back on purpose, for tests of the tests. */
#define PLOOP_OP_FAULT_FILE_LATE 1u         /* the descriptor names a file that comes after it */
#define PLOOP_OP_FAULT_DROP_EARLY 2u        /* files are removed before the descriptor is stored */
#define PLOOP_OP_FAULT_NO_TEMPORARY 4u      /* a merge does not mark the parent */
#define PLOOP_OP_FAULT_COPY_UNSYNCED 8u     /* a table is changed before its copy is durable */
#define PLOOP_OP_FAULT_NO_INTENT 16u        /* what is to be removed is not written down */
#define PLOOP_OP_FAULT_CONTENT_UNSYNCED 32u /* a new file's content is not durable in time */

#endif
