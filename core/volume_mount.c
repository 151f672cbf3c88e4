/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes mounted on the host. The mount outlives the command, and what the backend's lock lasts as
 * long as depends on the backend; so a record in STATE/users says that the volume is mounted, for
 * as long as /proc/self/mountinfo agrees.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/proc.h"
#include "core/volume.h"
#include "core/volume_users.h"

#define LOCK_WAIT_MS 5000

/* --- mount -------------------------------------------------------------------------------- */

static int mount_id(int fd, const char *path, uint64_t *id)
{
	struct statx st;

	if (statx(fd, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID,
	          &st) < 0)
		return -1;
	*id = st.stx_mnt_id;
	return 0;
}

/* The way to the server stays, for whoever works on the mounted volume. */
static void add_server(struct record *record, int pidfd)
{
	pid_t pid = pidfd < 0 ? 0 : proc_pidfd_pid(pidfd);

	if (pid <= 0)
		return;
	record_set_u64(record, "server", (uint64_t)pid);
	record_set_u64(record, "server-start", proc_start_time(pid));
}

static int save_mount(struct store *store, const struct attached *attached, const char *dir,
                      const char *snapshot, const char *record_path, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stat st;

	record_add(&record, "volume",
	           attached->volume->dir ? attached->volume->name : attached->volume->path);
	record_add(&record, "backend", attached->volume->backend->ops.name);
	record_add(&record, "access", attached->read_only ? "ro" : "rw");
	record_add(&record, "mount-point", dir);
	if (snapshot)
		record_add(&record, "snapshot", snapshot);
	if (fstat(attached->root_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "look at the root directory");
	record_set_u64(&record, "device", st.st_dev);
	record_set_u64(&record, "inode", st.st_ino);
	record_add(&record, "block", attached->is_block ? "yes" : "no");
	add_server(&record, attached->server_pidfd);
	if (attached->how)
		record_add(&record, "how", attached->how);
	if (attached->token)
		record_add(&record, "token", attached->token);
	return record_save(&record, store->state_fd, record_path, false, err);
}

static int move_to_dir(struct store *store, struct attached *attached, int dir_fd, const char *dir,
                       const char *snapshot, struct stor_err *err)
{
	cleanup_free char *record_path = NULL;
	uint64_t id;

	if (mount_id(attached->mount_fd, "", &id) < 0)
		return err_fail(err, STOR_FAILED, errno, "look at the mount");
	/* A detached mount keeps its id when it is moved to its place. */
	record_path = volume_user_path(store, attached->volume, id);
	if (save_mount(store, attached, dir, snapshot, record_path, err) < 0)
		return -1;
	kill_point("mount-recorded");
	if (move_mount(attached->mount_fd, "", dir_fd, "",
	               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		err_fail(err, STOR_FAILED, errno, "move the mount to %s", dir);
		unlinkat(store->state_fd, record_path, 0);
		return -1;
	}
	kill_point("mount-moved");
	return 0;
}

/* This process lets go of a volume that its mount keeps. */
static void hand_over(struct attached *attached)
{
	close_fd(&attached->mount_fd);
	close_fd(&attached->root_fd);
	close_fd(&attached->control_fd);
	close_fd(&attached->server_pidfd);
	close_fd(&attached->lock_fd);
	if (attached->user_path)
		unlink(attached->user_path);
	free(steal_ptr(&attached->user_path));
	free(steal_ptr(&attached->token));
}

int volume_mount(struct store *store, const struct volume *volume, const char *dir,
                 const char *snapshot, bool read_only, struct stor_err *err)
{
	struct attach_opts opts = ATTACH_OPTS_INIT;
	struct attached attached = ATTACHED_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_close int dir_fd = -1, lock_fd = -1;
	char path[PATH_MAX];

	if (!realpath(dir, path))
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "mount volume %s at %s", volume->name, dir);
	dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir_fd < 0)
		return err_fail(err, STOR_USAGE, errno, "mount volume %s at %s", volume->name, dir);
	opts.snapshot = snapshot;
	opts.read_only = read_only || snapshot;
	/* Until the mount stands for this process: whoever looks in between would find neither. */
	lock_fd = store_lock(store, volume->key, false, LOCK_WAIT_MS, err);
	if (lock_fd < 0)
		return err_context(err, "volume %s", volume->name);
	opts.is_locked = true;
	if (volume_check_there(store, volume, err) < 0 ||
	    volume_attach(store, volume, &opts, &attached, err) < 0)
		return -1;
	kill_point("mount-attached");
	if (move_to_dir(store, &attached, dir_fd, path, snapshot, err) < 0) {
		volume_release(&attached, false, &ignored);
		return err_context(err, "mount volume %s at %s", volume->name, dir);
	}
	hand_over(&attached);
	return 0;
}

