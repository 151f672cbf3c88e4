/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of files in memory that records every change, and makes from the record what a power
 * cut at any point may leave behind:
 *  - what a file got before its last completed sync is there;
 *  - of what it got since, any subset of the 512-byte sectors, whatever order they were written in;
 *  - a truncation since then happened or not;
 *  - names made, changed and removed since the directory's last sync: the first few of them.
 * It can also fail, by count or when it is full.
 */
#ifndef TEST_MEMFS_H
#define TEST_MEMFS_H

#include <stdbool.h>
#include <stdint.h>

#include "ploop/file.h"

struct memfs;

struct memfs *memfs_new(void);
void memfs_free(struct memfs *fs);
/* The directory; valid as long as the memfs, closing it does nothing. */
struct ploop_dir *memfs_dir(struct memfs *fs);

/* Begin to record: what is there now is taken as durable. */
void memfs_record(struct memfs *fs);
/* Changes recorded so far. */
size_t memfs_log_length(struct memfs *fs);

/* What a power cut may leave after the first `cut` changes; the caller frees it. Which of the
 * possible states it is depends on *random alone. */
struct memfs *memfs_cut(struct memfs *fs, size_t cut, uint64_t *random);

/* Direct access for tests: -1 when there is no such file. */
int memfs_size(struct memfs *fs, const char *name, uint64_t *size);
uint8_t *memfs_bytes(struct memfs *fs, const char *name);
unsigned memfs_files(struct memfs *fs);
void memfs_put(struct memfs *fs, const char *name, const void *data, size_t size);

uint64_t test_random(uint64_t *state);

#endif
