/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kill points of the container's first process: see child_kill.h. Empty in ordinary builds. */
#include "core/container/child_kill.h"

#ifdef STOR_KILL_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>

static int write_fd = -1, list_fd = -1;

/* Where the child does not close it. */
static int move_up(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_LAST_FD + 1);

	close(fd);
	return moved;
}

void child_kill_prepare(void)
{
	const char *list = getenv("STOR_KILL_LIST");
	int ends[2];

	/* Opened here: the child no longer sees the host's tree. */
	if (list)
		list_fd = move_up(open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return;
	write_fd = move_up(ends[1]);
	fcntl(ends[0], F_SETOWN, getpid());
	fcntl(ends[0], F_SETSIG, SIGKILL);
	fcntl(ends[0], F_SETFL, O_ASYNC);
}

void child_kill_point(struct child *child, const char *name)
{
	const struct timespec moment = { .tv_nsec = 20000000 };

	(void)child;
	if (list_fd >= 0)
		dprintf(list_fd, "%s\n", name);
	if (kill_point_is_asked(name) && write(write_fd, "x", 1) == 1)
		nanosleep(&moment, NULL);
}

#endif
