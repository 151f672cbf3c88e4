/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a backend tells of a volume, kept for those who show it; and how much disk the root of a
 * container takes. */
#ifndef CORE_VOLUME_INFO_H
#define CORE_VOLUME_INFO_H

#include "core/base/json.h"
#include "core/volume.h"

struct volume_info {
	struct stor_info info;
	struct record details; /* what the backend emits, in its order */
};

/* Ask the backend. *out is for volume_info_free(), also after a failure. */
int volume_info_load(const struct volume *volume, struct volume_info *out, struct stor_err *err);
void volume_info_free(struct volume_info *info);
#define cleanup_volume_info __attribute__((cleanup(volume_info_free)))

/* A member for a number of bytes: null for STOR_UNKNOWN. */
void volume_info_json_bytes(struct json *json, const char *key, uint64_t bytes);
/* The member "details": what the backend emitted. */
void volume_info_json_details(struct json *json, const struct volume_info *info);

/*
 * The root of a container, running or not: own.info is that of the volume that it writes to, but
 * for allocated_bytes, which has all that the root lies on, what it shares with others too. Returns
 * 1, or 0 when it has none yet; or -1.
 */
int root_measure(struct store *store, const char *id, const struct record *record,
                 struct volume_info *own, struct stor_err *err);

#endif
