/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of a cgroup directory: see files.h. */
#include "cgroup/common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#define WAIT_MS 10000
#define CONTENT_BYTES 4096

uint64_t cgroup_shares_to_weight(uint64_t shares)
{
	return 1 + (shares - 2) * 9999 / 262142;
}

uint64_t cgroup_weight_to_shares(uint64_t weight)
{
	return 2 + (weight - 1) * 262142 / 9999;
}

int cgroup_write(const struct cgroup_dir *dir, const char *name, const char *text)
{
	cleanup_close int fd = openat(dir->fd, name, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	return n < 0 ? -1 : 0;
}

/* What writes back a line of a file that has one for each disk; `disk` is "MAJOR:MINOR ". A disk
 * without a line has no limit. */
static char *line_before(const char *content, const char *disk, bool has_keys)
{
	size_t length = strlen(disk);
	const char *line = content;

	while (line && strncmp(line, disk, length) != 0) {
		line = strchr(line, '\n');
		line += line != NULL;
	}
	if (line)
		return xstrndup(line, strcspn(line, "\n"));
	return xasprintf("%s%s", disk, has_keys ? "rbps=max wbps=max riops=max wiops=max" : "0");
}

/* text: what is about to be written. */
static void note_before(const struct cgroup_dir *dir, const char *name, const char *text)
{
	size_t length = strcspn(text, " ") + 1;
	cleanup_free char *disk = NULL, *before = NULL;
	char content[CONTENT_BYTES];

	if (!cgroup_read(dir, name, content, sizeof(content)))
		return;
	if (strlen(text) > length && memchr(text, ':', length)) {
		disk = xstrndup(text, length);
		before = line_before(content, disk, strchr(text, '=') != NULL);
	} else {
		/* An empty line clears a list of processors. */
		length = strcspn(content, "\n");
		before = length ? xstrndup(content, length) : xstrdup("\n");
	}
	strv_take(dir->undo, xasprintf("%s %s", name, before));
}

int cgroup_set(const struct cgroup_dir *dir, const char *name, const char *option,
               const char *missing, struct stor_err *err, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (dir->undo)
		note_before(dir, name, text);
	if (cgroup_write(dir, name, text) == 0)
		return 0;
	if (errno == ENOENT) {
		err_fail(err, STOR_UNSUPPORTED, 0, "%s: this kernel has no %s/%s", option,
		         dir->path, name);
		if (missing)
			err_hint(err, "%s", missing);
		return -1;
	}
	return err_fail(err, errno == EBUSY ? STOR_BUSY : STOR_FAILED, errno,
	                "%s: write \"%s\" to %s/%s", option, text, dir->path, name);
}

int cgroup_fail_in_use(uint64_t bytes, uint64_t used_bytes, struct stor_err *err)
{
	char wanted[16], used[16];

	err_fail(err, STOR_BUSY, 0, "--memory: %s is less than the %s that is in use",
	         str_from_size(bytes, wanted, sizeof(wanted)),
	         str_from_size(used_bytes, used, sizeof(used)));
	err_hint(err, "end some of the container's processes, or leave it more");
	return -1;
}

bool cgroup_read(const struct cgroup_dir *dir, const char *name, char *buf, size_t size)
{
	cleanup_close int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n = -1;

	while (fd >= 0 && got < size - 1 && (n = read(fd, buf + got, size - 1 - got)) > 0)
		got += (size_t)n;
	buf[got] = '\0';
	return fd >= 0 && n >= 0;
}

uint64_t cgroup_read_u64(const struct cgroup_dir *dir, const char *name)
{
	char text[32];

	if (!cgroup_read(dir, name, text, sizeof(text)) || *text < '0' || *text > '9')
		return CGROUP_UNKNOWN;
	return strtoull(text, NULL, 10);
}

uint64_t cgroup_key(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, key, length) && text[length] == ' ')
			return strtoull(text + length + 1, NULL, 10);
	}
	return CGROUP_UNKNOWN;
}

void cgroup_read_pressure(const struct cgroup_dir *dir, const char *name,
                          struct cgroup_pressure *pressure)
{
	unsigned long long total;
	char text[256];
	double average;

	if (!cgroup_read(dir, name, text, sizeof(text)) ||
	    sscanf(text, "some avg10=%lf avg60=%*f avg300=%*f total=%llu", &average, &total) != 2)
		return;
	pressure->some_avg10 = average;
	pressure->some_total_us = total;
}

bool cgroup_wait(const struct cgroup_dir *dir, bool (*is_done)(const struct cgroup_dir *dir))
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms++) {
		if (is_done(dir))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

bool cgroup_is_empty(const struct cgroup_dir *dir)
{
	char text[2];

	return !cgroup_read(dir, "cgroup.procs", text, sizeof(text)) || !*text;
}

void cgroup_signal_all(const struct cgroup_dir *dir)
{
	cleanup_close int fd = openat(dir->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	FILE *procs = fd >= 0 ? fdopen(fd, "r") : NULL;
	long pid;

	if (!procs)
		return;
	fd = -1; /* the stream's now */
	while (fscanf(procs, "%ld", &pid) == 1)
		if (pid > 0)
			kill((pid_t)pid, SIGKILL);
	fclose(procs);
}
