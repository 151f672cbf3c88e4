/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk must read as. Every sector written holds a tag of its own throughout, so that content
 * tells which write it came from; 0 is zeros. The model remembers every tag that a sector ever had,
 * when it was written, and when flushes completed, in terms of a record's length (memfs.h).
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/blockdev.h"

struct model;

struct model *model_new(uint64_t sectors);
void model_free(struct model *model);
uint64_t model_sectors(const struct model *model);
/* The disk became larger; the new part reads as zeros. */
void model_grow(struct model *model, uint64_t sectors);

/* A write of these sectors with new tags starts; fills data with what is to be written. */
void model_write(struct model *model, uint64_t sector, uint64_t count, size_t now, uint8_t *data);
void model_zero(struct model *model, uint64_t sector, uint64_t count, size_t now);
/* After a discard: the sectors read as zeros or as before; learn which. 0, or -1: neither. */
int model_discarded(struct model *model, uint64_t sector, uint64_t count, size_t now,
                    struct blockdev *dev);
/* Everything that was done before is durable. */
void model_flushed(struct model *model, size_t now);
/* Forget the past: what is there now is durable and the first state. */
void model_settle(struct model *model);

/* Compare with what is there now. 0, or -1 with a line on standard error. */
int model_matches(struct model *model, struct blockdev *dev);
/* Compare with what may be there after a cut at this point of the record. */
int model_matches_cut(struct model *model, struct blockdev *dev, size_t cut);
/* Is the content exactly the first state, or exactly the last? */
bool model_is_first_or_last(struct model *model, struct blockdev *dev);

#endif
