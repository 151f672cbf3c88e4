/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the operations (ops.h) share. */
#ifndef PLOOP_OPS_INTERNAL_H
#define PLOOP_OPS_INTERNAL_H

#include "common/guid.h"
#include "ploop/format.h"
#include "ploop/ops.h"

#ifdef PLOOP_FAULTS
#define ploop_op_fault(disk, name) ((disk)->faults & PLOOP_OP_FAULT_##name)
#else
#define ploop_op_fault(disk, name) ((void)(disk), false)
#endif

/* --- the intent: files to remove, written down before --- */

struct ploop_intent {
	char *text;
	size_t length;
	bool failed; /* no memory */
};

/* Files outside the folder, and NULL, are passed over. */
void ploop_intent_drop(struct ploop_intent *intent, const char *file);
/* All files of the disk are to be of this version of the format. */
void ploop_intent_version(struct ploop_intent *intent, unsigned version);
/* Make it durable. Frees it, also when it fails. */
int ploop_intent_store(struct ploop_disk *disk, struct ploop_intent *intent, struct stor_err *err);
/* Remove the files that the stored intent names and the descriptor does not, and then the intent.
 * *version: that all files are to have, or 0. */
int ploop_intent_fulfil(struct ploop_disk *disk, unsigned *version, struct stor_err *err);

/* Store a changed descriptor and adopt it, with what is to be removed written down before and
 * removed after. Frees the intent. */
int ploop_ops_store(struct ploop_disk *disk, struct ploop_descriptor *changed,
                    struct ploop_intent *intent, struct stor_err *err);

/* --- recovery --- */

int ploop_ops_recover(struct ploop_disk *disk, struct stor_err *err);

/* Convert one file; nothing to do is no failure. */
int ploop_ops_convert_file(struct ploop_disk *disk, const char *name, unsigned version,
                           struct stor_err *err);
int ploop_ops_convert_all(struct ploop_disk *disk, unsigned version, struct stor_err *err);
/* Undo a conversion that was interrupted, of stor or `ploop`, by the table that FILE.idx has. */
int ploop_ops_restore_table(struct ploop_disk *disk, const char *name, struct stor_err *err);

/* --- files --- */

/* Does the file lie in the disk's folder? Then it is the disk's own. */
static inline bool ploop_file_is_own(const char *name)
{
	for (const char *at = name; *at; at++)
		if (*at == '/')
			return false;
	return true;
}

/* A name for a new file of the disk: "BASE.{GUID}"; malloc'ed, NULL with err filled. */
char *ploop_ops_new_name(struct ploop_disk *disk, struct stor_err *err);

/* A new, empty delta for the top of the chain that ends with `parent`, durable with its name;
 * malloc'ed name, NULL with err filled. */
char *ploop_ops_new_delta(struct ploop_disk *disk, const char *parent, uint64_t *sectors,
                          struct stor_err *err);

/* Open chain[from] up to chain[count - 1] as one disk. recover: whoever left a mark is gone. */
struct ploop_engine *ploop_ops_open(struct ploop_disk *disk, const struct ploop_image *chain[],
                                    unsigned from, unsigned count, bool writable,
                                    struct stor_err *err);

/* Copy what the one disk has (data) to the other; holes are passed over. Not flushed. */
int ploop_ops_copy(struct ploop_engine *from, struct ploop_engine *to, const char *what,
                   struct stor_err *err);

/* A descriptor to change and then store, so that what is in memory stays what is on disk. */
int ploop_descriptor_copy(const struct ploop_descriptor *from, struct ploop_descriptor *to,
                          struct stor_err *err);
/* Put the changed one in the old one's place. */
void ploop_ops_adopt(struct ploop_disk *disk, struct ploop_descriptor *changed);

/* The shot that a user's id names; NULL with err filled (STOR_NOT_FOUND). Never the live one. */
struct ploop_shot *ploop_ops_find(struct ploop_disk *disk, const char *id, struct stor_err *err);

/* Was it asked for before that this snapshot goes? */
bool ploop_ops_is_pending(struct ploop_disk *disk, const char *id);

/* Fold the states from `newest` down to `lowest` into newest's only child; GUIDs. */
int ploop_ops_fold(struct ploop_disk *disk, const char *newest, const char *lowest,
                   struct stor_err *err);

/* Remember what a user calls a snapshot. */
int ploop_names_add(struct ploop_disk *disk, const char *id, const char *guid,
                    struct stor_err *err);

#endif
