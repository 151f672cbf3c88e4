/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes at rest: finding them, and what is remembered of each. Making is in volume_create.c. */
#include "core/volume.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/volume_users.h"

#define LOCK_WAIT_MS 5000

void volume_free(struct volume *volume)
{
	free(volume->name);
	free(volume->dir);
	free(volume->path);
	free(volume->key);
	record_free(&volume->record);
	params_free(&volume->params);
	*volume = (struct volume)VOLUME_INIT;
}

/* The text that names a volume in STATE: unique, and short enough for a file's name. */
static char *make_key(enum volume_kind kind, const char *name)
{
	switch (kind) {
	case VOLUME_NAMED:
		return xasprintf("v-%s", name);
	case VOLUME_GOLDEN:
		return xasprintf("g-%s", name);
	case VOLUME_EPHEMERAL:
		return xasprintf("c-%s", name);
	case VOLUME_FOREIGN:
		break;
	}
	return xasprintf("f-%016llx", (unsigned long long)store_hash(name));
}

void volume_init(struct volume *volume, struct store *store, enum volume_kind kind,
                 const struct backend *backend, const char *name, const char *dir, const char *path)
{
	volume->backend = backend;
	volume->kind = kind;
	volume->name = xstrdup(name);
	volume->dir = dir ? xstrdup(dir) : NULL;
	volume->path = dir ? xasprintf("%s/%s/data", store->path, dir) : xstrdup(path);
	volume->key = make_key(kind, kind == VOLUME_FOREIGN ? path : name);
	volume->ref.struct_size = sizeof(volume->ref);
	volume->ref.path = volume->path;
	if (kind == VOLUME_FOREIGN)
		volume->ref.flags = STOR_VOLUME_FOREIGN;
	else
		volume->ref.flags = kind == VOLUME_EPHEMERAL ? STOR_VOLUME_EPHEMERAL : 0;
}

int volume_set_params(struct volume *volume, const struct strv *given, uint32_t scope,
                      struct stor_err *err)
{
	if (params_parse(&volume->params, volume->backend, given, &volume->record, scope, err) < 0)
		return -1;
	volume->ref.values = volume->params.handed;
	return 0;
}

static int find_foreign(struct store *store, const char *name, const char *backend_name,
                        struct volume *volume, struct stor_err *err)
{
	const struct backend *backend;
	char path[PATH_MAX];

	if (!realpath(name, path))
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "volume %s", name);
	backend = backend_name ? backend_load(backend_name, err) : backend_probe(path, err);
	if (!backend)
		return -1;
	volume_init(volume, store, VOLUME_FOREIGN, backend, name, NULL, path);
	return 0;
}

static int fail_not_found(const char *name, struct stor_err *err)
{
	err_fail(err, STOR_NOT_FOUND, 0, "no volume %s", name);
	err_hint(err, "stor volume ls lists them; a path of a foreign one needs a '/': ./%s", name);
	return -1;
}

int volume_check_there(struct store *store, const struct volume *volume, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = NULL;
	const char *recorded;

	if (volume->kind != VOLUME_NAMED)
		return 0;
	path = xasprintf("%s/record", volume->dir);
	if (record_load(&record, store->fd, path, err) < 0)
		return err->status == STOR_NOT_FOUND
		               ? (err_clear(err), fail_not_found(volume->name, err))
		               : err_context(err, "volume %s", volume->name);
	recorded = record_get(&record, "backend");
	if (recorded && !strcmp(recorded, volume->backend->ops.name))
		return 0;
	err_fail(err, STOR_BUSY, 0, "volume %s has just been converted to another backend",
	         volume->name);
	err_hint(err, "repeat the command");
	return -1;
}

static int find_named(struct store *store, const char *name, const char *backend_name,
                      struct volume *volume, struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("volumes/%s", name);
	cleanup_free char *path = xasprintf("%s/record", dir);
	const struct backend *backend;
	const char *recorded;

	if (!str_is_name(name) || (faccessat(store->fd, dir, F_OK, 0) < 0 && errno == ENOENT))
		return fail_not_found(name, err);
	if (record_load(&volume->record, store->fd, path, err) < 0)
		return err_context(err, "volume %s", name);
	recorded = record_get(&volume->record, "backend");
	if (!recorded)
		return err_fail(err, STOR_FAILED, 0, "volume %s: damaged record", name);
	if (backend_name && strcmp(backend_name, recorded) != 0)
		return err_fail(err, STOR_USAGE, 0, "volume %s is on backend %s, not %s", name,
		                recorded, backend_name);
	backend = backend_load(recorded, err);
	if (!backend)
		return err_context(err, "volume %s", name);
	volume_init(volume, store, VOLUME_NAMED, backend, name, dir, NULL);
	return 0;
}

int volume_find(struct store *store, const char *name, const char *backend,
                const struct strv *given_params, struct volume *volume, struct stor_err *err)
{
	struct volume found = VOLUME_INIT;
	int result;

	if (store_open(store, err) < 0)
		return -1;
	result = strchr(name, '/') ? find_foreign(store, name, backend, &found, err)
	                           : find_named(store, name, backend, &found, err);
	if (result < 0 || volume_set_params(&found, given_params, STOR_PARAM_ATTACH, err) < 0) {
		volume_free(&found);
		return -1;
	}
	*volume = found;
	return 0;
}

int volume_of_container(struct store *store, const char *id, const struct record *record,
                        struct volume *volume, struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("containers/%s", id);
	const char *name = record_get(record, "backend");
	const struct backend *backend;

	if (!name)
		return err_fail(err, STOR_FAILED, 0,
		                "container %s: its record does not say which backend its volume "
		                "is on",
		                id);
	backend = backend_load(name, err);
	if (!backend)
		return -1;
	volume_init(volume, store, VOLUME_EPHEMERAL, backend, id, dir, NULL);
	if (params_parse(&volume->params, backend, NULL, record,
	                 STOR_PARAM_CREATE | STOR_PARAM_ATTACH, err) < 0)
		return -1;
	volume->ref.values = volume->params.handed;
	return 0;
}

int volume_list(struct store *store, struct strv *names, struct stor_err *err)
{
	if (store_open(store, err) < 0 || store_list(store->fd, "volumes", names, err) < 0)
		return -1;
	strv_sort(names);
	return 0;
}

int volume_lock(struct store *store, const struct volume *volume, bool readers_may_stay,
                struct stor_err *err)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	cleanup_close int lock_fd = store_lock(store, volume->key, true, LOCK_WAIT_MS, err);
	const struct volume_user *user;
	bool in_use = false;

	if (lock_fd < 0)
		return err_context(err, "volume %s", volume->name);
	if (volume_check_there(store, volume, err) < 0 ||
	    volume_users_load(store, volume, &users, err) < 0)
		return -1;
	user = volume_users_conflict(&users, readers_may_stay);
	if (user)
		return volume_fail_busy(volume, user, err);
	if (backend_is_in_use(volume->backend, &volume->ref, &in_use, err) < 0)
		return -1;
	if (in_use)
		return err_fail(err, STOR_BUSY, 0, "volume %s: in use", volume->name);
	return steal_fd(&lock_fd);
}
