/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a volume: see volume_users.h. */
#include "core/volume_users.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"

#define MOUNTINFO_LIMIT_BYTES (64u << 20)

void volume_users_free(struct volume_users *users)
{
	for (size_t i = 0; i < users->count; i++) {
		free(users->list[i].file);
		record_free(&users->list[i].record);
	}
	free(users->list);
	*users = (struct volume_users)VOLUME_USERS_INIT;
}

/* Does an escaped field of mountinfo ("\040" for a space) say `dir`? */
static bool is_mount_point(const char *field, size_t length, const char *dir)
{
	size_t i = 0;

	for (; i < length && *dir; dir++) {
		char c = field[i];

		if (c == '\\' && i + 3 < length && field[i + 1] >= '0' && field[i + 1] <= '3') {
			c = (char)((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 +
			           (field[i + 3] - '0'));
			i += 4;
		} else {
			i++;
		}
		if (c != *dir)
			return false;
	}
	return i == length && !*dir;
}

bool volume_mount_exists(uint64_t mount_id, const char *dir)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, "/proc/self/mountinfo",
	                                       MOUNTINFO_LIMIT_BYTES, NULL, &ignored);

	for (char *line = text; line && *line;) {
		char *next = strchr(line, '\n'), *at;
		uint64_t id = strtoull(line, &at, 10);

		/* ID PARENT MAJOR:MINOR ROOT MOUNT-POINT … */
		for (int skip = 0; skip < 4 && at; skip++)
			at = strchr(at + (skip > 0), ' ');
		if (id == mount_id && at && is_mount_point(at + 1, strcspn(at + 1, " \n"), dir))
			return true;
		line = next ? next + 1 : NULL;
	}
	return false;
}

/* Reads a user's record and sees whether it still is one. */
static bool is_alive(struct store *store, const struct store_mark *mark, struct volume_user *user)
{
	const char *dir;

	if (mark->pid)
		return store_mark_is_alive(store, mark);
	dir = record_get(&user->record, "mount-point");
	return dir && volume_mount_exists(mark->start_time, dir);
}

/* Ends what a dead user's token names, and forgets the user. */
static int end_user(struct store *store, const struct volume *volume, const struct record *record,
                    const char *path, struct stor_err *err)
{
	const char *token = record_get(record, "token");

	if (token && backend_detach(volume->backend, &volume->ref, token, err) < 0)
		return err_context(err, "volume %s: end what a killed stor left attached",
		                   volume->name);
	if (unlinkat(store->state_fd, path, 0) < 0 && errno != ENOENT)
		return err_fail(err, STOR_FAILED, errno, "remove %s/%s", store->state_path, path);
	return 0;
}

/* The KEY of "PID.START.N.KEY", or NULL. */
static const char *key_of(const struct store_mark *mark)
{
	const char *dot = strchr(mark->rest, '.');

	return dot ? dot + 1 : NULL;
}

static int load_one(struct store *store, const struct volume *volume, const char *file,
                    struct volume_users *users, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("users/%s", file);
	struct volume_user user = { .record = RECORD_INIT };
	struct stor_err unread = STOR_ERR_INIT;
	struct store_mark mark;
	const char *key;

	if (!store_mark_parse(file, &mark) || !(key = key_of(&mark)) ||
	    strcmp(key, volume->key) != 0)
		return 0;
	if (record_load(&user.record, store->state_fd, path, &unread) < 0) {
		record_free(&user.record);
		if (unread.status == STOR_NOT_FOUND)
			return 0;
		*err = unread;
		return -1;
	}
	if (!is_alive(store, &mark, &user)) {
		/* A mount that is not there may be one that is just being put in its place, or be
		 * in another mount namespace; only gc forgets those. And what a process removed
		 * before it ended, its token above all, may be that of a mount by now. */
		int result = 0;

		if (mark.pid && faccessat(store->state_fd, path, F_OK, 0) == 0)
			result = end_user(store, volume, &user.record, path, err);
		record_free(&user.record);
		return result;
	}
	user.pid = mark.pid;
	user.start_time = mark.start_time;
	user.file = xstrdup(file);
	users->list = xrealloc(users->list, (users->count + 1) * sizeof(*users->list));
	users->list[users->count++] = user;
	return 0;
}

int volume_users_load(struct store *store, const struct volume *volume, struct volume_users *users,
                      struct stor_err *err)
{
	cleanup_strv struct strv files = STRV_INIT;

