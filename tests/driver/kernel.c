/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded: a kernel that has a ploop driver, as far as stor looks at it. What it would find in
 * /proc/vz, /sys/block and /dev/ploop* is in the folder that FAKE_PLOOP names;
 * tests/driver/libploop.c makes it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* The real functions, under the names that glibc keeps for itself. */
typedef int (*open_fn)(const char *path, int flags, ...);
typedef int (*access_fn)(const char *path, int mode);

static const char *fake(const char *path, char *buf)
{
	const char *folder = getenv("FAKE_PLOOP");

	if (!folder)
		return path;
	if (!strcmp(path, "/sys/block"))
		snprintf(buf, PATH_MAX, "%s/block", folder);
	else if (!strcmp(path, "/proc/vz/ploop_minor"))
		snprintf(buf, PATH_MAX, "%s/ploop_minor", folder);
	else if (!strncmp(path, "/dev/ploop", strlen("/dev/ploop")))
		snprintf(buf, PATH_MAX, "%s%s", folder, path);
	else
		return path;
	return buf;
}

int access(const char *path, int mode)
{
	char buf[PATH_MAX];
	void *next = dlsym(RTLD_NEXT, "access");
	access_fn function;

	memcpy(&function, &next, sizeof(function));
	return function(fake(path, buf), mode);
}

static int next_open(const char *name, const char *path, int flags, mode_t mode)
{
	char buf[PATH_MAX];
	void *next = dlsym(RTLD_NEXT, name);
	open_fn function;

	memcpy(&function, &next, sizeof(function));
	return function(fake(path, buf), flags, mode);
}

static mode_t take_mode(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = take_mode(flags, args);
	va_end(args);
	return next_open("open", path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = take_mode(flags, args);
	va_end(args);
	return next_open("open64", path, flags, mode);
}

/* What a compiler that fortifies makes of them. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return next_open("open", path, flags, 0);
}

int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
	return next_open("open64", path, flags, 0);
}
