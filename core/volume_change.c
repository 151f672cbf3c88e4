/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Work on volumes that may be in use: see volume.h. */
#include <string.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/freeze.h"
#include "core/volume.h"
#include "core/volume_users.h"

#define LOCK_WAIT_MS 5000

/* The one who writes to it, if it can be reached. */
static int reach_writer(const struct volume *volume, const struct volume_user *writer,
                        struct volume_change *change, struct stor_err *err)
{
	const char *block = record_get(&writer->record, "block");

	if (!block || strcmp(block, "yes") != 0)
		return volume_fail_busy(volume, writer, err);
	return volume_user_reach(volume, writer, &change->root_fd, &change->control_fd, err);
}

static int begin_locked(struct store *store, const struct volume *volume, bool readers_may_stay,
                        struct volume_change *change, struct stor_err *err)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	const struct volume_user *writer;
	bool in_use = false;

	if (volume_check_there(store, volume, err) < 0 ||
	    volume_users_load(store, volume, &users, err) < 0)
		return -1;
	writer = volume_users_conflict(&users, true);
	for (size_t i = 0; i < users.count; i++)
		if (&users.list[i] != writer && (!readers_may_stay || !writer))
			return volume_fail_busy(volume, &users.list[i], err);
	if (writer)
		return reach_writer(volume, writer, change, err);
	if (backend_is_in_use(volume->backend, &volume->ref, &in_use, err) < 0)
		return -1;
	return in_use ? err_fail(err, STOR_BUSY, 0, "volume %s: in use", volume->name) : 0;
}

int volume_change_begin(struct store *store, const struct volume *volume, bool readers_may_stay,
                        struct volume_change *change, struct stor_err *err)
{
	change->lock_fd = store_lock(store, volume->key, true, LOCK_WAIT_MS, err);
	if (change->lock_fd < 0)
		return err_context(err, "volume %s", volume->name);
	return begin_locked(store, volume, readers_may_stay, change, err);
}

void volume_change_end(struct volume_change *change)
{
	close_fd(&change->root_fd);
	close_fd(&change->control_fd);
	close_fd(&change->lock_fd);
}

static int snapshot_frozen(const struct volume *volume, struct stor_snapshot_req *req,
                           struct stor_err *err)
{
	struct freeze freeze = FREEZE_INIT;
	int result;

	if (freeze_begin(req->root_fd, &freeze, err) < 0)
		return err_context(err, "volume %s", volume->name);
	kill_point("volume-frozen");
	result = backend_snapshot(volume->backend, &volume->ref, req, err);
	kill_point("volume-changed");
	if (!freeze_end(&freeze) && !result)
		log_warn("volume %s: its filesystem went on before snapshot %s was taken: the "
		         "snapshot is as after a power cut",
		         volume->name, req->id);
	return result;
}

int volume_snapshot(struct store *store, const struct volume *volume, const char *id,
                    struct stor_err *err)
{
	cleanup_volume_change struct volume_change change = VOLUME_CHANGE_INIT;
	struct stor_snapshot_req req = { .id = id };

	if (volume_change_begin(store, volume, true, &change, err) < 0)
		return -1;
	req.root_fd = change.root_fd;
	req.control_fd = change.control_fd;
	if (req.root_fd >= 0)
		return snapshot_frozen(volume, &req, err);
	return backend_snapshot(volume->backend, &volume->ref, &req, err);
}
