/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands that list something share. */
#ifndef CORE_CMD_LISTING_H
#define CORE_CMD_LISTING_H

#include "core/base/json.h"
#include "core/base/record.h"
#include "core/base/table.h"

/* "2026-11-24 10:49" in local time; "" for a negative number, and where the time has no such text.
 * At least 17 bytes. Returns buf. */
const char *listing_time(int64_t seconds, char *buf, size_t size);

/* As listing_time(), of a record's key "created"; "" without one. */
const char *listing_created(const struct record *record, char *buf, size_t size);

/* Print what was listed, as JSON or as a table; or, when quiet, nothing more: names are printed as
 * they are met. Frees both. 0, or -1 with errno. */
int listing_print(bool is_json, bool is_quiet, struct table *table, struct json *json);

#endif
