/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places where the test build (make KILL_POINTS=1, in build/kill) can be killed, to show that
 * nothing is left behind: STOR_KILL_AT=NAME sends SIGKILL to the process when it reaches
 * kill_point(NAME); STOR_KILL_LIST=FILE appends the name of every point reached to FILE. In other
 * builds: nothing.
 */
#ifndef STOR_KILL_POINT_H
#define STOR_KILL_POINT_H

#ifdef STOR_KILL_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void kill_point(const char *name)
{
	const char *at = getenv("STOR_KILL_AT"), *list = getenv("STOR_KILL_LIST");

	if (list) {
		int fd = open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

		dprintf(fd, "%s\n", name);
		close(fd);
	}
	if (at && !strcmp(at, name))
		kill(getpid(), SIGKILL);
}

#else

#define kill_point(name) ((void)0)

#endif
#endif
