/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container as the commands show it: its texts, and its JSON. */
#ifndef CORE_CONTAINER_SHOW_H
#define CORE_CONTAINER_SHOW_H

#include <stdbool.h>

#include "core/base/json.h"
#include "core/base/record.h"
#include "core/store.h"

/* "sh -c …", cut to a column's width unless it is to be whole; malloc'ed. */
char *container_command_text(const struct record *record, bool is_whole);

/* "running", "exited (7)". Borrowed from the record or buf. */
const char *container_status_text(const struct record *record, char *buf, size_t size);

/* What it runs on: an image, or a volume in place; NULL: not known. */
const char *container_image_text(const struct record *record);

/* Has it processes: is it running or paused? */
bool container_is_up(const struct record *record);

/* The members that ps and inspect share, into an open object. */
void container_json(struct json *json, const char *id, const struct record *record);

/* All values of a key, as an array. */
void container_json_list(struct json *json, const char *name, const struct record *record,
                         const char *key);

#endif
