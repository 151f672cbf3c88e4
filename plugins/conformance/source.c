/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder with every kind of file and attribute that a root filesystem can have. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <stor/util.h>

#define MANY_ENTRIES 400
#define DEPTH 40

/* POSIX ACLs as the kernel stores them: version 2; user::rwx, user:1234:r--, group::r-x, mask::rwx,
 * other::--- */
static const unsigned char acl[] = {
	2,    0, 0, 0,                         /* version */
	1,    0, 7, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
	2,    0, 4, 0, 0xd2, 0x04, 0,    0,    /* user 1234 */
	4,    0, 5, 0, 0xff, 0xff, 0xff, 0xff, /* group */
	0x10, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
	0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* others */
};

/* cap_net_raw+ep, revision 2. */
static const unsigned char capability[] = { 1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0,
	                                    0, 0, 0, 0, 0, 0,    0, 0, 0, 0 };

static void need(struct suite *s, int result, const char *what)
{
	require(s, result >= 0, "make the source tree: %s: %s", what, strerror(errno));
}

static void make_file(struct suite *s, int dir_fd, const char *name, size_t size, mode_t mode)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	cleanup_free char *data = xmalloc(size + 1);

	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 31 + i / 4096);
	need(s, fd, name);
	need(s, pwrite_all(fd, data, size, 0), name);
	need(s, fchmod(fd, mode), name);
}

static void make_sparse(struct suite *s, int dir_fd)
{
	cleanup_close int fd =
		openat(dir_fd, "sparse", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	need(s, fd, "sparse");
	need(s, ftruncate(fd, 64 << 20), "sparse");
	need(s, pwrite_all(fd, "middle", 6, 33 << 20), "sparse");
	need(s, pwrite_all(fd, "end", 3, (64 << 20) - 3), "sparse");
}

static void set_xattr(struct suite *s, int fd, const char *name, const void *value, size_t size)
{
	/* Where this filesystem has no such attribute, the source goes without. */
	if (fsetxattr(fd, name, value, size, 0) < 0 && errno != EOPNOTSUPP)
		need(s, -1, name);
}

static void make_attributes(struct suite *s, int dir_fd)
{
	cleanup_close int fd = -1, folder_fd = -1;
	char large[2000];

	make_file(s, dir_fd, "attributes", 10, 0750);
	fd = openat(dir_fd, "attributes", O_RDONLY | O_CLOEXEC);
	need(s, fd, "attributes");
	memset(large, 'v', sizeof(large));
	set_xattr(s, fd, "user.small", "value", 5);
	set_xattr(s, fd, "user.empty", "", 0);
	set_xattr(s, fd, "user.large", large, sizeof(large));
	set_xattr(s, fd, "trusted.stor", "\0binary\xff", 8);
	set_xattr(s, fd, "security.capability", capability, sizeof(capability));
	set_xattr(s, fd, "system.posix_acl_access", acl, sizeof(acl));
	need(s, mkdirat(dir_fd, "acl", 0755), "acl");
	folder_fd = openat(dir_fd, "acl", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(s, folder_fd, "acl");
	set_xattr(s, folder_fd, "user.folder", "yes", 3);
	set_xattr(s, folder_fd, "system.posix_acl_access", acl, sizeof(acl));
	set_xattr(s, folder_fd, "system.posix_acl_default", acl, sizeof(acl));
}

static void make_links(struct suite *s, int dir_fd)
{
	char target[1001];

	memset(target, 'x', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	need(s, symlinkat("file", dir_fd, "link"), "link");
	need(s, symlinkat("/nowhere/at/all", dir_fd, "dangling"), "dangling");
	need(s, symlinkat(target, dir_fd, "link-long"), "link-long");
	need(s, fchownat(dir_fd, "link", 77, 78, AT_SYMLINK_NOFOLLOW), "link");
	need(s, mkdirat(dir_fd, "other", 0755), "other");
	need(s, linkat(dir_fd, "file", dir_fd, "other/file-again", 0), "hard link");
	need(s, linkat(dir_fd, "file", dir_fd, "a-file-before", 0), "hard link");
}

static void make_nodes(struct suite *s, int dir_fd)
{
	need(s, mknodat(dir_fd, "fifo", S_IFIFO | 0640, 0), "fifo");
	need(s, mknodat(dir_fd, "socket", S_IFSOCK | 0600, 0), "socket");
	need(s, mknodat(dir_fd, "null", S_IFCHR | 0666, makedev(1, 3)), "null");
	need(s, mknodat(dir_fd, "disk", S_IFBLK | 0660, makedev(259, 70000)), "disk");
}

static void make_names(struct suite *s, int dir_fd)
{
	char name[256];
	cleanup_close int fd = -1;

	memset(name, 'n', 255);
	name[255] = '\0';
	make_file(s, dir_fd, name, 1, 0644);
	make_file(s, dir_fd, "odd \xff\n\\name\x01", 1, 0644);
	need(s, mkdirat(dir_fd, "many", 0755), "many");
	fd = openat(dir_fd, "many", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < MANY_ENTRIES; i++) {
		snprintf(name, sizeof(name), "an-entry-of-a-large-directory-%d", i);
		make_file(s, fd, name, (size_t)i % 3, 0644);
	}
}

static void make_depth(struct suite *s, int dir_fd)
{
	int fd = dup(dir_fd);

	for (int i = 0; i < DEPTH; i++) {
		int below;

		need(s, mkdirat(fd, "deeper", 0711), "deeper");
		below = openat(fd, "deeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		need(s, below, "deeper");
		close(fd);
		fd = below;
	}
	make_file(s, fd, "bottom", 5, 0644);
	close(fd);
}

static void set_owners_and_times(struct suite *s, int dir_fd)
{
	static const struct timespec far[2] = { { 4102444800, 123456789 },
		                                { 4102444800, 987654321 } };
	static const struct timespec past[2] = { { 1, 1 }, { 999999999, 500000001 } };

	make_file(s, dir_fd, "set-user-id", 100, 0644);
	need(s, fchownat(dir_fd, "set-user-id", 1000, 100, 0), "owner");
	need(s, fchmodat(dir_fd, "set-user-id", 06755, 0), "mode");
	make_file(s, dir_fd, "large-ids", 0, 0);
	need(s, fchownat(dir_fd, "large-ids", 3000000000u, 3000000001u, 0), "owner");
	need(s, mkdirat(dir_fd, "sticky", 0755), "sticky");
	need(s, fchmodat(dir_fd, "sticky", 01777, 0), "mode");
	need(s, utimensat(dir_fd, "file", far, 0), "times");
	need(s, utimensat(dir_fd, "link", past, AT_SYMLINK_NOFOLLOW), "times");
	need(s, utimensat(dir_fd, "many", past, 0), "times");
	need(s, fchown(dir_fd, 12, 34), "owner");
	need(s, fchmod(dir_fd, 0751), "mode");
	set_xattr(s, dir_fd, "user.root", "of the root", 11);
	need(s, utimensat(dir_fd, ".", past, 0), "times");
}

const char *source_make(struct suite *s)
{
	static char path[4096];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "%s/source", s->dir);
	need(s, mkdir(path, 0700), "folder");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	need(s, fd, "folder");
	make_file(s, fd, "file", 1234567, 0644);
	make_file(s, fd, "empty", 0, 0400);
	make_sparse(s, fd);
	make_attributes(s, fd);
	make_links(s, fd);
	make_nodes(s, fd);
	make_names(s, fd);
	make_depth(s, fd);
	set_owners_and_times(s, fd);
	return path;
}
