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

/* The folder of this process's cgroup where `line` of /proc/self/cgroup begins with `prefix`;
 * malloc'ed, NULL: it is of another hierarchy. */
static char *own_cgroup(const char *line, const char *prefix, const char *at)
{
	const char *path = strstr(line, prefix);

	if (!path || strchr(line, '/') < path)
		return NULL;
	path += strlen(prefix);
	return xasprintf("%s%s", at, strcmp(path, "/") != 0 ? path : "");
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
	cleanup_free char *lines = fs_read_file(AT_FDCWD, "/proc/self/cgroup", 65536, NULL, err);
	char *save = NULL;

	if (!lines)
		return -1;
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *home = own_cgroup(line, ":name=systemd:", CGROUPS "/systemd");
		cleanup_free char *own = NULL;

		if (!home)
			home = own_cgroup(line,
			                  "0::", is_version_2() ? CGROUPS : CGROUPS "/unified");
		if (!home)
			continue;
		strv_take(&room->homes, home);
		/* With version 2 none that has processes may have limited ones below it. */
		own = xasprintf("%s/%s/bench", home, room->cgroup);
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

static void remove_from_all(const struct room *room)
{
	cleanup_close int fd = open(CGROUPS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *only = xasprintf(CGROUPS "/%s", room->cgroup);
	cleanup_strv struct strv hierarchies = STRV_INIT;

	if (is_version_2()) {
		remove_cgroups(only);
		return;
	}
	if (fd < 0 || fs_list(fd, &hierarchies) < 0)
		return;
	for (size_t i = 0; i < hierarchies.count; i++) {
		cleanup_free char *path =
			xasprintf(CGROUPS "/%s/%s", hierarchies.items[i], room->cgroup);

		remove_cgroups(path);
	}
}

void room_cgroups_end(struct room *room)
{
	go_home(room);
	remove_from_all(room);
}
