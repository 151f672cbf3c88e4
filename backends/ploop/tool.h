/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who works on the files of a stopped disk: libploop or the engine.
 *
 * auto gives libploop what one replacement of the descriptor, or the making of one file, decides:
 * a new image, a snapshot, going back to one, removing one that nothing lies on. Interrupted there,
 * it leaves what the next operation clears away. The engine does what takes long and writes into
 * images that exist, merges and conversions, for libploop shows no progress there, does not write
 * down what it is about (an interrupted conversion to raw cannot be opened any more), and marks no
 * snapshot whose file it is about to change; and the engine does what libploop refuses or would do
 * otherwise.
 */
#ifndef PLOOP_TOOL_H
#define PLOOP_TOOL_H

#include <stor/backend.h>

#include "ploop/libploop.h"

struct ploop_disk;
struct ploop_volume;

/* Choices of the parameter `tool`. */
enum ploop_tool_choice { PLOOP_TOOL_AUTO, PLOOP_TOOL_LIBPLOOP, PLOOP_TOOL_ENGINE };

struct ploop_tool {
	enum ploop_tool_choice choice;
	struct ploop_volume *pv; /* opened for the disk, its descriptor's lock held */
};

/*
 * Let libploop do the job on the disk. 0: it is done, durable, and the descriptor in memory is the
 * one that it wrote; 1: the engine shall do it; -1 with err filled. `what` is for messages.
 */
int ploop_tool_do(struct ploop_disk *disk, struct libploop_job *job, const char *what,
                  struct stor_err *err);

/* The same of making a volume's image; -1 also when there is no libploop, but it must be. */
int ploop_tool_create(enum ploop_tool_choice choice, const struct libploop_job *job,
                      struct stor_err *err);

/* Does the choice give this to libploop, if there is one? */
bool ploop_tool_prefers_libploop(enum ploop_tool_choice choice, enum libploop_op op);

#endif
