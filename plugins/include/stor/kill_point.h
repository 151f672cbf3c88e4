/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places where the test build (make KILL_POINTS=1, in build/kill) can be killed, to show that
 * nothing is left behind: STOR_KILL_AT=NAME[:N] sends SIGKILL to the process when it reaches
 * kill_point(NAME), for the Nth time; STOR_STOP_AT stops it there in the same way, so that others
 * can come between; STOR_KILL_LIST=FILE appends the name of every point reached to FILE. In other
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

/* Is it here that STOR_KILL_AT, or STOR_STOP_AT, asks for it? Counts; one source file has all
 * points of a name. */
static inline int kill_point_is_asked_by(const char *at, const char *name, unsigned *times_before)
{
	size_t length = at ? strcspn(at, ":") : 0;

	if (!at || strlen(name) != length || strncmp(at, name, length) != 0)
		return 0;
	return ++*times_before == (at[length] ? strtoul(at + length + 1, NULL, 10) : 1);
}

static inline int kill_point_is_asked(const char *name)
{
	static unsigned times_before;

	return kill_point_is_asked_by(getenv("STOR_KILL_AT"), name, &times_before);
}

static inline void kill_point(const char *name)
{
	const char *list = getenv("STOR_KILL_LIST");
	static unsigned stops_before;

	if (list) {
		int fd = open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

		dprintf(fd, "%s\n", name);
		close(fd);
	}
	if (kill_point_is_asked(name))
		kill(getpid(), SIGKILL);
	if (kill_point_is_asked_by(getenv("STOR_STOP_AT"), name, &stops_before))
		kill(getpid(), SIGSTOP);
}

#else

#define kill_point(name) ((void)0)

#endif
#endif
