/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying trees: see copytree.h. */
#include "common/copytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "common/inodeset.h"

#define PATH_ROOM 65536

/* One copy under way. */
struct copy {
	struct copyfile content;
	struct inodeset links;
	int to_root_fd;
	const char *from_path;
	dev_t device;
	/* The entry being copied, relative to the root; grows and shrinks with the walk. */
	char *path;
	size_t path_length;
	char *list, *value; /* of extended attributes: XATTR_LIST_MAX, XATTR_SIZE_MAX */
};

static int copy_directory(struct copy *copy, int from_fd, int to_fd, struct stor_err *err);

static int failed(const struct copy *copy, const char *what, struct stor_err *err)
{
	int saved = errno;

	host->fail(err, STOR_FAILED, saved, "copy %s%s%s: %s", copy->from_path,
	           copy->path_length ? "/" : "", copy->path, what);
	if (saved == ENOSPC || saved == EDQUOT)
		host->hint(err, "free some space on the filesystem of the store, or move the store "
		                "with --store");
	return -1;
}

/* A name below a descriptor as a path, for the calls on extended attributes, which know no *at()
 * form. The size holds any name. */
struct proc_path {
	char text[32 + 256];
};

static const char *proc_path(struct proc_path *path, int dir_fd, const char *name)
{
	snprintf(path->text, sizeof(path->text), "/proc/self/fd/%d/%s", dir_fd, name);
	return path->text;
}

static int copy_xattrs(struct copy *copy, int from_dir, int to_dir, const char *name,
                       struct stor_err *err)
{
	struct proc_path from, to;
	ssize_t list_size, value_size;
	char *key;

	proc_path(&from, from_dir, name);
	list_size = llistxattr(from.text, copy->list, XATTR_LIST_MAX);
	if (list_size < 0 && errno != EOPNOTSUPP)
		return failed(copy, "list its attributes", err);
	if (list_size <= 0)
		return 0;
	proc_path(&to, to_dir, name);
	for (key = copy->list; key < copy->list + list_size; key += strlen(key) + 1) {
		value_size = lgetxattr(from.text, key, copy->value, XATTR_SIZE_MAX);
		/* ENODATA: removed between. */
		if (value_size < 0 && errno == ENODATA)
			continue;
		if (value_size < 0 ||
		    lsetxattr(to.text, key, copy->value, (size_t)value_size, 0) < 0)
			return failed(copy, key, err);
	}
	return 0;
}

/* Owner, extended attributes, mode and times of what now exists in to_dir, in the order in which
 * none undoes the other: a change of owner clears capabilities and set-id bits. */
static int copy_attributes(struct copy *copy, int from_dir, int to_dir, const char *name,
                           const struct stat *st, struct stor_err *err)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(copy, "set its owner", err);
	if (copy_xattrs(copy, from_dir, to_dir, name, err) < 0)
		return -1;
	if (!S_ISLNK(st->st_mode) && fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0)
		return failed(copy, "set its mode", err);
	if (utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(copy, "set its times", err);
	return 0;
}

static int copy_file(struct copy *copy, int from_dir, int to_dir, const char *name,
                     struct stor_err *err)
{
	/* O_NONBLOCK: what was a file a moment ago could be a fifo now. */
	cleanup_close int from_fd =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	cleanup_close int to_fd = -1;
	struct stat st;

	if (from_fd < 0 || fstat(from_fd, &st) < 0)
		return failed(copy, "open", err);
	if (!S_ISREG(st.st_mode)) {
		errno = ESTALE;
		return failed(copy, "it changed", err);
	}
	to_fd = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to_fd < 0)
		return failed(copy, "create", err);
	return copyfile_content(&copy->content, from_fd, to_fd, (uint64_t)st.st_size, copy->path,
	                        err);
}

static int copy_symlink(struct copy *copy, int from_dir, int to_dir, const char *name,
                        struct stor_err *err)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return failed(copy, "read link", err);
	target[n] = '\0';
	return symlinkat(target, to_dir, name) < 0 ? failed(copy, "make link", err) : 0;
}

