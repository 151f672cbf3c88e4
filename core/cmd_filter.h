/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --filter KEY=VALUE of listings: of several of one key any may pass, and of each key one must. */
#ifndef CORE_CMD_FILTER_H
#define CORE_CMD_FILTER_H

#include <stdbool.h>

#include "core/base/record.h"
#include "core/base/str.h"

struct filter {
	const char *key; /* NULL ends a table */
	/* Does a thing pass? Things are what a table's owner hands to filters_pass(). */
	bool (*passes)(const void *thing, const char *value);
};

/* Is it "KEY=VALUE" with a key of the table? Returns the entry, or NULL. */
const struct filter *filter_find(const struct filter *table, const char *text);

/* Does it pass what was given, each of which filter_find() knew? */
bool filters_pass(const struct filter *table, const struct strv *given, const void *thing);

/* Has the record a label, KEY or KEY=VALUE, among the values of `key`? */
bool filter_has_label(const struct record *record, const char *key, const char *wanted);

/* Is it that text? NULL is none. */
bool filter_is_text(const char *text, const char *wanted);

#endif
