/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files of "key=value" lines in which stor remembers images, volumes and containers: quick
 * to read without a library, and readable by people. The first line is "stor-record=1". In values,
 * newline and backslash are written \n and \\. A key may stand several times, in order. A line
 * "!key=value", which record_append() writes, replaces the value of its key in the lines before;
 * the last such line counts only with its newline, so that one cut short is as if it were not
 * there.
 */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

struct record {
	struct strv keys;
	struct strv values; /* parallel to keys */
};

#define RECORD_INIT                                                                                \
	{                                                                                          \
		.keys = STRV_INIT                                                                  \
	}

/* Add a line. Keys are [a-z0-9._-]+. */
void record_add(struct record *record, const char *key, const char *value);
void record_add_u64(struct record *record, const char *key, uint64_t value);
/* Replace the first value of a key, or add it. */
void record_set(struct record *record, const char *key, const char *value);
void record_set_u64(struct record *record, const char *key, uint64_t value);
/* Add all lines of another record. */
void record_copy(struct record *record, const struct record *from);
/* Take every value of a key away. */
void record_remove(struct record *record, const char *key);

/* First value of a key, or NULL. Borrowed from the record. */
const char *record_get(const struct record *record, const char *key);
/* First value as a number, or `fallback` where absent or no number. */
uint64_t record_get_u64(const struct record *record, const char *key, uint64_t fallback);
/* Calls back for each value of a key in order: for (size_t i = 0; (v = record_next(r, k, &i));). */
const char *record_next(const struct record *record, const char *key, size_t *at);

/* Read `path` below dir_fd. STOR_NOT_FOUND when it does not exist; a damaged or newer record is
 * named and refused. */
int record_load(struct record *record, int dir_fd, const char *path, struct stor_err *err);
/* Replace `path` atomically (mode 0600); durable as fs_write_file(). */
int record_save(const struct record *record, int dir_fd, const char *path, bool durable,
                struct stor_err *err);
/* Set the values of `changes` in a record that is there already, at its end: cheaper than to save
 * it anew, and whoever reads it meanwhile sees a beginning of the changes, in their order. */
int record_append(const struct record *changes, int dir_fd, const char *path, struct stor_err *err);
/* Parse text that record_load() would read; `what` names it in messages. */
int record_parse(struct record *record, const char *text, const char *what, struct stor_err *err);

void record_free(struct record *record);
#define cleanup_record __attribute__((cleanup(record_free)))

#endif
