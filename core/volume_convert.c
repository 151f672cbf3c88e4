/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving a volume to another backend. The new one is made in tmp/ from the content of the old one,
 * and changes places with it when it is whole and on disk: whoever is killed leaves one of the two
 * in its place, and the other in tmp/ for the sweep.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/volume.h"
#include "core/volume_work.h"

/* The states that a volume has beside the present one would be lost. */
static int count_snapshot(void *ctx, const struct stor_snapshot *snapshot)
{
	unsigned *count = ctx;

	(void)snapshot;
	++*count;
	return 0;
}

static int refuse_snapshots(const struct volume *volume, struct stor_err *err)
{
	unsigned count = 0;

	if (!backend_can(volume->backend, snapshot_list))
		return 0;
	if (backend_snapshot_list(volume->backend, &volume->ref, count_snapshot, &count, err) < 0)
		return -1;
	if (!count)
		return 0;
	err_fail(err, STOR_UNSUPPORTED, 0, "it has %u snapshot%s, which would be lost", count,
	         count > 1 ? "s" : "");
	err_hint(err, "stor volume snapshot-rm removes them");
	return -1;
}

/* Of the old volume, where the new one can have it too. */
static int describe(const struct volume *from, const struct volume_convert_opts *opts,
                    const struct backend *to, struct stor_create_req *req, struct stor_err *err)
{
	struct stor_info info = { .struct_size = sizeof(info) };

	if (backend_info(from->backend, &from->ref, &info, err) < 0)
		return -1;
	if (backend_is_sized(from->backend) && backend_is_sized(to))
		req->size_bytes = info.size_bytes;
	if (opts->size_bytes)
		req->size_bytes = opts->size_bytes;
	req->fs_label = to->ops.fs_types ? record_get(&from->record, "label") : NULL;
	return 0;
}

/* Attached for writing, so that a filesystem that was not unmounted is recovered first. */
static int copy_content(struct store *store, const struct volume *from, const struct volume *to,
                        struct stor_create_req *req, struct stor_err *err)
{
	struct attach_opts opts = ATTACH_OPTS_INIT;
	struct attached attached = ATTACHED_INIT;
	struct stor_err later = STOR_ERR_INIT;
	int result;

	opts.is_locked = true;
	if (volume_attach(store, from, &opts, &attached, err) < 0)
		return -1;
	req->source_fd = attached.root_fd;
	req->source_path = from->name;
	kill_point("convert-attached");
	result = backend_create(to->backend, &to->ref, req, err);
	kill_point("convert-filled");
	if (volume_release(&attached, false, result ? &later : err) < 0)
		result = -1;
	return result;
}

static void write_record(const struct volume *from, const struct stor_create_req *req,
                         struct record *record)
{
	static const char *const keys[] = { "created", "clone-of", "image", "image-id" };

	if (req->size_bytes)
		record_add_u64(record, "size", req->size_bytes);
	if (req->fs_label)
		record_add(record, "label", req->fs_label);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (record_get(&from->record, keys[i]))
			record_add(record, keys[i], record_get(&from->record, keys[i]));
}

/* The old one is in tmp/ by now. Where it cannot go yet, the next sweep sees to it. */
static void forget_old(struct volume_work *work, const struct volume *from)
{
	struct stor_err err = STOR_ERR_INIT;

	if (volume_work_destroy(work, from, &err) == 0)
		return;
	log_warn("volume %s is converted; what it was before is removed later: %s", from->name,
	         err.text);
	free(steal_ptr(&work->dir));
}

static int convert(struct store *store, const struct volume *from,
                   const struct volume_convert_opts *opts, const struct backend *to,
                   struct stor_err *err)
{
	cleanup_volume_work struct volume_work work = { .store = store };
	struct stor_create_req req = { .source_fd = -1 };
	cleanup_volume struct volume made = VOLUME_INIT;

	if (refuse_snapshots(from, err) < 0 || describe(from, opts, to, &req, err) < 0 ||
	    volume_work_begin(&work, from->name, to, &made, err) < 0 ||
	    volume_set_params(&made, opts->params, STOR_PARAM_CREATE | STOR_PARAM_CHANGE, err) < 0)
		return -1;
	kill_point("convert-folder");
	if (copy_content(store, from, &made, &req, err) < 0)
		return -1;
	write_record(from, &req, &made.record);
	if (volume_work_exchange(&work, &made, err) < 0)
		return -1;
	kill_point("convert-exchanged");
	forget_old(&work, from);
	return 0;
}

int volume_convert(struct store *store, struct volume *volume,
                   const struct volume_convert_opts *opts, struct stor_err *err)
{
	const struct backend *to = backend_load(opts->backend, err);
	cleanup_close int lock_fd = -1;

	if (!to)
		return -1;
	if (volume->kind != VOLUME_NAMED) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "volume %s: only volumes of the store go to another backend",
		         volume->name);
		err_hint(err, "stor volume clone %s NAME makes it one", volume->name);
		return -1;
	}
	if (to == volume->backend)
		return err_fail(err, STOR_USAGE, 0, "volume %s is on backend %s already",
		                volume->name, to->ops.name);
	lock_fd = volume_lock(store, volume, false, err);
	if (lock_fd < 0 || convert(store, volume, opts, to, err) < 0)
		return err_context(err, "convert volume %s to %s", volume->name, to->ops.name);
	return 0;
}
