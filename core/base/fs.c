/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and directories by descriptor: see fs.h. */
#include "core/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/base/sys.h"

char *fs_read_file(int dir_fd, const char *path, size_t limit_bytes, size_t *size,
                   struct stor_err *err)
{
	cleanup_close int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	cleanup_strbuf struct strbuf buf = STRBUF_INIT;
	char chunk[4096];
	ssize_t n;

	if (fd < 0) {
		err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno, "open %s",
		         path);
		return NULL;
	}
	while ((n = read(fd, chunk, sizeof(chunk)))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err_fail(err, STOR_FAILED, errno, "read %s", path);
			return NULL;
		}
		strbuf_add(&buf, chunk, (size_t)n);
		if (buf.length > limit_bytes) {
			err_fail(err, STOR_FAILED, 0, "read %s: larger than %zu bytes", path,
			         limit_bytes);
			return NULL;
		}
	}
	if (size)
		*size = buf.length;
	return strbuf_steal(&buf);
}

/* Syncs the directory that holds path. */
static int sync_parent(int dir_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent =
		slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	cleanup_close int fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

int fs_write_file(int dir_fd, const char *path, const void *data, size_t size, mode_t mode,
                  bool durable, struct stor_err *err)
{
	cleanup_free char *temp = xasprintf("%s.%ld.tmp", path, (long)getpid());
	cleanup_close int fd =
		openat(dir_fd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "create %s", temp);
	if (pwrite_all(fd, data, size, 0) < 0 || (durable && fdatasync(fd) < 0) ||
	    renameat(dir_fd, temp, dir_fd, path) < 0 ||
	    (durable && sync_parent(dir_fd, path) < 0)) {
		int saved = errno;

		unlinkat(dir_fd, temp, 0);
		return err_fail(err, STOR_FAILED, saved, "write %s", path);
	}
	return 0;
}

int fs_mkdirs(const char *path, mode_t mode, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(path);

	for (char *at = copy + 1;; at++) {
		char here = *at;

		if (here != '/' && here != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_fail(err, STOR_FAILED, errno, "make directory %s", copy);
		if (!here)
			return 0;
		*at = here;
	}
}

int fs_open_dir(int dir_fd, const char *path, struct stor_err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "open directory %s", path);
	return fd;
}

/*
 * Trees of strangers may be nested deeper than there are descriptors, and stack: what lies deeper
 * than this is moved up, into the directory that is removed, whose turn comes again.
 */
#define REMOVE_DEPTH_MAX 64

struct removal {
	dev_t device;
	int top_fd;           /* the directory that is removed; -1 before it is open */
	unsigned moved_count; /* names the next one that is moved up */
};

static int remove_entries(struct removal *removal, int dir_fd, unsigned depth);

/* Moves a directory up to where it can be removed. 0, or -1 with errno. */
static int move_up(struct removal *removal, int dir_fd, const char *name)
{
	char moved[32];

	do
		snprintf(moved, sizeof(moved), ".deep-%u", removal->moved_count++);
	while (renameat2(dir_fd, name, removal->top_fd, moved, RENAME_NOREPLACE) < 0 &&
	       errno == EEXIST);
	return faccessat(removal->top_fd, moved, F_OK, AT_SYMLINK_NOFOLLOW);
}

/* Removes one entry of a directory, whatever it is. 0, or -1 with errno. */
static int remove_entry(struct removal *removal, int dir_fd, const char *name, unsigned depth)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (!unlinkat(dir_fd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (!unlinkat(dir_fd, name, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (st.st_dev != removal->device) {
		errno = EXDEV;
		return -1;
	}
	if (depth == REMOVE_DEPTH_MAX)
		return move_up(removal, dir_fd, name);
	if (!depth)
		removal->top_fd = fd;
	for (;;) {
		unsigned moved = removal->moved_count;

		if (remove_entries(removal, fd, depth + 1) < 0)
			return -1;
		if (!unlinkat(dir_fd, name, AT_REMOVEDIR))
			return 0;
		/* What was moved up meanwhile may have been missed. */
		if (depth || moved == removal->moved_count)
			return -1;
	}
}

static int remove_entries(struct removal *removal, int dir_fd, unsigned depth)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		if (list_fd >= 0)
			close(list_fd);
		return -1;
	}
	while (!result && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		result = remove_entry(removal, dir_fd, entry->d_name, depth);
	}
	list_fd = errno;
	closedir(dir);
	errno = list_fd;
	return result;
}

int fs_remove_tree(int dir_fd, const char *path, struct stor_err *err)
{
	struct removal removal = { .top_fd = -1 };
	struct stat st;

	if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_fail(err, STOR_FAILED, errno, "remove %s", path);
	}
	removal.device = st.st_dev;
	if (remove_entry(&removal, dir_fd, path, 0) < 0)
		return err_fail(err, errno == EBUSY || errno == EXDEV ? STOR_BUSY : STOR_FAILED,
		                errno, "remove %s", path);
	return 0;
}

static DIR *open_listing(int dir_fd)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	cleanup_close int fd = openat(dir_fd, ".", flags | O_NOATIME);
	DIR *dir;

	/* Somebody else's. */
	if (fd < 0 && errno == EPERM)
		fd = openat(dir_fd, ".", flags);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir)
		steal_fd(&fd);
	return dir;
}

