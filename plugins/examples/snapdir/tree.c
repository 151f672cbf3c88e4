/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole directory trees: see tree.h. Works by descriptors, so that a link in a tree that somebody
 * else filled is copied and never followed. */
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <stor/util.h>

#define CHUNK_BYTES (1u << 20)
#define XATTR_MAX 65536 /* the kernel's limit of a list and of a value */

/* A file that has several names: where its copy has its first one. */
struct linked {
	dev_t device;
	ino_t inode;
	char path[];
};

struct copy {
	int to_root_fd;
	enum tree_copy_mode mode;
	void *linked; /* tsearch() tree of struct linked */
	char *chunk;  /* CHUNK_BYTES */
	uint64_t done_bytes;
};

static int compare_linked(const void *a, const void *b)
{
	const struct linked *left = a, *right = b;

	if (left->device != right->device)
		return left->device < right->device ? -1 : 1;
	return (left->inode > right->inode) - (left->inode < right->inode);
}

/* Opens a directory for listing; dir_fd itself stays as it is. */
static DIR *list_dir(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* The next entry that is neither "." nor "..". NULL at the end, or with errno. */
static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

/* --- attributes ---------------------------------------------------------------------------- */

/* The xattr calls that take no descriptor of a link or device are given such a path. "." names
 * the directory itself. */
static void make_fd_path(char *path, size_t size, int dir_fd, const char *name)
{
	snprintf(path, size, "/proc/self/fd/%d/%s", dir_fd, name);
}

static int copy_xattrs(int from_fd, int to_fd, const char *name)
{
	char from[NAME_MAX + 64], to[NAME_MAX + 64];
	char names[XATTR_MAX], value[XATTR_MAX];
	ssize_t length;

	make_fd_path(from, sizeof(from), from_fd, name);
	make_fd_path(to, sizeof(to), to_fd, name);
	length = llistxattr(from, names, sizeof(names));
	if (length <= 0)
		return length < 0 && errno != EOPNOTSUPP ? -1 : 0;
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = lgetxattr(from, names + at, value, sizeof(value));

		if (size < 0 || lsetxattr(to, names + at, value, (size_t)size, 0) < 0)
			return -1;
	}
	return 0;
}

/* In this order: a change of owner drops set-user-ID bits and capabilities, and everything
 * touches the times. Returns 0, or -1 with errno. */
