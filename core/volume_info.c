/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See volume_info.h. */
#include "core/volume_info.h"

#include <string.h>

#include <stor/util.h>

#include "core/golden.h"

static int keep_detail(void *ctx, const char *key, const char *value)
{
	record_add(ctx, key, value);
	return 0;
}

int volume_info_load(const struct volume *volume, struct volume_info *out, struct stor_err *err)
{
	*out = (struct volume_info){
		.info = { .struct_size = sizeof(out->info), .emit = keep_detail },
		.details = RECORD_INIT,
	};
	out->info.emit_ctx = &out->details;
	return backend_info(volume->backend, &volume->ref, &out->info, err);
}

void volume_info_free(struct volume_info *info)
{
	record_free(&info->details);
}

void volume_info_json_bytes(struct json *json, const char *key, uint64_t bytes)
{
	if (bytes == STOR_UNKNOWN)
		json_string(json, key, NULL);
	else
		json_u64(json, key, bytes);
}

void volume_info_json_details(struct json *json, const struct volume_info *info)
{
	json_open_object(json, "details");
	for (size_t i = 0; i < info->details.keys.count; i++)
		json_string(json, info->details.keys.items[i], info->details.values.items[i]);
	json_close_object(json);
}

/* --- a container's root ------------------------------------------------------------------- */

/* A clone by overlay reads what it has not changed from the golden volume, which the backend of its
 * own volume knows nothing of. */
static int add_golden(struct store *store, const char *key, struct stor_info *info,
                      struct stor_err *err)
{
	cleanup_volume struct volume golden = VOLUME_INIT;
	cleanup_volume_info struct volume_info below = { .details = RECORD_INIT };

	if (golden_find(store, key, &golden, err) < 0 || volume_info_load(&golden, &below, err) < 0)
		return -1;
	if (info->allocated_bytes == STOR_UNKNOWN || below.info.allocated_bytes == STOR_UNKNOWN)
		info->allocated_bytes = STOR_UNKNOWN;
	else
		info->allocated_bytes += below.info.allocated_bytes;
	return 0;
}

static int find_own(struct store *store, const char *id, const struct record *record,
                    struct volume *volume, struct stor_err *err)
{
	const char *place = record_get(record, "volume.root");
	bool is_foreign = place && strchr(place, '/');

	return place ? volume_find(store, place, is_foreign ? record_get(record, "backend") : NULL,
	                           NULL, volume, err)
	             : volume_of_container(store, id, record, volume, err);
}

int root_measure(struct store *store, const char *id, const struct record *record,
                 struct volume_info *own, struct stor_err *err)
{
	const char *clone = record_get(record, "volume.clone");
	cleanup_volume struct volume volume = VOLUME_INIT;

	if (!clone)
		return 0;
	if (find_own(store, id, record, &volume, err) < 0 ||
	    volume_info_load(&volume, own, err) < 0)
		return -1;
	if (!strcmp(clone, "overlay") &&
	    add_golden(store, record_get(record, "volume.golden"), &own->info, err) < 0)
		return -1;
	return 1;
}
