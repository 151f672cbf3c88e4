/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Measuring and removing trees: see copytree.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/copytree.h"
#include "common/host.h"
#include "common/inodeset.h"

struct measure {
	struct inodeset links;
	uint64_t bytes;
	dev_t device;
};

static DIR *open_list(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void close_list(DIR *dir)
{
	int saved = errno;

	closedir(dir);
	errno = saved;
}

/* The next name but . and ..; NULL at the end with errno 0, or on failure. */
static const char *next_name(DIR *dir)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry ? entry->d_name : NULL;
}

/* Adds one entry and what is below it. 0, or -1 with errno. */
static int measure_entry(struct measure *measure, int dir_fd, const char *name)
{
	const char *child;
	struct stat st;
	int result = 0;
	DIR *dir;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (st.st_dev != measure->device)
		return 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		if (inodeset_find(&measure->links, st.st_dev, st.st_ino))
			return 0;
		if (inodeset_add(&measure->links, st.st_dev, st.st_ino, "") < 0)
			return -1;
	}
	measure->bytes += (uint64_t)st.st_blocks * 512;
	if (!S_ISDIR(st.st_mode))
		return 0;
	dir = open_list(dir_fd, name);
	if (!dir)
		return errno == ENOENT ? 0 : -1;
	while (!result && (child = next_name(dir)))
		result = measure_entry(measure, dirfd(dir), child);
	if (!result && errno)
		result = -1;
	close_list(dir);
	return result;
}

int copytree_measure(int dir_fd, const char *path, uint64_t *allocated_bytes, struct stor_err *err)
{
	struct measure measure = { .bytes = 0 };
	struct stat st;
	int result;

	if (fstat(dir_fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "measure %s", path);
	measure.device = st.st_dev;
	result = measure_entry(&measure, dir_fd, ".");
	if (result < 0)
		host->fail(err, STOR_FAILED, errno, "measure %s", path);
	inodeset_free(&measure.links);
	*allocated_bytes = measure.bytes;
	return result;
}

/* 0, or -1 with errno. */
static int remove_entry(int dir_fd, const char *name, dev_t device)
{
	const char *child;
	struct stat st;
	int result = 0;
	DIR *dir;

	if (!unlinkat(dir_fd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	/* Many are empty. */
	if (!unlinkat(dir_fd, name, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	dir = open_list(dir_fd, name);
	if (!dir)
		return -1;
	if (!fstat(dirfd(dir), &st) && st.st_dev != device) {
		errno = EXDEV;
		result = -1;
	}
	while (!result && (child = next_name(dir)))
		result = remove_entry(dirfd(dir), child, device);
	if (!result && errno)
		result = -1;
	close_list(dir);
	if (result < 0)
		return -1;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -1 : 0;
}

int copytree_empty(int dir_fd, const char *path, struct stor_err *err)
{
	const char *child;
	struct stat st;
	int result = 0;
	DIR *dir = open_list(dir_fd, ".");

	if (!dir || fstat(dir_fd, &st) < 0)
		result = -1;
	while (!result && (child = next_name(dir)))
		result = remove_entry(dir_fd, child, st.st_dev);
	if (!result && errno)
		result = -1;
	if (result < 0)
		host->fail(err, errno == EBUSY || errno == EXDEV ? STOR_BUSY : STOR_FAILED, errno,
		           "remove %s", path);
	if (dir)
		close_list(dir);
	return result;
}

int copytree_remove(int dir_fd, const char *name, const char *path, struct stor_err *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : host->fail(err, STOR_FAILED, errno, "remove %s", path);
	if (remove_entry(dir_fd, name, st.st_dev) < 0)
		return host->fail(err, errno == EBUSY || errno == EXDEV ? STOR_BUSY : STOR_FAILED,
		                  errno, "remove %s", path);
	return 0;
}