static int copy_attributes(int from_fd, int to_fd, const char *name, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(to_fd, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (!S_ISLNK(st->st_mode) && fchmodat(to_fd, name, st->st_mode & 07777, 0) < 0)
		return -1;
	if (copy_xattrs(from_fd, to_fd, name) < 0)
		return -1;
	return utimensat(to_fd, name, times, AT_SYMLINK_NOFOLLOW);
}

/* --- copying ------------------------------------------------------------------------------- */

static int fail_at(struct stor_err *err, const char *what, const char *path)
{
	return host->fail(err, STOR_FAILED, errno, "snapdir: %s %s", what, path);
}

/* Copies what is not a hole. */
static int copy_data(struct copy *copy, int from_fd, int to_fd, off_t size, const char *path,
                     struct stor_err *err)
{
	off_t at = 0;

	if (ftruncate(to_fd, size) < 0)
		return fail_at(err, "set size of", path);
	while (at < size) {
		off_t hole;

		at = lseek(from_fd, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : fail_at(err, "read", path);
		hole = lseek(from_fd, at, SEEK_HOLE);
		if (hole < 0)
			return fail_at(err, "read", path);
		while (at < hole) {
			size_t want = hole - at < CHUNK_BYTES ? (size_t)(hole - at) : CHUNK_BYTES;
			ssize_t n = pread_all(from_fd, copy->chunk, want, (uint64_t)at);

			if (n < 0 || pwrite_all(to_fd, copy->chunk, (size_t)n, (uint64_t)at) < 0)
				return fail_at(err, "copy", path);
			if (!n) /* it became shorter meanwhile */
				return 0;
			at += n;
			copy->done_bytes += (uint64_t)n;
			if (host->progress("copy", copy->done_bytes, 0, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int copy_file(struct copy *copy, int from_fd, int to_fd, const char *name,
                     const struct stat *st, const char *path, struct stor_err *err)
{
	cleanup_close int from = openat(from_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int to = -1;

	if (from < 0)
		return fail_at(err, "open", path);
	to = openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return fail_at(err, "create", path);
	if (copy->mode != TREE_COPY_FULL && !ioctl(to, FICLONE, from))
		return 0;
	if (copy->mode == TREE_COPY_REFLINK) {
		host->fail(err, STOR_UNSUPPORTED, errno, "snapdir: share the blocks of %s", path);
		host->hint(err, "put the store on xfs or btrfs, or use -o copy=auto");
		return -1;
	}
	return copy_data(copy, from, to, st->st_size, path, err);
}

static int copy_link(int from_fd, int to_fd, const char *name, const char *path,
                     struct stor_err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(from_fd, name, target, sizeof(target) - 1);

	if (n < 0)
		return fail_at(err, "read link", path);
	target[n] = '\0';
	return symlinkat(target, to_fd, name) < 0 ? fail_at(err, "create", path) : 0;
}

/* If the file was copied under another name, links to that. 1: done; 0: this is the first name,
 * remembered; -1: failed. */
static int copy_as_link(struct copy *copy, int to_fd, const char *name, const struct stat *st,
                        const char *path, struct stor_err *err)
{
	struct linked *key = malloc(sizeof(*key) + strlen(path) + 1);
	struct linked **found;

	if (!key)
		return fail_at(err, "copy", path);
	key->device = st->st_dev;
	key->inode = st->st_ino;
	memcpy(key->path, path, strlen(path) + 1);
	found = tsearch(key, &copy->linked, compare_linked);
	if (!found || *found == key)
		return found ? 0 : fail_at(err, "copy", path);
	free(key);
	if (linkat(copy->to_root_fd, (*found)->path, to_fd, name, 0) < 0)
		return fail_at(err, "link", path);
	return 1;
}

static int copy_entries(struct copy *copy, int from_fd, int to_fd, const char *path,
                        struct stor_err *err);

static int copy_folder(struct copy *copy, int from_fd, int to_fd, const char *name,
                       const char *path, struct stor_err *err)
{
	cleanup_close int from =
		openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int to = -1;

	if (from < 0)
		return fail_at(err, "open", path);
	if (mkdirat(to_fd, name, 0700) < 0)
		return fail_at(err, "create", path);
	to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (to < 0)
		return fail_at(err, "open", path);
	return copy_entries(copy, from, to, path, err);
}

/* path: of this entry, relative to the tree's root. */
static int copy_entry(struct copy *copy, int from_fd, int to_fd, const char *name, const char *path,
                      struct stor_err *err)
{
	struct stat st;
	int result;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_at(err, "examine", path);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		result = copy_as_link(copy, to_fd, name, &st, path, err);
		if (result)
			return result < 0 ? -1 : 0;
	}
	if (S_ISDIR(st.st_mode))
		result = copy_folder(copy, from_fd, to_fd, name, path, err);
	else if (S_ISREG(st.st_mode))
		result = copy_file(copy, from_fd, to_fd, name, &st, path, err);
	else if (S_ISLNK(st.st_mode))
		result = copy_link(from_fd, to_fd, name, path, err);
	else
		result = mknodat(to_fd, name, st.st_mode & (S_IFMT | 0600), st.st_rdev) < 0
		                 ? fail_at(err, "create", path)
		                 : 0;
	if (!result && copy_attributes(from_fd, to_fd, name, &st) < 0)
		result = fail_at(err, "set the attributes of", path);
	return result;
}

static int copy_entries(struct copy *copy, int from_fd, int to_fd, const char *path,
                        struct stor_err *err)
{
	DIR *dir = list_dir(from_fd);
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return fail_at(err, "list", path);
	while (!result && (entry = next_entry(dir))) {
		cleanup_free char *child = NULL;

		if (asprintf(&child, "%s%s%s", path, *path ? "/" : "", entry->d_name) < 0)
			child = NULL;
		result = child ? copy_entry(copy, from_fd, to_fd, entry->d_name, child, err)
		               : fail_at(err, "list", path);
	}
	if (!result && errno)
		result = fail_at(err, "list", path);
	closedir(dir);
	return result;
}

int tree_copy(int from_fd, int to_fd, enum tree_copy_mode mode, struct stor_err *err)
{
	struct copy copy = { .to_root_fd = to_fd, .mode = mode, .chunk = malloc(CHUNK_BYTES) };
	struct stat st = { 0 };
	int result;

	if (!copy.chunk || fstat(from_fd, &st) < 0)
		result = fail_at(err, "copy", "/");
	else
		result = copy_entries(&copy, from_fd, to_fd, "", err);
	if (!result && (copy_attributes(from_fd, to_fd, ".", &st) < 0 || syncfs(to_fd) < 0))
		result = fail_at(err, "finish", "/");
	tdestroy(copy.linked, free);
	free(copy.chunk);
	return result;
}

/* --- removing and measuring ---------------------------------------------------------------- */

int tree_empty(int dir_fd)
{
	DIR *dir = list_dir(dir_fd);
	struct dirent *entry;
	int result = dir ? 0 : -1;

	while (!result && (entry = next_entry(dir))) {
		cleanup_close int child = -1;

		if (!unlinkat(dir_fd, entry->d_name, 0))
			continue;
		if (errno != EISDIR && errno != EPERM)
			result = -1;
		else
			child = openat(dir_fd, entry->d_name,
			               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (!result && (child < 0 || tree_empty(child) < 0 ||
		                unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR) < 0))
			result = -1;
	}
	if (dir) {
		int saved = errno;

		closedir(dir);
		errno = saved;
	}
	return result;
}

static int measure(int dir_fd, void **seen, uint64_t *bytes)
{
	DIR *dir = list_dir(dir_fd);
	struct dirent *entry;
	int result = dir ? 0 : -1;

	while (!result && (entry = next_entry(dir))) {
		cleanup_close int child = -1;
		struct linked *key;
		struct stat st;

		if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			result = errno == ENOENT ? 0 : -1; /* removed meanwhile */
			continue;
		}
		if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
			key = calloc(1, sizeof(*key) + 1);
			if (!key)
				result = -1;
			else
				*key = (struct linked){ st.st_dev, st.st_ino };
			if (key && *(struct linked **)tsearch(key, seen, compare_linked) != key) {
				free(key);
				continue;
			}
		}
		*bytes += (uint64_t)st.st_blocks * 512;
		if (!S_ISDIR(st.st_mode))
			continue;
		child = openat(dir_fd, entry->d_name,
		               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (child >= 0)
			result = measure(child, seen, bytes);
	}
	if (dir)
		closedir(dir);
	return result;
}

int tree_measure(int dir_fd, uint64_t *bytes, struct stor_err *err)
{
	void *seen = NULL;
	int result;

	*bytes = 0;
	result = measure(dir_fd, &seen, bytes);
	if (result < 0)
		fail_at(err, "measure", "the volume");
	tdestroy(seen, free);
	return result;
}
