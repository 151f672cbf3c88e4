/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making, cloning and removing named volumes. They are made in tmp/ and moved to their place when
 * they are whole, and moved back there to be removed: half a volume never has a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/event.h"
#include "core/image.h"
#include "core/volume_work.h"

static int check_new_name(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("volumes/%s", name);

	if (!str_is_name(name)) {
		err_fail(err, STOR_USAGE, 0, "\"%s\" cannot be the name of a volume", name);
		err_hint(err, "letters, digits, '_', '.' and '-', at most 128, the first a letter "
		              "or digit");
		return -1;
	}
	if (faccessat(store->fd, dir, F_OK, 0) == 0)
		return err_fail(err, STOR_BUSY, 0, "volume %s exists already", name);
	return 0;
}

void volume_work_end(struct volume_work *work)
{
	if (work->dir)
		store_remove_temp(work->store, work->dir);
	free(work->dir);
}

int volume_work_begin(struct volume_work *work, const char *name, const struct backend *backend,
                      struct volume *volume, struct stor_err *err)
{
	cleanup_free char *data = NULL;

	work->dir = store_make_temp(work->store, err);
	if (!work->dir)
		return -1;
	data = xasprintf("%s/data", work->dir);
	if (store_make_dir(work->store->fd, data, err) < 0)
		return -1;
	volume_init(volume, work->store, VOLUME_NAMED, backend, name, work->dir, NULL);
	return 0;
}

static int save_record(const struct volume_work *work, struct volume *volume, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("%s/record", work->dir);
	struct record *record = &volume->record;

	record_add(record, "backend", volume->backend->ops.name);
	if (!record_get(record, "created"))
		record_add_u64(record, "created", (uint64_t)time(NULL));
	params_save(&volume->params, volume->backend, record);
	return record_save(record, work->store->fd, path, true, err);
}

int volume_work_publish(struct volume_work *work, struct volume *volume, struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("volumes/%s", volume->name);

	if (save_record(work, volume, err) < 0)
		return -1;
	kill_point("volume-record");
	if (store_publish(work->store, work->dir, dir, err) < 0)
		return -1;
	free(steal_ptr(&work->dir));
	kill_point("volume-published");
	return 0;
}

int volume_work_exchange(struct volume_work *work, struct volume *volume, struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("volumes/%s", volume->name);

	if (save_record(work, volume, err) < 0)
		return -1;
	kill_point("convert-recorded");
	return store_exchange(work->store, work->dir, dir, err);
}

static int fill(struct store *store, struct volume *volume, const struct volume_create_opts *opts,
                struct stor_err *err)
{
	struct stor_create_req req = { .size_bytes = opts->size_bytes,
		                       .source_fd = -1,
		                       .fs_type = opts->fs_type,
		                       .fs_label = opts->fs_label };
	cleanup_image struct image image = IMAGE_INIT;

	if (opts->image) {
		if (image_open(store, opts->image, &image, err) < 0)
			return -1;
		req.source_fd = image.tree_fd;
		req.source_path = image.tree_path;
		record_add(&volume->record, "image", image.name);
		record_add(&volume->record, "image-id", image.id);
	}
	if (opts->size_bytes)
		record_add_u64(&volume->record, "size", opts->size_bytes);
	if (opts->fs_type)
		record_add(&volume->record, "fs", opts->fs_type);
	if (opts->fs_label)
		record_add(&volume->record, "label", opts->fs_label);
	kill_point("volume-folder");
	return backend_create(volume->backend, &volume->ref, &req, err);
}

int volume_create(struct store *store, const char *name, const struct volume_create_opts *opts,
                  struct volume *volume, struct stor_err *err)
{
	cleanup_volume_work struct volume_work work = { .store = store };
	cleanup_volume struct volume made = VOLUME_INIT;
	const struct backend *backend;

	if (store_open(store, err) < 0 || check_new_name(store, name, err) < 0)
		return -1;
	backend = backend_load(root_backend_name(opts->backend), err);
	if (!backend || volume_work_begin(&work, name, backend, &made, err) < 0 ||
	    volume_set_params(&made, opts->params, STOR_PARAM_CREATE | STOR_PARAM_CHANGE, err) <
	            0 ||
	    fill(store, &made, opts, err) < 0)
		return err_context(err, "create volume %s", name);
	kill_point("volume-created");
	if (volume_work_publish(&work, &made, err) < 0)
		return err_context(err, "create volume %s", name);
	event_thing(store, EVENT_VOLUME, "create", name, NULL);
	return volume ? volume_find(store, name, NULL, NULL, volume, err) : 0;
}

