/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes, loop devices and mounts that a test left: see leftovers.h. */
#include "leftovers.h"

#include <fcntl.h>
#include <glob.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "suite.h"
#include "core/base/fs.h"

#define LEFTOVER_WAIT_MS 3000

/* This process inherits every orphan of a test. Those that do not end are left behind. */
static void reap_leftovers(struct strbuf *problems)
{
	int64_t end = monotonic_ms() + LEFTOVER_WAIT_MS;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid)
			continue;
		if (monotonic_ms() > end) {
			char path[64];
			struct stor_err ignored = STOR_ERR_INIT;
			cleanup_free char *children = NULL;

			snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
			children = fs_read_file(-1, path, 65536, NULL, &ignored);
			strbuf_printf(problems, "left a process behind: %s\n",
			              children ? children : "?");
			for (char *at = children; at && *at; at += strspn(at, " "))
				kill((pid_t)strtol(at, &at, 10), SIGKILL);
		}
		sleep_ms(5);
	}
}

/* The number of a loop device that holds a file below dir, or -1. */
static int find_loop_device(const char *dir)
{
	int found = -1;
	glob_t list;

	if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &list))
		return -1;
	for (size_t i = 0; i < list.gl_pathc && found < 0; i++) {
		struct stor_err ignored = STOR_ERR_INIT;
		cleanup_free char *file = fs_read_file(-1, list.gl_pathv[i], 4096, NULL, &ignored);

		if (file && str_starts(file, dir))
			sscanf(list.gl_pathv[i], "/sys/block/loop%d/", &found);
	}
	globfree(&list);
	return found;
}

static void clear_loop_device(int number)
{
	cleanup_free char *path = xasprintf("/dev/loop%d", number);
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		ioctl(fd, LOOP_CLR_FD, 0);
}

/* Detaches every mount of the host's table that lies below dir. Returns how many. */
static int detach_mounts(const char *dir)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *table =
		fs_read_file(-1, "/proc/self/mountinfo", 16 << 20, NULL, &ignored);
	char *rest = table, *line, point[4096];
	int n = 0;

	while (rest && (line = strsep(&rest, "\n")))
		if (sscanf(line, "%*d %*d %*s %*s %4095s", point) == 1 && str_starts(point, dir))
			n += !umount2(point, MNT_DETACH);
	return n;
}

void leftovers_find(const char *dir, struct strbuf *problems)
{
	int64_t end = monotonic_ms() + LEFTOVER_WAIT_MS;
	int device, mounts;

	reap_leftovers(problems);
	while ((device = find_loop_device(dir)) >= 0 && monotonic_ms() < end)
		sleep_ms(5);
	mounts = detach_mounts(dir);
	if (mounts)
		strbuf_printf(problems, "left %d mounts in the host's table\n", mounts);
	if (device < 0)
		return;
	strbuf_printf(problems, "left /dev/loop%d behind\n", device);
	clear_loop_device(device);
}
