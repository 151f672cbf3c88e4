/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparing two trees entry by entry, and noticing whether a folder changed. */
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <stor/util.h>

#define CHUNK 65536
#define MAX_LINKED 64

/* Files with several names: the same ones have to be the same in the copy. */
struct pairs {
	struct suite *suite;
	struct {
		ino_t from, to;
	} linked[MAX_LINKED];
	size_t count;
};

static void compare_stat(struct suite *s, const struct stat *a, const struct stat *b,
                         const char *path)
{
	require(s, (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT), "%s is of another type", path);
	require(s, a->st_mode == b->st_mode, "%s has mode %04o, not %04o", path, b->st_mode & 07777,
	        a->st_mode & 07777);
	require(s, a->st_uid == b->st_uid && a->st_gid == b->st_gid,
	        "%s belongs to %u:%u, not %u:%u", path, b->st_uid, b->st_gid, a->st_uid, a->st_gid);
	require(s,
	        a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec,
	        "%s was modified at %lld.%09ld, not %lld.%09ld", path, (long long)b->st_mtim.tv_sec,
	        b->st_mtim.tv_nsec, (long long)a->st_mtim.tv_sec, a->st_mtim.tv_nsec);
	require(s, S_ISDIR(a->st_mode) || a->st_size == b->st_size, "%s has %lld bytes, not %lld",
	        path, (long long)b->st_size, (long long)a->st_size);
	require(s, S_ISDIR(a->st_mode) || a->st_nlink == b->st_nlink, "%s has %lu names, not %lu",
	        path, (unsigned long)b->st_nlink, (unsigned long)a->st_nlink);
	require(s, !(S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode)) || a->st_rdev == b->st_rdev,
	        "%s is device %u:%u, not %u:%u", path, major(b->st_rdev), minor(b->st_rdev),
	        major(a->st_rdev), minor(a->st_rdev));
	/* A hole that became zeros takes its whole length. */
	require(s,
	        !S_ISREG(a->st_mode) || a->st_blocks * 512 > a->st_size / 2 || a->st_size < CHUNK ||
	                b->st_blocks * 512 < b->st_size / 2,
	        "%s has lost its holes", path);
}

static void compare_xattrs(struct suite *s, const char *from, const char *to, const char *path)
{
	char names[8192], value[CHUNK], other[CHUNK];
	ssize_t length = llistxattr(from, names, sizeof(names));
	ssize_t count = llistxattr(to, NULL, 0);

	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = lgetxattr(from, names + at, value, sizeof(value));
		ssize_t found = lgetxattr(to, names + at, other, sizeof(other));

		require(s, found >= 0, "%s has lost its attribute %s", path, names + at);
		require(s, found == size && !memcmp(value, other, (size_t)size),
		        "%s has another value of the attribute %s", path, names + at);
	}
	require(s, (count < 0 ? 0 : count) == (length < 0 ? 0 : length),
	        "%s has attributes that its source has not", path);
}

static void compare_content(struct suite *s, int from_dir, int to_dir, const char *name,
                            const char *path)
{
	cleanup_close int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_close int to = openat(to_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char a[CHUNK], b[CHUNK];
	uint64_t at = 0;
	ssize_t n;

	require(s, from >= 0 && to >= 0, "open %s: %s", path, strerror(errno));
	do {
		n = pread_all(from, a, sizeof(a), at);
		require(s,
		        n >= 0 && pread_all(to, b, sizeof(b), at) == n && !memcmp(a, b, (size_t)n),
		        "%s differs between bytes %llu and %llu", path, (unsigned long long)at,
		        (unsigned long long)at + CHUNK);
		at += (uint64_t)n;
	} while (n);
}

static void compare_targets(struct suite *s, int from_dir, int to_dir, const char *name,
                            const char *path)
{
	char a[4096], b[4096];
	ssize_t length = readlinkat(from_dir, name, a, sizeof(a));

	require(s,
	        readlinkat(to_dir, name, b, sizeof(b)) == length && !memcmp(a, b, (size_t)length),
	        "%s points elsewhere", path);
}

static void compare_identity(struct pairs *pairs, const struct stat *a, const struct stat *b,
                             const char *path)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (pairs->linked[i].from != a->st_ino)
			continue;
		require(pairs->suite, pairs->linked[i].to == b->st_ino,
		        "%s is no longer a hard link of the file that it was", path);
		return;
	}
	if (pairs->count < MAX_LINKED) {
		pairs->linked[pairs->count].from = a->st_ino;
		pairs->linked[pairs->count++].to = b->st_ino;
	}
}