	if (store_list(store->state_fd, "users", &files, err) < 0)
		return -1;
	kill_point("users-listed");
	for (size_t i = 0; i < files.count; i++)
		if (load_one(store, volume, files.items[i], users, err) < 0)
			return -1;
	return 0;
}

int volume_end_dead_users(struct store *store, const struct volume *volume, struct stor_err *err)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;

	return volume_users_load(store, volume, &users, err);
}

static bool is_writer(const struct volume_user *user)
{
	const char *access = record_get(&user->record, "access");

	return !access || strcmp(access, "ro") != 0;
}

static const struct volume_user *find_conflict(const struct volume_users *users, bool read_only,
                                               bool passes_snapshots)
{
	for (size_t i = 0; i < users->count; i++) {
		const struct volume_user *user = &users->list[i];

		if (passes_snapshots && record_get(&user->record, "snapshot"))
			continue;
		if (!read_only || is_writer(user))
			return user;
	}
	return NULL;
}

const struct volume_user *volume_users_conflict(const struct volume_users *users, bool read_only)
{
	return find_conflict(users, read_only, false);
}

const struct volume_user *volume_users_live_conflict(const struct volume_users *users,
                                                     bool read_only)
{
	return find_conflict(users, read_only, true);
}

const char *volume_user_name(const struct volume_user *user, char *buf, size_t size)
{
	const char *name = record_get(&user->record, "user");

	if (!user->pid)
		snprintf(buf, size, "mounted at %s", record_get(&user->record, "mount-point"));
	else if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "stor process %ld", (long)user->pid);
	return buf;
}

int volume_fail_busy(const struct volume *volume, const struct volume_user *user,
                     struct stor_err *err)
{
	char name[512];

	volume_user_name(user, name, sizeof(name));
	if (user->pid) {
		err_fail(err, STOR_BUSY, 0, "volume %s: in use by %s", volume->name, name);
		return -1;
	}
	err_fail(err, STOR_BUSY, 0, "volume %s: in use, %s", volume->name, name);
	err_hint(err, "stor volume umount %s", record_get(&user->record, "mount-point"));
	return -1;
}

char *volume_user_path(struct store *store, const struct volume *volume, uint64_t mount_id)
{
	char self[48];

	if (mount_id)
		return xasprintf("users/0.%" PRIu64 ".0.%s", mount_id, volume->key);
	return xasprintf("users/%s.%u.%s", store_self(store, self, sizeof(self)),
	                 store->next_number++, volume->key);
}

/* Who mounts a volume has its lock from before the record is there until the mount is. */
static bool is_mounted_or_will_be(struct store *store, const struct store_mark *mark,
                                  const char *dir)
{
	struct stor_err ignored = STOR_ERR_INIT;
	const char *key = key_of(mark);
	cleanup_close int lock_fd = -1;

	if (volume_mount_exists(mark->start_time, dir))
		return true;
	lock_fd = key ? store_lock(store, key, true, 0, &ignored) : -1;
	return key && (lock_fd < 0 || volume_mount_exists(mark->start_time, dir));
}

int volume_users_sweep(struct store *store, const struct sweep_opts *opts, struct strv *tokens,
                       struct stor_err *err)
{
	cleanup_strv struct strv files = STRV_INIT;
	int result = 0;

	if (store_list_dead(store, store->state_fd, "users", opts->is_thorough, &files, err) < 0)
		return -1;
	for (size_t i = 0; i < files.count; i++) {
		cleanup_free char *path = xasprintf("users/%s", files.items[i]);
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err unread = STOR_ERR_INIT;
		struct store_mark mark;
		const char *dir;

		if (!store_mark_parse(files.items[i], &mark) || (!mark.pid && !opts->is_thorough) ||
		    record_load(&record, store->state_fd, path, &unread) < 0)
			continue;
		if (record_get(&record, "token")) {
			if (mark.pid)
				strv_take(tokens, steal_ptr(&path));
			continue;
		}
		dir = record_get(&record, "mount-point");
		if (!mark.pid && dir && is_mounted_or_will_be(store, &mark, dir))
			continue;
		if (opts->report)
			opts->report(opts->ctx, "volume's user", record_get(&record, "volume"),
			             mark.pid ? "its stor process is dead" : "it is not mounted");
		if (!opts->dry_run && unlinkat(store->state_fd, path, 0) < 0 && errno != ENOENT &&
		    !result)
			result = err_fail(err, STOR_FAILED, errno, "remove %s/%s",
			                  store->state_path, path);
	}
	return result;
}
