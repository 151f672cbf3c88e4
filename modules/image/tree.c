/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A root filesystem under construction: see tree.h. */
#include "modules/image/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/base/sys.h"
#include "modules/image/names.h"

void entry_free(struct entry *entry)
{
	free(entry->path);
	free(entry->link);
	xattrs_free(&entry->xattrs);
	memset(entry, 0, sizeof(*entry));
}

void tree_init(struct tree *tree, int root_fd, const struct image_import_req *req)
{
	memset(tree, 0, sizeof(*tree));
	tree->root_fd = root_fd;
	tree->req = req;
	tree->parent_fd = -1;
}

static void forget_parent(struct tree *tree)
{
	close_fd(&tree->parent_fd);
	free(steal_ptr(&tree->parent_path));
}

void tree_free(struct tree *tree)
{
	forget_parent(tree);
	tree_free_dirs(tree);
}

int tree_fail(const char *path, int errnum, const char *what, struct stor_err *err)
{
	char shown[NAMES_SHOWN_MAX];

	err_fail(err, STOR_FAILED, errnum, "entry \"%s\": %s", names_shown(path, shown), what);
	if (errnum == ENOSPC)
		err_hint(err, "free some space on the store's filesystem, or move the store "
		              "(--store)");
	return -1;
}

/* --- parents ------------------------------------------------------------------------------ */

