/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a container that outlives its stor writes itself into the container's
 * record: there it is before it stops dying with stor, so that no kill makes a container that
 * nobody knows of.
 */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define START_TIME_FIELD 22

/* Puts text at *at, if there is room before end. */
static void put(char **at, const char *end, const char *text, size_t length)
{
	if (length > (size_t)(end - *at))
		length = (size_t)(end - *at);
	memcpy(*at, text, length);
	*at += length;
}

static void put_field(char **at, const char *end, const char *key, const char *digits)
{
	put(at, end, key, strlen(key));
	put(at, end, digits, strspn(digits, "0123456789"));
	put(at, end, "\n", 1);
}

int child_know_itself(struct child *child)
{
	char text[1024], *at = child->note, *end = child->note + sizeof(child->note) - 1;
	const char *field;
	ssize_t n;
	int fd;

	if (child->plan->record_fd < 0)
		return 0;
	/* The host's /proc still, so the numbers are the host's. */
	fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return child_fail(child, STEP_SETUP, errno, "read /proc/self/stat");
	text[n] = '\0';
	/* The second field is the program's name, which ends at the last ). */
	field = strrchr(text, ')');
	for (int i = 2; field && i < START_TIME_FIELD; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return child_fail(child, STEP_SETUP, 0, "read /proc/self/stat");
	put_field(&at, end, "!pid=", text);
	put_field(&at, end, "!start-time=", field + 1);
	put(&at, end, "!status=running\n", strlen("!status=running\n"));
	child->note_bytes = (size_t)(at - child->note);
	return 0;
}

int child_note_running(struct child *child)
{
	ssize_t n;

	if (child->plan->record_fd < 0)
		return 0;
	n = write(child->plan->record_fd, child->note, child->note_bytes);
	if (n == (ssize_t)child->note_bytes)
		return 0;
	return child_fail(child, STEP_SETUP, n < 0 ? errno : ENOSPC,
	                  "write the container's record");
}

int child_outlive_parent(struct child *child)
{
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return child_fail(child, STEP_SETUP, errno, "clear the death signal");
	return 0;
}
