/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving a volume another size. A backend enlarges the device; the filesystem on it is grown here,
 * mounted. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/fsmount.h"
#include "core/volume.h"
#include "core/volume_users.h"

#define LOCK_WAIT_MS 5000

/* The filesystem could not follow: the device becomes what it was. */
static int take_back(const struct volume *volume, struct stor_resize_req *req, uint64_t old_bytes,
                     struct stor_err *err)
{
	struct stor_err why = STOR_ERR_INIT;
	char size[16];

	req->size_bytes = old_bytes;
	if (backend_resize(volume->backend, &volume->ref, req, &why) < 0)
		return err_context(err, "volume %s: its device grew, its filesystem did not (%s)",
		                   volume->name, why.text);
	return err_context(err, "volume %s: still has %s", volume->name,
	                   str_from_size(old_bytes, size, sizeof(size)));
}

static int grow_online(const struct volume *volume, const struct volume_user *user,
                       uint64_t old_bytes, uint64_t size_bytes, struct stor_err *err)
{
	cleanup_close int root_fd = -1, control_fd = -1;
	struct stor_resize_req req = { .size_bytes = size_bytes };

	if (size_bytes < old_bytes) {
		char name[512];

		err_fail(err, STOR_BUSY, 0, "volume %s: cannot shrink while in use by %s",
		         volume->name, volume_user_name(user, name, sizeof(name)));
		return -1;
	}
	if (volume_user_reach(volume, user, &root_fd, &control_fd, err) < 0)
		return -1;
	req.root_fd = root_fd;
	req.control_fd = control_fd;
	if (backend_resize(volume->backend, &volume->ref, &req, err) < 0)
		return -1;
	kill_point("resize-device");
	if (fsmount_grow(root_fd, err) < 0)
		return take_back(volume, &req, old_bytes, err);
	return 0;
}

/* Mounts the volume where nobody sees it, to grow its filesystem. */
static int grow_privately(struct store *store, const struct volume *volume, struct stor_err *err)
{
	struct attach_opts opts = ATTACH_OPTS_INIT;
	struct attached attached = ATTACHED_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	int result;

	opts.is_locked = true;
	if (volume_attach(store, volume, &opts, &attached, err) < 0)
		return -1;
	result = fsmount_grow(attached.root_fd, err);
	if (volume_release(&attached, false, result < 0 ? &ignored : err) < 0)
		result = -1;
	return result;
}

/* Remembers a size, and whether the filesystem has it already. */
static int record_size(struct store *store, struct volume *volume, uint64_t size_bytes,
                       bool is_growing, struct stor_err *err)
{
	cleanup_free char *path = NULL;

	if (!volume->dir)
		return 0;
	path = xasprintf("%s/record", volume->dir);
	record_set_u64(&volume->record, "size", size_bytes);
	record_set(&volume->record, "growing", is_growing ? "yes" : "no");
	return record_save(&volume->record, store->fd, path, true, err);
}

static int resize_offline(struct store *store, struct volume *volume, uint64_t old_bytes,
                          uint64_t size_bytes, struct stor_err *err)
{
	struct stor_resize_req req = { .size_bytes = size_bytes, .root_fd = -1, .control_fd = -1 };
	const char *growing = record_get(&volume->record, "growing");
	bool was_killed = growing && !strcmp(growing, "yes");

	if (size_bytes == old_bytes && !was_killed)
		return 0;
	if (size_bytes >= old_bytes && record_size(store, volume, size_bytes, true, err) < 0)
		return -1;
	if (backend_resize(volume->backend, &volume->ref, &req, err) < 0) {
		struct stor_err ignored = STOR_ERR_INIT;

		record_size(store, volume, old_bytes, was_killed, &ignored);
		return -1;
	}
	kill_point("resize-device");
	if (size_bytes >= old_bytes && grow_privately(store, volume, err) < 0) {
		take_back(volume, &req, old_bytes, err);
		record_size(store, volume, old_bytes, was_killed, err);
		return -1;
	}
	return record_size(store, volume, size_bytes, false, err);
}

static int resize_locked(struct store *store, struct volume *volume, uint64_t size_bytes,
                         struct stor_err *err)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	struct stor_info info = { .struct_size = sizeof(info) };
	const struct volume_user *writer, *reader;

	if (volume_check_there(store, volume, err) < 0 ||
	    volume_users_load(store, volume, &users, err) < 0 ||
	    backend_info(volume->backend, &volume->ref, &info, err) < 0)
		return -1;
	if (info.size_bytes == STOR_UNKNOWN)
		return err_fail(err, STOR_UNSUPPORTED, 0, "volume %s: backend \"%s\" has no sizes",
		                volume->name, volume->backend->ops.name);
	writer = volume_users_conflict(&users, true);
	reader = volume_users_conflict(&users, false);
	if (writer) {
		if (grow_online(volume, writer, info.size_bytes, size_bytes, err) < 0)
			return -1;
		return record_size(store, volume, size_bytes, false, err);
	}
	if (reader)
		return volume_fail_busy(volume, reader, err);
	if (info.in_use)
		return err_fail(err, STOR_BUSY, 0, "volume %s: in use by something else than stor",
		                volume->name);
	return resize_offline(store, volume, info.size_bytes, size_bytes, err);
}

int volume_resize(struct store *store, struct volume *volume, uint64_t size_bytes,
                  struct stor_err *err)
{
	cleanup_close int lock_fd = -1;

	if (!size_bytes || size_bytes > INT64_MAX)
		return err_fail(err, STOR_USAGE, 0, "volume %s: cannot have %" PRIu64 " bytes",
		                volume->name, size_bytes);
	lock_fd = store_lock(store, volume->key, true, LOCK_WAIT_MS, err);
	if (lock_fd < 0)
		return err_context(err, "volume %s", volume->name);
	return resize_locked(store, volume, size_bytes, err);
}