static int open_in_root(const struct tree *tree, const char *path)
{
	return sys_openat2(tree->root_fd, *path ? path : ".", O_PATH | O_DIRECTORY, 0,
	                   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/* Opens a directory of the tree, making it and its parents where the archive left them out.
 * Returns an O_PATH descriptor, or -1 with errno. */
static int make_directories(struct tree *tree, const char *path, struct stor_err *err)
{
	cleanup_free char *parent = NULL;
	cleanup_close int parent_fd = -1, fd = open_in_root(tree, path);
	const char *slash;

	if (fd >= 0)
		return steal_fd(&fd);
	if (errno != ENOENT || !*path)
		return tree_fail(path, errno, "open its directory", err);
	slash = strrchr(path, '/');
	parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
	parent_fd = make_directories(tree, parent, err);
	if (parent_fd < 0)
		return -1;
	/* A link that leads nowhere is there and yet is not. */
	if (mkdirat(parent_fd, names_base(path), 0755) < 0)
		return tree_fail(path, errno, "make directory", err);
	fd = openat(parent_fd, names_base(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchmod(fd, 0755) < 0 || fchown(fd, 0, 0) < 0)
		return tree_fail(path, errno, "make directory", err);
	if (tree_note_dir(tree, path, fd, NULL, false, err) < 0)
		return -1;
	return steal_fd(&fd);
}

/* Sets tree->parent_fd to the directory that holds `path`. */
static int enter_parent(struct tree *tree, const char *path, struct stor_err *err)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;
	char *parent;

	if (tree->parent_fd >= 0 && strlen(tree->parent_path) == length &&
	    !memcmp(tree->parent_path, path, length))
		return 0;
	forget_parent(tree);
	parent = xstrndup(path, length);
	tree->parent_fd = make_directories(tree, parent, err);
	if (tree->parent_fd < 0) {
		free(parent);
		return -1;
	}
	tree->parent_path = parent;
	return 0;
}

int tree_remove(struct tree *tree, const char *path, struct stor_err *err)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent = slash ? xstrndup(path, (size_t)(slash - path)) : xstrdup("");
	cleanup_close int parent_fd = open_in_root(tree, parent);

	if (parent_fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (parent_fd < 0)
		return tree_fail(path, errno, "open its directory", err);
	forget_parent(tree);
	if (fs_remove_tree(parent_fd, names_base(path), err) < 0)
		return tree_fail(path, 0, "remove", err);
	return 0;
}

/* Takes away what has the name that an entry wants. */
static int make_way(struct tree *tree, const char *path, bool is_for_directory,
                    struct stor_err *err)
{
	struct stat st;

	if (tree->keeps_kinds && is_for_directory)
		return tree_fail(path, 0, "there is something else, no directory", err);
	if (tree->keeps_kinds &&
	    fstatat(tree->parent_fd, names_base(path), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		return tree_fail(path, 0, "there is a directory, which nothing else replaces", err);
	if (tree_remove(tree, path, err) < 0)
		return -1;
	return enter_parent(tree, path, err);
}

/* --- entries ------------------------------------------------------------------------------ */

static int check_limits(struct tree *tree, const struct entry *entry, struct stor_err *err)
{
	const struct image_import_req *req = tree->req;
	uint64_t size = S_ISREG(entry->mode) && !entry->is_hard_link ? entry->size_bytes : 0;
	char text[16];

	if (++tree->entries > req->limit_entries) {
		tree_fail(entry->path, 0, "more entries than the limit", err);
		err_hint(err, "--limit-entries allows more than %llu",
		         (unsigned long long)req->limit_entries);
		return -1;
	}
	if (size > req->limit_bytes || tree->bytes > req->limit_bytes - size) {
		tree_fail(entry->path, 0, "the files are larger than the limit", err);
		err_hint(err, "--limit-size allows more than %s",
		         str_from_size(req->limit_bytes, text, sizeof(text)));
		return -1;
	}
	tree->bytes += size;
	return 0;
}

int tree_fail_xattr(const char *path, int errnum, const char *xattr, struct stor_err *err)
{
	char shown[NAMES_SHOWN_MAX], what[NAMES_SHOWN_MAX + 32];

	snprintf(what, sizeof(what), "set attribute %s", names_shown(xattr, shown));
	tree_fail(path, errnum, what, err);
	if (errnum == ENOTSUP)
		err_hint(err, "the store's filesystem does not keep such attributes; put the store "
		              "on ext4, xfs or btrfs");
	return -1;
}

static int set_xattrs(const struct entry *entry, int fd, int dir_fd, struct stor_err *err)
{
	const char *failed = NULL;

	if (xattrs_apply(&entry->xattrs, fd, dir_fd, names_base(entry->path), &failed) < 0)
		return tree_fail_xattr(entry->path, errno, failed, err);
	return 0;
}

int tree_close_file(const struct entry *entry, int fd, struct stor_err *err)
{
	const struct timespec times[2] = { entry->mtime, entry->mtime };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return tree_fail(entry->path, errno, "set its attributes", err);
	if ((uint64_t)st.st_size != entry->size_bytes &&
	    ftruncate(fd, (off_t)entry->size_bytes) < 0)
		return tree_fail(entry->path, errno, "set its size", err);
	/* Changing the owner or the content drops set-id bits and capabilities: so in this order.
	 */
	if ((st.st_uid != entry->uid || st.st_gid != entry->gid) &&
	    fchown(fd, entry->uid, entry->gid) < 0)
		return tree_fail(entry->path, errno, "set its owner", err);
	if (fchmod(fd, entry->mode & 07777) < 0)
		return tree_fail(entry->path, errno, "set its mode", err);
	if (set_xattrs(entry, fd, -1, err) < 0)
		return -1;
	if (futimens(fd, times) < 0)
		return tree_fail(entry->path, errno, "set its time", err);
	return 0;
}

static int add_directory(struct tree *tree, const struct entry *entry, struct stor_err *err)
{
	const char *name = *entry->path ? names_base(entry->path) : ".";
	cleanup_close int fd = -1;
	bool existed = false;
	struct stat st;

	if (mkdirat(tree->parent_fd, name, 0700) < 0) {
		if (errno != EEXIST || fstatat(tree->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return tree_fail(entry->path, errno, "make directory", err);
		existed = S_ISDIR(st.st_mode);
		if (!existed) {
			if (make_way(tree, entry->path, true, err) < 0)
				return -1;
			if (mkdirat(tree->parent_fd, name, 0700) < 0)
				return tree_fail(entry->path, errno, "make directory", err);
		}
	}
	fd = openat(tree->parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fchown(fd, entry->uid, entry->gid) < 0 || fchmod(fd, entry->mode & 07777) < 0)
		return tree_fail(entry->path, errno, "set its attributes", err);
	return tree_note_dir(tree, entry->path, fd, entry, existed, err);
}

/* Makes the thing itself. *fd is set for a regular file. 0, or -1 with errno. */
static int make_node(const struct tree *tree, const struct entry *entry, const char *name, int *fd)
{
	switch (entry->mode & S_IFMT) {
	case S_IFREG:
		*fd = openat(tree->parent_fd, name,
		             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		return *fd < 0 ? -1 : 0;
	case S_IFLNK:
		return symlinkat(entry->link, tree->parent_fd, name);
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return mknodat(tree->parent_fd, name, (entry->mode & S_IFMT) | 0600, entry->device);
	default:
		errno = EINVAL;
		return -1;
	}
}

/* By a descriptor: chmod by name follows a link, which somebody may have put there by now. */
static int set_mode(int dir_fd, const char *name, mode_t mode)
{
	cleanup_close int fd = openat(dir_fd, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	char path[32];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		errno = ELOOP;
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, mode & 07777);
}

static int set_attributes(const struct tree *tree, const struct entry *entry, struct stor_err *err)
{
	const struct timespec times[2] = { entry->mtime, entry->mtime };
	const char *name = names_base(entry->path);
	int dir_fd = tree->parent_fd;

	if (fchownat(dir_fd, name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_fail(entry->path, errno, "set its owner", err);
	if (!S_ISLNK(entry->mode) && set_mode(dir_fd, name, entry->mode) < 0)
		return tree_fail(entry->path, errno, "set its mode", err);
	if (set_xattrs(entry, -1, dir_fd, err) < 0)
		return -1;
	if (utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_fail(entry->path, errno, "set its time", err);
	return 0;
}

static int add_other(struct tree *tree, const struct entry *entry, int *fd, struct stor_err *err)
{
	const char *name = names_base(entry->path);

	if (make_node(tree, entry, name, fd) < 0) {
		if (errno == EEXIST) {
			if (make_way(tree, entry->path, false, err) < 0)
				return -1;
			if (make_node(tree, entry, name, fd) < 0)
				return tree_fail(entry->path, errno, "make", err);
		} else {
			int saved = errno;

			tree_fail(entry->path, saved, "make", err);
			if (saved == EPERM && (S_ISCHR(entry->mode) || S_ISBLK(entry->mode)))
				err_hint(err, "--devices skip leaves device nodes out");
			return -1;
		}
	}
	return S_ISREG(entry->mode) ? 0 : set_attributes(tree, entry, err);
}

static int add_hard_link(struct tree *tree, const struct entry *entry, struct stor_err *err)
{
	const char *slash = strrchr(entry->link, '/');
	cleanup_free char *from =
		slash ? xstrndup(entry->link, (size_t)(slash - entry->link)) : xstrdup("");
	cleanup_close int from_fd = open_in_root(tree, from);
	const char *name = names_base(entry->path), *from_name = names_base(entry->link);
	struct stat target, there;
	char shown[NAMES_SHOWN_MAX], what[NAMES_SHOWN_MAX + 32];

	snprintf(what, sizeof(what), "link to \"%s\"", names_shown(entry->link, shown));
	if (from_fd < 0 || fstatat(from_fd, from_name, &target, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_fail(entry->path, errno, what, err);
	if (!fstatat(tree->parent_fd, name, &there, AT_SYMLINK_NOFOLLOW)) {
		if (there.st_ino == target.st_ino && !S_ISDIR(there.st_mode))
			return 0;
		if (make_way(tree, entry->path, false, err) < 0)
			return -1;
	}
	/* Links themselves are linked, never what they point to. */
	if (linkat(from_fd, from_name, tree->parent_fd, name, 0) < 0)
		return tree_fail(entry->path, errno, what, err);
	return 0;
}

int tree_add(struct tree *tree, const struct entry *entry, int *fd, struct stor_err *err)
{
	bool is_device = (S_ISCHR(entry->mode) || S_ISBLK(entry->mode)) && !entry->is_hard_link;

	*fd = -1;
	if (check_limits(tree, entry, err) < 0)
		return -1;
	if (is_device && tree->req->devices == IMAGE_DEVICES_SKIP)
		return 0;
	if (is_device && tree->req->devices == IMAGE_DEVICES_REFUSE)
		return tree_fail(entry->path, 0, "device nodes are refused", err);
	if (!*entry->path && (entry->is_hard_link || !S_ISDIR(entry->mode)))
		return tree_fail("/", 0, "the root can only be a directory", err);
	if (enter_parent(tree, entry->path, err) < 0)
		return -1;
	if (entry->is_hard_link)
		return add_hard_link(tree, entry, err);
	if (S_ISDIR(entry->mode))
		return add_directory(tree, entry, err);
	return add_other(tree, entry, fd, err);
}