/* --- umount ------------------------------------------------------------------------------- */

static int unmount_one(struct store *store, const struct volume *volume,
                       const struct volume_user *user, struct stor_err *err)
{
	const char *dir = record_get(&user->record, "mount-point");
	const char *token = record_get(&user->record, "token");
	cleanup_free char *path = xasprintf("users/%s", user->file);
	uint64_t id;

	if (mount_id(AT_FDCWD, dir, &id) == 0 && id != user->start_time)
		return err_fail(err, STOR_BUSY, 0,
		                "unmount %s: another filesystem is mounted over it", dir);
	if (umount2(dir, UMOUNT_NOFOLLOW) < 0) {
		int saved = errno;

		err_fail(err, saved == EBUSY ? STOR_BUSY : STOR_FAILED, saved, "unmount %s", dir);
		if (saved == EBUSY)
			err_hint(err, "processes have files open below it: fuser -vm %s", dir);
		return -1;
	}
	kill_point("umount-done");
	if (token && backend_detach(volume->backend, &volume->ref, token, err) < 0)
		return -1;
	if (unlinkat(store->state_fd, path, 0) < 0 && errno != ENOENT)
		return err_fail(err, STOR_FAILED, errno, "remove %s/%s", store->state_path, path);
	/* Readers may be left, and only a writer can be seen to go. */
	return strcmp(record_get(&user->record, "access"), "ro") ? volume_wait_free(volume, err)
	                                                         : 0;
}

/* Which volume is mounted at a directory? Its name or path and its backend, malloc'ed; false: none
 * that stor mounted. */
static bool find_by_dir(struct store *store, const char *dir, char **name, char **backend)
{
	cleanup_strv struct strv files = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	store_list(store->state_fd, "users", &files, &ignored);
	for (size_t i = 0; i < files.count; i++) {
		cleanup_free char *path = xasprintf("users/%s", files.items[i]);
		cleanup_record struct record record = RECORD_INIT;
		struct store_mark mark;
		const char *at;

		if (!store_mark_parse(files.items[i], &mark) || mark.pid ||
		    record_load(&record, store->state_fd, path, &ignored) < 0)
			continue;
		at = record_get(&record, "mount-point");
		if (!at || strcmp(at, dir) != 0 || !volume_mount_exists(mark.start_time, dir))
			continue;
		*name = xstrdup(record_get(&record, "volume"));
		*backend = xstrdup(record_get(&record, "backend"));
		return true;
	}
	return false;
}

int volume_umount(struct store *store, const char *name_or_dir, struct stor_err *err)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	cleanup_volume struct volume volume = VOLUME_INIT;
	cleanup_free char *name = NULL, *backend = NULL;
	char path[PATH_MAX];
	bool by_dir, any = false;

	if (store_open(store, err) < 0)
		return -1;
	by_dir = realpath(name_or_dir, path) && find_by_dir(store, path, &name, &backend);
	if (volume_find(store, by_dir ? name : name_or_dir, backend, NULL, &volume, err) < 0 ||
	    volume_users_load(store, &volume, &users, err) < 0)
		return err_context(err, "unmount %s", name_or_dir);
	for (size_t i = 0; i < users.count; i++) {
		if (users.list[i].pid ||
		    (by_dir && strcmp(record_get(&users.list[i].record, "mount-point"), path) != 0))
			continue;
		any = true;
		if (unmount_one(store, &volume, &users.list[i], err) < 0)
			return -1;
	}
	if (!any)
		return err_fail(err, STOR_NOT_FOUND, 0, "volume %s is not mounted on the host",
		                name_or_dir);
	return 0;
}