/* What else is true of a copy too. */
static void copy_keys(const struct record *from, struct record *to)
{
	static const char *const keys[] = { "size", "fs", "label", "image", "image-id" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (record_get(from, keys[i]))
			record_add(to, keys[i], record_get(from, keys[i]));
}

/* The parameters of a copy are those that its original was made with. */
static void copy_params(const struct record *from, struct record *to)
{
	for (size_t i = 0; i < from->keys.count; i++)
		if (str_starts(from->keys.items[i], "param."))
			record_add(to, from->keys.items[i], from->values.items[i]);
}

static int clone_to(struct store *store, const struct volume *source, const char *name,
                    enum stor_clone_mode mode, struct stor_err *err)
{
	cleanup_volume_work struct volume_work work = { .store = store };
	struct stor_clone_req req = { .source = &source->ref, .mode = mode };
	cleanup_record struct record params = RECORD_INIT;
	cleanup_volume struct volume made = VOLUME_INIT;

	if (volume_work_begin(&work, name, source->backend, &made, err) < 0)
		return -1;
	copy_params(&source->record, &params);
	if (params_parse(&made.params, made.backend, NULL, &params, STOR_PARAM_CREATE, err) < 0)
		return -1;
	made.ref.values = made.params.handed;
	kill_point("clone-folder");
	if (backend_clone(source->backend, &made.ref, &req, err) < 0)
		return -1;
	kill_point("clone-made");
	record_add(&made.record, "clone-of", source->name);
	copy_keys(&source->record, &made.record);
	return volume_work_publish(&work, &made, err);
}

int volume_clone(struct store *store, const struct volume *source, const char *name,
                 enum stor_clone_mode mode, struct stor_err *err)
{
	cleanup_free char *detail = NULL;
	cleanup_close int lock_fd = -1;

	if (check_new_name(store, name, err) < 0)
		return -1;
	lock_fd = volume_lock(store, source, true, err);
	if (lock_fd < 0 || clone_to(store, source, name, mode, err) < 0)
		return err_context(err, "clone %s to %s", source->name, name);
	detail = xasprintf("source=%s", source->name);
	event_thing(store, EVENT_VOLUME, "create", name, detail);
	return 0;
}

int volume_work_destroy(struct volume_work *work, const struct volume *volume, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("%s/%s/data", work->store->path, work->dir);
	struct stor_volume ref = volume->ref;

	ref.path = path;
	return backend_destroy(volume->backend, &ref, err);
}

int volume_remove(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_volume_work struct volume_work work = { .store = store };
	cleanup_volume struct volume volume = VOLUME_INIT;
	cleanup_close int lock_fd = -1;

	if (strchr(name, '/'))
		return err_fail(err, STOR_USAGE, 0,
		                "remove volume %s: only volumes of the store can be removed", name);
	if (volume_find(store, name, NULL, NULL, &volume, err) < 0)
		return -1;
	lock_fd = volume_lock(store, &volume, false, err);
	if (lock_fd < 0)
		return err_context(err, "remove volume %s", name);
	work.dir = store_make_temp(store, err);
	if (!work.dir)
		return -1;
	if (renameat(store->fd, volume.dir, store->fd, work.dir) < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "remove volume %s", name);
	kill_point("volume-unnamed");
	if (volume_work_destroy(&work, &volume, err) < 0) {
		/* Still in use after all: it keeps its name. */
		if (renameat2(store->fd, work.dir, store->fd, volume.dir, RENAME_NOREPLACE) == 0)
			free(steal_ptr(&work.dir));
		return err_context(err, "remove volume %s", name);
	}
	kill_point("volume-destroyed");
	event_thing(store, EVENT_VOLUME, "destroy", name, NULL);
	return 0;
}

int volume_sweep_temp(struct store *store, const char *temp, struct stor_err *err)
{
	cleanup_volume struct volume volume = VOLUME_INIT;
	cleanup_free char *path = xasprintf("%s/record", temp);
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	const struct backend *backend;
	const char *name;

	/* Without a whole record it is no volume, or one whose making was not finished. */
	if (record_load(&record, store->fd, path, &ignored) < 0 ||
	    !(name = record_get(&record, "backend")))
		return 0;
	backend = backend_load(name, err);
	if (!backend)
		return -1;
	volume_init(&volume, store, VOLUME_NAMED, backend, temp, temp, NULL);
	volume.record = record;
	record = (struct record)RECORD_INIT;
	if (volume_set_params(&volume, NULL, STOR_PARAM_ATTACH, err) < 0)
		return -1;
	return backend_destroy(backend, &volume.ref, err);
}