static int copy_subdirectory(struct copy *copy, int from_dir, int to_dir, const char *name,
                             const struct stat *st, struct stor_err *err)
{
	cleanup_close int from_fd = -1, to_fd = -1;

	if (mkdirat(to_dir, name, 0700) < 0)
		return failed(copy, "make directory", err);
	/* Another filesystem: its mount point alone. */
	if (st->st_dev != copy->device)
		return 0;
	from_fd = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	to_fd = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (from_fd < 0 || to_fd < 0)
		return failed(copy, "open directory", err);
	return copy_directory(copy, from_fd, to_fd, err);
}

/* 1: the entry was made as a link to one that is there already. */
static int copy_hard_link(struct copy *copy, int to_dir, const char *name, const struct stat *st,
                          struct stor_err *err)
{
	const char *first = inodeset_find(&copy->links, st->st_dev, st->st_ino);

	if (first)
		return linkat(copy->to_root_fd, first, to_dir, name, 0) < 0
		               ? failed(copy, "make hard link", err)
		               : 1;
	if (inodeset_add(&copy->links, st->st_dev, st->st_ino, copy->path) < 0)
		return failed(copy, "remember hard link", err);
	return 0;
}

static int copy_entry(struct copy *copy, int from_dir, int to_dir, const char *name,
                      struct stor_err *err)
{
	struct stat st;
	int result = 0;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(copy, "stat", err);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		result = copy_hard_link(copy, to_dir, name, &st, err);
		if (result)
			return result < 0 ? -1 : 0;
	}
	if (S_ISREG(st.st_mode))
		result = copy_file(copy, from_dir, to_dir, name, err);
	else if (S_ISDIR(st.st_mode))
		result = copy_subdirectory(copy, from_dir, to_dir, name, &st, err);
	else if (S_ISLNK(st.st_mode))
		result = copy_symlink(copy, from_dir, to_dir, name, err);
	else if (mknodat(to_dir, name, (st.st_mode & S_IFMT) | 0600, st.st_rdev) < 0)
		result = failed(copy, "make node", err);
	if (result < 0)
		return -1;
	return copy_attributes(copy, from_dir, to_dir, name, &st, err);
}

/* Lengthens copy->path by a name; returns its former length, or -1 with errno. */
static ssize_t path_push(struct copy *copy, const char *name)
{
	size_t length = copy->path_length;
	int n = snprintf(copy->path + length, PATH_ROOM - length, "%s%s", length ? "/" : "", name);

	if (n < 0 || (size_t)n >= PATH_ROOM - length) {
		copy->path[length] = '\0';
		errno = ENAMETOOLONG;
		return -1;
	}
	copy->path_length += (size_t)n;
	return (ssize_t)length;
}

static void path_pop(struct copy *copy, ssize_t length)
{
	copy->path_length = (size_t)length;
	copy->path[length] = '\0';
}

static int copy_directory(struct copy *copy, int from_fd, int to_fd, struct stor_err *err)
{
	int list_fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		if (list_fd >= 0)
			close(list_fd);
		return failed(copy, "list directory", err);
	}
	while (!result) {
		ssize_t length;

		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			if (errno)
				result = failed(copy, "list directory", err);
			break;
		}
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		length = path_push(copy, entry->d_name);
		if (length < 0) {
			result = failed(copy, entry->d_name, err);
			break;
		}
		result = copy_entry(copy, from_fd, to_fd, entry->d_name, err);
		path_pop(copy, length);
	}
	closedir(dir);
	return result;
}

int copytree(int from_fd, const char *from_path, int to_fd, enum stor_clone_mode mode,
             struct stor_err *err)
{
	cleanup_free char *list = malloc(XATTR_LIST_MAX), *value = malloc(XATTR_SIZE_MAX);
	cleanup_free char *path = calloc(1, PATH_ROOM);
	struct copy copy = { .content.mode = mode,
		             .to_root_fd = to_fd,
		             .from_path = from_path,
		             .path = path,
		             .list = list,
		             .value = value };
	struct proc_path to_root;
	struct stat st;
	int result;

	if (!list || !value || !path || fstat(from_fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "copy %s", from_path);
	copy.device = st.st_dev;
	/* Children would inherit what the store's own folder has. */
	lremovexattr(proc_path(&to_root, to_fd, "."), "system.posix_acl_access");
	lremovexattr(to_root.text, "system.posix_acl_default");
	result = copy_directory(&copy, from_fd, to_fd, err);
	if (!result)
		result = copy_attributes(&copy, from_fd, to_fd, ".", &st, err);
	inodeset_free(&copy.links);
	return result;
}