static int count_entries(int dir_fd, bool is_root)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		n += !is_root || strcmp(entry->d_name, "lost+found") != 0;
	if (dir)
		closedir(dir);
	return n;
}

static void compare_folders(struct pairs *pairs, int from_fd, int to_fd, const char *path);

static void compare_entry(struct pairs *pairs, int from_fd, int to_fd, const char *name,
                          const char *path)
{
	struct suite *s = pairs->suite;
	char from[400], to[400];
	struct stat a, b;

	require(s, !fstatat(from_fd, name, &a, AT_SYMLINK_NOFOLLOW), "examine %s", path);
	require(s, !fstatat(to_fd, name, &b, AT_SYMLINK_NOFOLLOW), "%s is missing", path);
	compare_stat(s, &a, &b, path);
	snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", from_fd, name);
	snprintf(to, sizeof(to), "/proc/self/fd/%d/%s", to_fd, name);
	compare_xattrs(s, from, to, path);
	if (a.st_nlink > 1 && !S_ISDIR(a.st_mode))
		compare_identity(pairs, &a, &b, path);
	if (S_ISREG(a.st_mode))
		compare_content(s, from_fd, to_fd, name, path);
	if (S_ISLNK(a.st_mode))
		compare_targets(s, from_fd, to_fd, name, path);
	if (S_ISDIR(a.st_mode)) {
		cleanup_close int from_below =
			openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cleanup_close int to_below =
			openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		require(s, from_below >= 0 && to_below >= 0, "open %s: %s", path, strerror(errno));
		compare_folders(pairs, from_below, to_below, path);
	}
}

static void compare_folders(struct pairs *pairs, int from_fd, int to_fd, const char *path)
{
	int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	require(pairs->suite, dir, "list %s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		cleanup_free char *below = xasprintf("%s/%s", path, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			compare_entry(pairs, from_fd, to_fd, entry->d_name, below);
	}
	closedir(dir);
	require(pairs->suite, count_entries(from_fd, !*path) == count_entries(to_fd, !*path),
	        "%s/ has entries that its source has not", path);
}

void trees_compare(struct suite *s, int from_fd, int to_fd)
{
	struct pairs pairs = { .suite = s };
	char from[64], to[64];
	struct stat a, b;

	require(s, !fstat(from_fd, &a) && !fstat(to_fd, &b), "examine the root: %s",
	        strerror(errno));
	compare_stat(s, &a, &b, "/");
	snprintf(from, sizeof(from), "/proc/self/fd/%d/.", from_fd);
	snprintf(to, sizeof(to), "/proc/self/fd/%d/.", to_fd);
	compare_xattrs(s, from, to, "/");
	compare_folders(&pairs, from_fd, to_fd, "");
}

/* --- fingerprint ---------------------------------------------------------------------------- */

/* nftw() has no argument for its callback. */
static uint64_t fingerprint;

static void mix(const void *data, size_t size)
{
	const unsigned char *at = data;

	while (size--)
		fingerprint = (fingerprint ^ *at++) * 1099511628211ULL;
}

static int mix_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	cleanup_close int fd = -1;
	char chunk[CHUNK];
	ssize_t n;

	(void)ftw;
	mix(path, strlen(path));
	mix(&st->st_mode, sizeof(st->st_mode));
	mix(&st->st_size, sizeof(st->st_size));
	mix(&st->st_mtim, sizeof(st->st_mtim));
	if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size > 16 << 20)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		mix(chunk, (size_t)n);
	return 0;
}

uint64_t tree_fingerprint(const char *path)
{
	fingerprint = 14695981039346656037ULL;
	nftw(path, mix_entry, 32, FTW_PHYS);
	return fingerprint;
}
