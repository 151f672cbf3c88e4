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

#include "core/base/fs.h"
#include "core/base/record.h"
#include "core/cgroup/internal.h"

#define REMOVE_TRIES 5000 /* of a millisecond */

char *cgroup_record_path(const char *id)
{
	return xasprintf("cgroups/%s", id);
}

/* Who is still here outlived its stor: it dies, frozen or not. */
static void kill_left(const char *dir)
{
	static const char *const thaw[][2] = { { "freezer.state", "THAWED" },
		                               { "cgroup.freeze", "0" } };
	cleanup_free char *path = xasprintf("%s/cgroup.procs", dir);
	FILE *procs = fopen(path, "re");
	long pid;

	while (procs && fscanf(procs, "%ld", &pid) == 1)
		if (pid > 0)
			kill((pid_t)pid, SIGKILL);
	if (procs)
		fclose(procs);
	for (size_t i = 0; i < 2; i++) {
		cleanup_free char *file = xasprintf("%s/%s", dir, thaw[i][0]);
		cleanup_close int fd = open(file, O_WRONLY | O_CLOEXEC);

		if (fd >= 0 && write(fd, thaw[i][1], strlen(thaw[i][1])) < 0)
			continue;
	}
}

/* A cgroup is busy for a moment after its last process. */
static int remove_dir(const char *dir, struct stor_err *err)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int tries = 0; tries < REMOVE_TRIES; tries++) {
		if (rmdir(dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			break;
		/* The first time it is most often only a moment. */
		if (tries)
			kill_left(dir);
		nanosleep(&pause, NULL);
	}
	return err_fail(err, errno == EBUSY ? STOR_BUSY : STOR_FAILED, errno, "remove cgroup %s",
	                dir);
}

static int remove_place(const char *text, struct stor_err *err)
{
	const char *path = strchr(text, '/');

	for (int leaf = 0; path && leaf < CGROUP_LEAVES; leaf++) {
		cleanup_free char *dir = xasprintf("%s/%s", path, cgroup_leaf_names[leaf]);

		if (remove_dir(dir, err) < 0)
			return -1;
	}
	return path ? remove_dir(path, err) : 0;
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
		if (remove_place(text, err) < 0)
			return -1;
	/* Others may be in them: then they stay, and the last one takes them away. */
	for (size_t at = 0; (text = record_next(&record, "made", &at));)
		rmdir(text);
	unlinkat(store->state_fd, path, 0);
	return 0;
}
