/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a profile in Docker's JSON form strictly: a key, a type or a word that is not understood
 * is refused by name. Callers say where it stands.
 */
#ifndef SECCOMP_JSON_READ_H
#define SECCOMP_JSON_READ_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"

/* Fail with STOR_USAGE: what is wrong with a word. Always -1. */
int pjson_refuse(struct stor_err *err, const char *what, const char *word);

/* Parse a text that holds one JSON value and nothing else. The caller puts the result; NULL when it
 * is refused. */
struct json_object *pjson_parse(const char *text, struct stor_err *err);

/* Refuse what is no object, or has a key that is not among `keys`, which a NULL ends. */
int pjson_check_object(struct json_object *object, const char *const *keys, struct stor_err *err);

/* A member of the type; NULL: absent, or null. One of another type is refused. */
int pjson_member(struct json_object *object, const char *key, enum json_type type,
                 struct json_object **out, struct stor_err *err);

/* An item of a list of strings. NULL when it is none, refused under the list's key. */
const char *pjson_string(struct json_object *list, size_t index, const char *key,
                         struct stor_err *err);

/* --- where a profile and its groups of calls apply: json_match.c --------------------------- */

/* Do a group's includes and excludes, with these capabilities, say that it applies? 1, 0, or -1. */
int pjson_applies(struct json_object *group, uint64_t caps, struct stor_err *err);

/* Do the profile's architectures have this machine's 32-bit one? A profile without any has it. */
int pjson_wants_32_bit(struct json_object *root, bool *wanted, struct stor_err *err);

#endif
