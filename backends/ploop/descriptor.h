/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DiskDescriptor.xml: the files of a disk and the tree of its states. A delta does not know its
 * parent; only this file does.
 *
 * A state (Shot) is a file on top of its parent's state. The live one has the constant TopGUID.
 */
#ifndef PLOOP_DESCRIPTOR_H
#define PLOOP_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stor/backend.h>

#include "common/guid.h"
#include "ploop/file.h"

#define PLOOP_DESCRIPTOR_NAME "DiskDescriptor.xml"
#define PLOOP_DESCRIPTOR_STAGED PLOOP_DESCRIPTOR_NAME ".tmp"
#define PLOOP_TOP_GUID "{5fbaabe3-6958-40ff-92a7-860e329aab41}"
#define PLOOP_NO_GUID "{00000000-0000-0000-0000-000000000000}"

#define PLOOP_STATES_MAX 1024u /* files and states that a descriptor may have */

struct ploop_image {
	char guid[GUID_TEXT_BYTES];
	bool is_plain; /* Type Plain; of the base: a raw file */
	char *file;
};

struct ploop_shot {
	char guid[GUID_TEXT_BYTES];
	char parent[GUID_TEXT_BYTES]; /* PLOOP_NO_GUID: none */
	bool is_temporary;
};

struct ploop_descriptor {
	uint64_t sectors; /* of the disk */
	uint32_t cluster_sectors;
	bool is_preallocated;
	uint64_t max_delta_sectors; /* 0: not limited */
	char top[GUID_TEXT_BYTES];
	struct ploop_image *images;
	unsigned image_count;
	struct ploop_shot *shots;
	unsigned shot_count;
};

/* Read text of any origin. 0, or -1 with err filled and nothing to free. */
int ploop_descriptor_parse(const char *text, size_t size, struct ploop_descriptor *descriptor,
                           struct stor_err *err);
/* The text, malloc'ed; NULL: no memory. */
char *ploop_descriptor_format(const struct ploop_descriptor *descriptor);
void ploop_descriptor_free(struct ploop_descriptor *descriptor);
#define cleanup_ploop_descriptor __attribute__((cleanup(ploop_descriptor_free)))

/* Read it from its directory, or write it: durable, replaced as a whole. */
int ploop_descriptor_load(struct ploop_dir *dir, struct ploop_descriptor *descriptor,
                          struct stor_err *err);
int ploop_descriptor_store(struct ploop_dir *dir, const struct ploop_descriptor *descriptor,
                           struct stor_err *err);

/* Write it under the name PLOOP_DESCRIPTOR_STAGED, durably, for somebody to rename. */
int ploop_descriptor_stage(struct ploop_dir *dir, const struct ploop_descriptor *descriptor,
                           struct stor_err *err);

/* A new disk of one file. */
int ploop_descriptor_make(struct ploop_descriptor *descriptor, uint64_t sectors,
                          uint32_t cluster_sectors, const char *file, bool is_plain);

/* NULL: there is none. */
struct ploop_image *ploop_descriptor_image(const struct ploop_descriptor *descriptor,
                                           const char *guid);
struct ploop_shot *ploop_descriptor_shot(const struct ploop_descriptor *descriptor,
                                         const char *guid);
unsigned ploop_descriptor_children(const struct ploop_descriptor *descriptor, const char *guid);

/* The files from the base up to a state. Returns their number, or 0 with err filled: a parent that
 * does not exist, a circle, too long. */
unsigned ploop_descriptor_chain(const struct ploop_descriptor *descriptor, const char *guid,
                                const struct ploop_image *chain[], struct stor_err *err);

/* Add a state with its file; remove one. 0, or -1: no memory. */
int ploop_descriptor_add(struct ploop_descriptor *descriptor, const char *guid, const char *parent,
                         const char *file, bool is_plain);
void ploop_descriptor_remove(struct ploop_descriptor *descriptor, const char *guid);
/* Rename a state throughout. */
void ploop_descriptor_rename(struct ploop_descriptor *descriptor, const char *from, const char *to);

/* Does a disk of so many sectors have more than the descriptor says, whatever that rounds? */
static inline bool ploop_descriptor_is_outgrown(const struct ploop_descriptor *descriptor,
                                                uint64_t sectors)
{
	return sectors > descriptor->sectors &&
	       sectors - descriptor->sectors >= descriptor->cluster_sectors;
}

#endif
