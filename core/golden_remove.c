/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Golden volumes that nobody needs any more: see golden.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/container_store.h"
#include "core/golden.h"

#define LOCK_WAIT_MS 5000

int golden_list(struct store *store, struct strv *keys, struct stor_err *err)
{
	if (store_open(store, err) < 0 || store_list(store->fd, "golden", keys, err) < 0)
		return -1;
	strv_sort(keys);
	return 0;
}

int golden_find(struct store *store, const char *key, struct volume *volume, struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("golden/%s", key);
	cleanup_free char *path = xasprintf("%s/record", dir);
	struct volume found = VOLUME_INIT;
	const struct backend *backend;
	const char *name;

	if (record_load(&found.record, store->fd, path, err) < 0) {
		volume_free(&found);
		return err_context(err, "golden volume %s", key);
	}
	name = record_get(&found.record, "backend");
	backend = backend_load(name ? name : "", err);
	if (backend) {
		volume_init(&found, store, VOLUME_GOLDEN, backend, key, dir, NULL);
		if (volume_set_params(&found, NULL, STOR_PARAM_ATTACH, err) == 0) {
			*volume = found;
			return 0;
		}
	}
	volume_free(&found);
	return err_context(err, "golden volume %s", key);
}

/* The container that is based on a golden volume, running or stopped; NULL: none. malloc'ed. */
static char *find_user(struct store *store, const char *key)
{
	cleanup_strv struct strv ids = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	store_list(store->fd, "containers", &ids, &ignored);
	for (size_t i = 0; i < ids.count; i++) {
		cleanup_record struct record record = RECORD_INIT;
		const char *base;

		if (!store_is_id(ids.items[i]) ||
		    container_load(store, ids.items[i], &record, &ignored) < 0)
			continue;
		base = record_get(&record, "volume.golden");
		if (base && !strcmp(base, key))
			return xstrdup(record_get(&record, "name"));
	}
	return NULL;
}

/* Destroys one that no container is based on. One that is just being attached holds its lock, and
 * its backend says that it is busy. */
static int remove_golden(struct store *store, const char *key, struct stor_err *err)
{
	cleanup_free char *lock_key = xasprintf("g-%s", key);
	cleanup_close int lock_fd = store_lock(store, lock_key, true, LOCK_WAIT_MS, err);
	cleanup_volume struct volume volume = VOLUME_INIT;
	cleanup_free char *temp = NULL, *user = NULL, *path = NULL;
	struct stor_volume ref;

	if (lock_fd < 0)
		return err_context(err, "golden volume %s", key);
	user = find_user(store, key);
	if (user) {
		err_fail(err, STOR_BUSY, 0, "container %s is based on it", user);
		err_hint(err, "stor rm %s", user);
		return -1;
	}
	if (golden_find(store, key, &volume, err) < 0)
		return -1;
	temp = store_make_temp(store, err);
	if (!temp)
		return -1;
	if (renameat(store->fd, volume.dir, store->fd, temp) < 0) {
		int saved = errno;

		store_remove_temp(store, temp);
		return saved == ENOENT
		               ? 0
		               : err_fail(err, STOR_FAILED, saved, "remove golden volume %s", key);
	}
	kill_point("golden-unnamed");
	path = xasprintf("%s/%s/data", store->path, temp);
	ref = volume.ref;
	ref.path = path;
	if (backend_destroy(volume.backend, &ref, err) < 0) {
		renameat2(store->fd, temp, store->fd, volume.dir, RENAME_NOREPLACE);
		return err_context(err, "remove golden volume %s", key);
	}
	store_remove_temp(store, temp);
	return 0;
}

int golden_remove_of_image(struct store *store, const char *image_id, struct stor_err *err)
{
	cleanup_free char *prefix = xasprintf("%s-", image_id);
	cleanup_strv struct strv keys = STRV_INIT;

	if (golden_list(store, &keys, err) < 0)
		return -1;
	/* First all users, so that a refusal removes nothing. */
	for (size_t i = 0; i < keys.count; i++) {
		cleanup_free char *user = NULL;

		if (!str_starts(keys.items[i], prefix))
			continue;
		user = find_user(store, keys.items[i]);
		if (user) {
			err_fail(err, STOR_BUSY, 0, "container %s is based on the image", user);
			err_hint(err, "stor rm %s", user);
			return -1;
		}
	}
	for (size_t i = 0; i < keys.count; i++)
		if (str_starts(keys.items[i], prefix) &&
		    remove_golden(store, keys.items[i], err) < 0)
			return -1;
	return 0;
}

int golden_remove_of_folder(struct store *store, int image_fd, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err unread = STOR_ERR_INIT;
	const char *id;

	if (record_load(&record, image_fd, "record", &unread) < 0 ||
	    !(id = record_get(&record, "id")))
		return 0;
	return golden_remove_of_image(store, id, err);
}

/* Ids of all images. One whose record cannot be read makes the answer unknown: -1. */
static int image_ids(struct store *store, struct strv *ids, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (store_list(store->fd, "images", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf("images/%s/record", names.items[i]);
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err why = STOR_ERR_INIT;
		const char *id;

		if (record_load(&record, store->fd, path, &why) < 0) {
			if (why.status == STOR_NOT_FOUND)
				continue;
			*err = why;
			return -1;
		}
		id = record_get(&record, "id");
		if (id)
			strv_add(ids, id);
	}
	return 0;
}

int golden_sweep(struct store *store, const struct sweep_opts *opts, struct stor_err *err)
{
	cleanup_strv struct strv keys = STRV_INIT, ids = STRV_INIT;

	/* Goldens first: one that is made after this has an image that the second list has. */
	if (golden_list(store, &keys, err) < 0 || image_ids(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < keys.count; i++) {
		cleanup_free char *id = xstrndup(keys.items[i], strcspn(keys.items[i], "-"));
		cleanup_free char *user = NULL;
		struct stor_err why = STOR_ERR_INIT;

		if (strv_has(&ids, id))
			continue;
		user = find_user(store, keys.items[i]);
		if (user)
			continue;
		if (opts->report)
			opts->report(opts->ctx, "golden volume", keys.items[i],
			             "its image does not exist");
		/* One in use is left to a later sweep. */
		if (!opts->dry_run && remove_golden(store, keys.items[i], &why) < 0 &&
		    why.status != STOR_BUSY) {
			*err = why;
			return -1;
		}
	}
	return 0;
}