int fs_list(int dir_fd, struct strv *names)
{
	DIR *dir = open_listing(dir_fd);
	struct dirent *entry;
	int saved;

	if (!dir)
		return -1;
	while ((errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(names, entry->d_name);
	saved = errno;
	closedir(dir);
	strv_sort(names);
	errno = saved;
	return saved ? -1 : 0;
}

bool fs_is_empty(int dir_fd, const char *path)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned count = 0;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	errno = 0;
	while (count < 3 && readdir(dir))
		count++;
	/* "." and ".." */
	if (errno)
		count = 3;
	closedir(dir);
	return count <= 2;
}

int fs_open_in_root(int root_fd, const char *path, int flags)
{
	return sys_openat2(root_fd, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Makes one missing component of a path in parent_fd. 0, or -1 with errno. */
static int make_component(int parent_fd, const char *name, bool is_file)
{
	int fd;

	if (!is_file)
		return mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST ? -1 : 0;
	fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return errno == EEXIST ? 0 : -1;
	close(fd);
	return 0;
}

int fs_make_in_root(int root_fd, const char *path, bool is_file)
{
	int fd = fs_open_in_root(root_fd, path, O_PATH);
	cleanup_free char *walked = NULL;
	cleanup_close int parent_fd = -1;
	char *at;

	if (fd >= 0 || errno != ENOENT)
		return fd;
	walked = xstrdup(path);
	parent_fd = fs_open_in_root(root_fd, "/", O_PATH | O_DIRECTORY);
	for (at = walked; parent_fd >= 0; at++) {
		char here = *at;
		char *name;
		bool last;

		if (here != '/' && here)
			continue;
		*at = '\0';
		last = !here || !at[1 + strspn(at + 1, "/")];
		fd = fs_open_in_root(root_fd, *walked ? walked : "/",
		                     last ? O_PATH : O_PATH | O_DIRECTORY);
		if (fd < 0 && errno == ENOENT) {
			name = strrchr(walked, '/');
			name = name ? name + 1 : walked;
			if (!strcmp(name, "..") ||
			    make_component(parent_fd, name, last && is_file) < 0)
				return -1;
			fd = fs_open_in_root(root_fd, walked, O_PATH);
		}
		if (fd < 0 || last)
			return fd;
		close_fd(&parent_fd);
		parent_fd = fd;
		*at = here;
	}
	return -1;
}

/* Copies some bytes at *at, up to `end`, through this process's memory. As copy_file_range(). */
static ssize_t copy_chunk(int from_fd, int to_fd, off_t *at, off_t end)
{
	char chunk[65536];
	size_t left = (size_t)(end - *at);
	ssize_t n = pread_all(from_fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk),
	                      (uint64_t)*at);

	if (n <= 0)
		return n;
	if (pwrite_all(to_fd, chunk, (size_t)n, (uint64_t)*at) < 0)
		return -1;
	*at += n;
	return n;
}

int fs_copy_range(int from_fd, int to_fd, uint64_t size_bytes, struct stor_err *err)
{
	off_t at = 0, end = (off_t)size_bytes;

	if (ftruncate(to_fd, end) < 0)
		return err_fail(err, STOR_FAILED, errno, "set size");
	while (at < end) {
		off_t data = lseek(from_fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(from_fd, data, SEEK_HOLE);
		if (data < 0 || hole < 0)
			return err_fail(err, STOR_FAILED, errno, "find data");
		at = data;
		if (hole > end)
			hole = end;
		while (at < hole) {
			off_t to = at;
			ssize_t n =
				copy_file_range(from_fd, &at, to_fd, &to, (size_t)(hole - at), 0);

			/* Not between filesystems of two kinds, nor on some at all. */
			if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL))
				n = copy_chunk(from_fd, to_fd, &at, hole);
			if (n < 0)
				return err_fail(err, STOR_FAILED, errno, "copy");
			if (!n)
				return 0;
		}
	}
	return 0;
}

int fs_lock(int fd, int operation, unsigned wait_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (unsigned waited = 0;; waited++) {
		if (!flock(fd, operation | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (waited >= wait_ms) {
			errno = EWOULDBLOCK;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

bool fs_read_link(int dir_fd, const char *name, char *buf, size_t size)
{
	ssize_t n = readlinkat(dir_fd, name, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

int fs_set_link(int dir_fd, const char *name, const char *target, struct stor_err *err)
{
	char temp[64];

	snprintf(temp, sizeof(temp), "%s.%ld.tmp", name, (long)getpid());
	unlinkat(dir_fd, temp, 0);
	if (symlinkat(target, dir_fd, temp) < 0 || renameat(dir_fd, temp, dir_fd, name) < 0)
		return err_fail(err, STOR_FAILED, errno, "write link %s to %s", name, target);
	return 0;
}
