/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See copy_end.h. */
#include "core/copy_end.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define LINKS_MAX 40 /* the kernel's */

static int open_end(const struct copy_end *end, const char *path, int flags)
{
	return end->root_fd < 0 ? open(path, flags | O_CLOEXEC)
	                        : fs_open_in_root(end->root_fd, path, flags);
}

static int fail_path(const char *path, int errnum, struct stor_err *err)
{
	bool is_missing = errnum == ENOENT || errnum == ENOTDIR;

	return err_fail(err, is_missing ? STOR_NOT_FOUND : STOR_FAILED, errnum, "%s", path);
}

/* "/a/b/" is "/a/" and "b". */
struct parts {
	char *parent, *name;
	bool has_slash; /* at its end: it has to be a directory */
};

static void free_parts(struct parts *parts)
{
	free(parts->parent);
	free(parts->name);
}
#define cleanup_parts __attribute__((cleanup(free_parts)))

static struct parts split(const char *path)
{
	size_t length = strlen(path), at;
	struct parts parts = { .has_slash = length && path[length - 1] == '/' };

	while (length && path[length - 1] == '/')
		length--;
	for (at = length; at && path[at - 1] != '/'; at--)
		continue;
	parts.name = xstrndup(path + at, length - at);
	parts.parent = at ? xstrndup(path, at) : xstrdup(*path == '/' ? "/" : ".");
	return parts;
}

/* --- what is copied --------------------------------------------------------------------------- */

/* Reopens for reading what a descriptor stands for: it cannot have become something else. */
static int reopen(int fd, bool is_directory)
{
	char path[32];

	if (is_directory)
		return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static int open_followed(const struct copy_end *end, bool must_be_directory,
                         struct copy_source *source, struct stor_err *err)
{
	cleanup_close int fd =
		open_end(end, end->path, O_PATH | (must_be_directory ? O_DIRECTORY : 0));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_path(end->path, errno, err);
	source->is_directory = S_ISDIR(st.st_mode);
	if (!source->is_directory && !S_ISREG(st.st_mode))
		return err_fail(err, STOR_USAGE, 0, "%s is neither a file nor a directory",
		                end->path);
	source->fd = reopen(fd, source->is_directory);
	return source->fd < 0 ? fail_path(end->path, errno, err) : 0;
}

int copy_source_open(const struct copy_end *end, bool follows, struct copy_source *source,
                     struct stor_err *err)
{
	cleanup_parts struct parts parts = split(end->path);
	bool is_content = !*parts.name || !strcmp(parts.name, ".") || !strcmp(parts.name, "..");
	struct stat st;

	if (!is_content)
		source->base = xstrdup(parts.name);
	if (is_content || parts.has_slash || follows)
		return open_followed(end, is_content || parts.has_slash, source, err);
	source->fd = open_end(end, parts.parent, O_RDONLY | O_DIRECTORY);
	if (source->fd < 0 || fstatat(source->fd, parts.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_path(end->path, errno, err);
	source->name = steal_ptr(&parts.name);
	source->is_directory = S_ISDIR(st.st_mode);
	return 0;
}

void copy_source_close(struct copy_source *source)
{
	close_fd(&source->fd);
	free(source->name);
	free(source->base);
}

/* --- where it goes ------------------------------------------------------------------------------
 */

/* The path that a link at `parts` leads to; NULL: there is none. */
static char *follow(int parent_fd, const struct parts *parts)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(parent_fd, parts->name, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return *target == '/' ? xstrdup(target) : xasprintf("%s/%s", parts->parent, target);
}

/* A file, or what is not there yet: the directory that has it, once links are followed. */
static int open_parent(const struct copy_end *end, const struct copy_source *source, char **as,
                       struct stor_err *err)
{
	cleanup_free char *path = xstrdup(end->path);

	for (int links = 0; links < LINKS_MAX; links++) {
		cleanup_parts struct parts parts = split(path);
		cleanup_close int fd = open_end(end, parts.parent, O_PATH | O_DIRECTORY);
		char *target;
		struct stat st;

		if (fd < 0)
			return fail_path(parts.parent, errno, err);
		target = follow(fd, &parts);
		if (target) {
			free(path);
			path = target;
			continue;
		}
		if (source->is_directory &&
		    fstatat(fd, parts.name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			err_fail(err, STOR_USAGE, 0, "%s is no directory", end->path);
			err_hint(err, "a directory goes into a directory, or gets a new name");
			return -1;
		}
		*as = steal_ptr(&parts.name);
		return steal_fd(&fd);
	}
	return fail_path(end->path, ELOOP, err);
}

int copy_target_open(const struct copy_end *end, const struct copy_source *source, char **as,
                     struct stor_err *err)
{
	int fd = open_end(end, end->path, O_PATH | O_DIRECTORY);
	cleanup_parts struct parts parts = split(end->path);

	if (fd >= 0) {
		*as = xstrdup(source && source->base ? source->base : "");
		return fd;
	}
	if (errno != ENOENT && errno != ENOTDIR)
		return fail_path(end->path, errno, err);
	if (source && (!parts.has_slash || source->is_directory) && *parts.name &&
	    strcmp(parts.name, ".") != 0)
		return open_parent(end, source, as, err);
	err_fail(err, STOR_NOT_FOUND, 0, "there is no directory %s", end->path);
	err_hint(err, source ? "without the slash it is the file's new name"
	                     : "an archive is unpacked into a directory that is there");
	return -1;
}
