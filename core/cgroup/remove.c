/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking a container's cgroup away, by its record alone: no module is loaded. See cgroup.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/record.h"
#include "core/cgroup/internal.h"

#define REMOVE_TRIES 5000 /* of a millisecond */

char *cgroup_record_path(const char *id)
{
	return xasprintf("cgroups/%s", id);
}

/* Writes to a file that only some hierarchies have. */
static void try_write(const char *dir, const char *name, const char *text)
{
	cleanup_free char *file = xasprintf("%s/%s", dir, name);
	cleanup_close int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		log_debug("write %s: %m", file);
}

static void kill_in(const char *dir)
{
	cleanup_free char *path = xasprintf("%s/cgroup.procs", dir);
	FILE *procs = fopen(path, "re");
	long pid;

	while (procs && fscanf(procs, "%ld", &pid) == 1)
		if (pid > 0)
			kill((pid_t)pid, SIGKILL);
	if (procs)
		fclose(procs);
}

/* Whoever is still there outlived its stor, and dies. A frozen one does when it is thawed, in the
 * one hierarchy that has the freezer. */
static void kill_left(const struct record *record)
{
	const char *text;

	for (size_t at = 0; (text = record_next(record, "place", &at));) {
		const char *path = strchr(text, '/');

		for (int leaf = 0; path && leaf < CGROUP_LEAVES; leaf++) {
			cleanup_free char *dir = xasprintf("%s/%s", path, cgroup_leaf_names[leaf]);

			kill_in(dir);
			try_write(dir, "freezer.state", "THAWED");
			try_write(dir, "cgroup.freeze", "0");
		}
	}
}

/* A cgroup is busy for a moment after its last process. */
static int remove_dir(const struct record *record, const char *dir, struct stor_err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < REMOVE_TRIES; tries++) {
		if (rmdir(dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return err_fail(err, STOR_FAILED, errno, "remove cgroup %s", dir);
		/* The first time it is most often only that moment. */
		if (tries)
			kill_left(record);
		nanosleep(&pause, NULL);
	}
	err_fail(err, STOR_BUSY, EBUSY, "remove cgroup %s", dir);
	err_hint(err,
	         "a process in it was killed and waits for its disk; stor gc removes it later");
	return -1;
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

int cgroup_remove(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = cgroup_record_path(id);
	const char *text;

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
