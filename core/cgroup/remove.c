/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a container's cgroup away, by its record alone: a module is loaded only where something is
 * left in it. See cgroup.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/record.h"
#include "core/cgroup/internal.h"

#define REMOVE_TRIES 5000 /* of a millisecond */
#define LOCK_WAIT_MS 10000

char *cgroup_record_path(const char *id)
{
	return xasprintf("cgroups/%s", id);
}

/* Whoever is still there outlived its stor, and dies. */
static int kill_left(const struct record *record, struct stor_err *err)
{
	cleanup_cgroup struct cgroup cgroup = CGROUP_INIT;
	const char *text;

	for (size_t at = 0; (text = record_next(record, "place", &at));)
		if (!cgroup_open_place(&cgroup, text, err))
			return -1;
	for (int leaf = 0; leaf < CGROUP_LEAVES; leaf++)
		if (cgroup_kill(&cgroup, (enum cgroup_leaf)leaf, err) < 0)
			return -1;
	return 0;
}

static int fail_busy(const char *dir, int errnum, struct stor_err *err)
{
	err_fail(err, STOR_BUSY, errnum, "remove cgroup %s", dir);
	err_hint(err,
	         "a process in it was killed and waits for its disk; stor gc removes it later");
	return -1;
}

/* Those that a service manager made in it, as far as they are empty. */
static void remove_below(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close_fd(&fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, ".."))
			continue;
		remove_below(fd, entry->d_name);
		unlinkat(fd, entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
}

/* A cgroup is busy for a moment after its last process. */
static int remove_dir(const struct record *record, const char *dir, struct stor_err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int tries = 0;

	while (rmdir(dir) < 0 && errno != ENOENT) {
		/* On a read-only mount also what never was there cannot be removed. */
		if (errno == EROFS && faccessat(AT_FDCWD, dir, F_OK, 0) < 0)
			return 0;
		if (errno != EBUSY)
			return err_fail(err, STOR_FAILED, errno, "remove cgroup %s", dir);
		if (++tries == REMOVE_TRIES)
			return fail_busy(dir, EBUSY, err);
		remove_below(AT_FDCWD, dir);
		/* The first time it is most often only that moment. */
		if (tries == 2 && kill_left(record, err) < 0)
			return err->status == STOR_BUSY ? fail_busy(dir, 0, err)
			                                : err_context(err, "remove cgroup %s", dir);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int remove_place(const struct record *record, const char *text, struct stor_err *err)
{
	const char *path = strchr(text, '/');

	for (int leaf = 0; path && leaf < CGROUP_LEAVES; leaf++) {
		cleanup_free char *dir = xasprintf("%s/%s", path, cgroup_leaf_names[leaf]);

		if (remove_dir(record, dir, err) < 0)
			return -1;
	}
	return path ? remove_dir(record, path, err) : 0;
}

int cgroup_lock(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_free char *key = xasprintf("cgroup-%s", id);

	return store_lock(store, key, true, LOCK_WAIT_MS, err);
}

int cgroup_remove(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_close int lock_fd = cgroup_lock(store, id, err);
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = cgroup_record_path(id);
	const char *text;

	if (lock_fd < 0)
		return err_context(err, "cgroup of container %s", id);
	if (faccessat(store->state_fd, path, F_OK, 0) < 0)
		return 0;
	if (record_load(&record, store->state_fd, path, err) < 0)
		return err->status == STOR_NOT_FOUND ? (err_clear(err), 0) : -1;
	for (size_t at = 0; (text = record_next(&record, "place", &at));)
		if (remove_place(&record, text, err) < 0)
			return -1;
	/* Others may be in them: then they stay, and the last one takes them away. */
	for (size_t at = 0; (text = record_next(&record, "made", &at));)
		rmdir(text);
	unlinkat(store->state_fd, path, 0);
	return 0;
}
