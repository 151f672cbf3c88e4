/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See room_cgroup.h. */
#include "bench/measure/room_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"

#define CGROUPS "/sys/fs/cgroup"
#define KILL_WAIT_MS 10000

static bool is_version_2(void)
{
	return !access(CGROUPS "/cgroup.controllers", F_OK);
}

/* Where processor time is counted. malloc'ed. */
static char *counter_path(const struct room *room)
{
	return xasprintf(CGROUPS "%s/%s", is_version_2() ? "" : "/cpuacct", room->cgroup);
}

char *room_add_cgroup(const struct room *room, const char *name, struct stor_err *err)
{
	cleanup_free char *above = counter_path(room);
	cleanup_free char *path = xasprintf("%s/%s", above, name);

	if (fs_mkdirs(path, 0755, err) < 0)
		return NULL;
	return xasprintf("%s/cgroup.procs", path);
}

double room_cpu_seconds(const struct room *room)
{
	cleanup_free char *above = counter_path(room);
	cleanup_free char *path =
		xasprintf("%s/%s", above, is_version_2() ? "cpu.stat" : "cpuacct.usage");
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, 4096, NULL, &ignored);
	static const char word[] = "usage_usec ";
	const char *at = text && is_version_2() ? strstr(text, word) : NULL;

	err_clear(&ignored);
	if (at)
		return strtod(at + sizeof(word) - 1, NULL) / 1e6;
	return text && !is_version_2() ? strtod(text, NULL) / 1e9 : 0;
}

static void kill_members(const char *path)
{
	cleanup_free char *file = xasprintf("%s/cgroup.procs", path);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, file, 1u << 20, NULL, &ignored);

	err_clear(&ignored);
	for (char *at = text; at && *at;) {
		long pid = strtol(at, &at, 10);

		/* 0: of another namespace. */
		if (pid > 0)
			kill((pid_t)pid, SIGKILL);
		at += *at == '\n';
	}
}

static void remove_cgroup(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_strv struct strv names = STRV_INIT;

	if (fd < 0 || fs_list(fd, &names) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *below = xasprintf("%s/%s", path, names.items[i]);
		struct stat st;

		if (!lstat(below, &st) && S_ISDIR(st.st_mode))
			remove_cgroup(below);
	}
	kill_members(path);
	rmdir(path);
}

/* Those that were killed need a moment to go. */
static void remove_cgroups(const char *path)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	const int64_t end = monotonic_ms() + KILL_WAIT_MS;

	while (!access(path, F_OK)) {
		remove_cgroup(path);
		if (access(path, F_OK) != 0)
			return;
		if (monotonic_ms() > end) {
			log_warn("cgroup %s cannot be removed", path);
			return;
		}
		nanosleep(&moment, NULL);
	}
}

/* --- the bench's own ------------------------------------------------------------------------- */

/* The folders of this process's cgroups, one of each hierarchy, or only of those that have no
 * controllers. 0, or -1 with err filled. */
static int list_own(bool all, struct strv *folders, struct stor_err *err)
{
	cleanup_free char *lines = fs_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, NULL, err);
	char *save = NULL;

	if (!lines)
		return -1;
	/* "4:cpu,cpuacct:/path", "1:name=systemd:/path", "0::/path". */
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		bool is_named;

		if (!path)
			continue;
		*path++ = '\0';
		controllers++;
		is_named = str_starts(controllers, "name=");
		if (is_named)
			controllers += strlen("name=");
		else if (!*controllers)
			controllers = is_version_2() ? "." : "unified";
		else if (!all)
			continue;
		strv_take(folders, xasprintf(CGROUPS "/%s%s", controllers,
		                             strcmp(path, "/") != 0 ? path : ""));
	}
	return 0;
}

static int join(const char *path, struct stor_err *err)
{
	cleanup_free char *file = xasprintf("%s/cgroup.procs", path);
	cleanup_close int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, "0", 1) != 1
	               ? err_fail(err, STOR_FAILED, errno, "join cgroup %s", path)
	               : 0;
}

int room_settle(struct room *room, struct stor_err *err)
{
	if (list_own(false, &room->homes, err) < 0)
		return -1;
	for (size_t i = 0; i < room->homes.count; i++) {
		const char *home = room->homes.items[i];
		/* With version 2 none that has processes may have limited ones below it. */
		cleanup_free char *own = xasprintf("%s/%s/bench", home, room->cgroup);

		if (!access(home, F_OK) && (fs_mkdirs(own, 0755, err) < 0 || join(own, err) < 0))
			return -1;
	}
	return 0;
}

static void go_home(struct room *room)
{
	for (size_t i = 0; i < room->homes.count; i++) {
		cleanup_free char *own = xasprintf("%s/%s", room->homes.items[i], room->cgroup);
		struct stor_err err = STOR_ERR_INIT;

		if (access(own, F_OK) != 0)
			continue;
		if (join(room->homes.items[i], &err) < 0)
			log_warn("%s", err.text);
		else
			remove_cgroups(own);
		err_clear(&err);
	}
	strv_free(&room->homes);
}

/* --- the end --------------------------------------------------------------------------------- */

/* Some make them at the root of each hierarchy, and some below the cgroup that they are in. */
static void remove_from_all(const struct room *room)
{
	cleanup_close int fd = open(CGROUPS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_strv struct strv names = STRV_INIT, places = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	strv_add(&places, CGROUPS);
	if (fd >= 0 && !is_version_2() && !fs_list(fd, &names))
		for (size_t i = 0; i < names.count; i++)
			strv_take(&places, xasprintf(CGROUPS "/%s", names.items[i]));
	list_own(true, &places, &ignored);
	err_clear(&ignored);
	for (size_t i = 0; i < places.count; i++) {
		cleanup_free char *path = xasprintf("%s/%s", places.items[i], room->cgroup);

		remove_cgroups(path);
	}
}

void room_cgroups_end(struct room *room)
{
	go_home(room);
	remove_from_all(room);
}
