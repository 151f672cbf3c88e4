/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of this machine, copied into a tree: see copy.h. */
#include "modules/image/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/image/names.h"

struct copy {
	struct tree *tree;
	struct hard_links links;
	uint64_t mount_id;
	uint64_t reported_bytes;
	char *buffer; /* for filesystems that the kernel does not copy between */
};

#define BUFFER_SIZE (1 << 20)

/* --- hard links --------------------------------------------------------------------------- */

static struct hard_link *find_slot(struct hard_links *links, dev_t device, ino_t inode)
{
	size_t mask = links->slot_count - 1;
	size_t i = (size_t)((uint64_t)inode * 0x9e3779b97f4a7c15u >> 20) & mask;

	while (links->slots[i].path &&
	       (links->slots[i].inode != inode || links->slots[i].device != device))
		i = (i + 1) & mask;
	return &links->slots[i];
}

static void grow_links(struct hard_links *links)
{
	struct hard_links old = *links;

	if (2 * (links->used + 1) <= links->slot_count)
		return;
	links->slot_count = old.slot_count ? 2 * old.slot_count : 256;
	links->slots = xcalloc(links->slot_count, sizeof(*links->slots));
	for (size_t i = 0; i < old.slot_count; i++)
		if (old.slots[i].path)
			*find_slot(links, old.slots[i].device, old.slots[i].inode) = old.slots[i];
	free(old.slots);
}

const char *hard_links_find(struct hard_links *links, const struct stat *st, const char *path)
{
	struct hard_link *slot;

	grow_links(links);
	slot = find_slot(links, st->st_dev, st->st_ino);
	if (slot->path)
		return slot->path;
	slot->device = st->st_dev;
	slot->inode = st->st_ino;
	slot->path = xstrdup(path);
	links->used++;
	return NULL;
}

void hard_links_free(struct hard_links *links)
{
	for (size_t i = 0; i < links->slot_count; i++)
		free(links->slots[i].path);
	free(links->slots);
	memset(links, 0, sizeof(*links));
}

uint64_t copy_mount_id(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
		return 0;
	if (!(stx.stx_mask & STATX_MNT_ID)) {
		errno = ENOSYS;
		return 0;
	}
	return stx.stx_mnt_id;
}

/* --- content ------------------------------------------------------------------------------ */

static int report(struct copy *copy, uint64_t bytes, struct stor_err *err)
{
	copy->reported_bytes += bytes;
	return copy->tree->req->progress("copying", copy->reported_bytes, 0, err);
}

/* Copies [at, end) through memory. 0, or -1 with errno. */
static int copy_by_hand(struct copy *copy, int from_fd, int to_fd, off_t at, off_t end)
{
	if (!copy->buffer)
		copy->buffer = xmalloc(BUFFER_SIZE);
	while (at < end) {
		size_t want = end - at < BUFFER_SIZE ? (size_t)(end - at) : BUFFER_SIZE;
		ssize_t n = pread_all(from_fd, copy->buffer, want, (uint64_t)at);

		if (n < 0 || pwrite_all(to_fd, copy->buffer, (size_t)n, (uint64_t)at) < 0)
			return -1;
		if ((size_t)n < want)
			return 0; /* the file shrank meanwhile */
		at += n;
	}
	return 0;
}

/* Copies one run of data. 0, or -1 with errno. */
static int copy_extent(struct copy *copy, int from_fd, int to_fd, off_t at, off_t end)
{
	while (at < end) {
		off_t to = at;
		ssize_t n = copy_file_range(from_fd, &at, to_fd, &to, (size_t)(end - at), 0);

		if (n < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL))
			return copy_by_hand(copy, from_fd, to_fd, at, end);
		if (n < 0)
			return -1;
		if (!n)
			return 0;
	}
	return 0;
}

static int copy_content(struct copy *copy, const struct entry *entry, int from_fd, int to_fd,
                        struct stor_err *err)
{
	off_t at = 0, end = (off_t)entry->size_bytes;

	if (!end || !ioctl(to_fd, FICLONE, from_fd))
		return 0;
	while (at < end) {
		off_t data = lseek(from_fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(from_fd, data, SEEK_HOLE);
		if (data < 0 || hole < 0)
			return tree_fail(entry->path, errno, "find its data", err);
		if (hole > end)
			hole = end;
		/* In pieces, so that a large file can be interrupted. */
		while (data < hole) {
			off_t stop = hole - data > 64 << 20 ? data + (64 << 20) : hole;

			if (copy_extent(copy, from_fd, to_fd, data, stop) < 0)
				return tree_fail(entry->path, errno, "copy", err);
			if (stop - data > 1 << 20 && report(copy, (uint64_t)(stop - data), err) < 0)
				return -1;
			data = stop;
		}
		at = hole;
	}
	return 0;
}

/* --- entries ------------------------------------------------------------------------------ */

static int copy_children(struct copy *copy, int dir_fd, const char *path, struct stor_err *err);

static char *read_link(int dir_fd, const char *name)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	return n < 0 ? NULL : xstrndup(target, (size_t)n);
}

static void fill_entry(struct entry *entry, const struct stat *st)
{
	entry->mode = st->st_mode;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->device = st->st_rdev;
	entry->size_bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	entry->mtime = st->st_mtim;
}

/* A directory, opened as fd, and all below it. */
static int copy_subtree(struct copy *copy, int fd, struct entry *entry, struct stor_err *err)
{
	uint64_t mount_id = copy_mount_id(fd);
	int unused;

	if (!mount_id || xattrs_read(&entry->xattrs, fd, -1, NULL) < 0)
		return tree_fail(entry->path, errno, "read its attributes", err);
	if (tree_add(copy->tree, entry, &unused, err) < 0)
		return -1;
	return mount_id == copy->mount_id ? copy_children(copy, fd, entry->path, err) : 0;
}

static int copy_file(struct copy *copy, int dir_fd, const char *name, struct entry *entry,
                     struct stor_err *err)
{
	cleanup_close int from_fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOATIME);
	cleanup_close int to_fd = -1;
	struct stat st;

	if (from_fd < 0 || fstat(from_fd, &st) < 0)
		return tree_fail(entry->path, errno, "open", err);
	if (!S_ISREG(st.st_mode))
		return tree_fail(entry->path, 0, "it changed while it was copied", err);
	fill_entry(entry, &st);
	if (xattrs_read(&entry->xattrs, from_fd, -1, NULL) < 0)
		return tree_fail(entry->path, errno, "read its attributes", err);
	if (tree_add(copy->tree, entry, &to_fd, err) < 0 ||
	    copy_content(copy, entry, from_fd, to_fd, err) < 0)
		return -1;
	return tree_close_file(entry, to_fd, err);
}

static int copy_other(struct copy *copy, int dir_fd, const char *name, struct entry *entry,
                      struct stor_err *err)
{
	int unused;

	if (S_ISLNK(entry->mode)) {
		entry->link = read_link(dir_fd, name);
		if (!entry->link)
			return tree_fail(entry->path, errno, "read link", err);
	}
	if (xattrs_read(&entry->xattrs, -1, dir_fd, name) < 0)
		return tree_fail(entry->path, errno, "read its attributes", err);
	return tree_add(copy->tree, entry, &unused, err);
}

static int copy_entry(struct copy *copy, int dir_fd, const char *parent, const char *name,
                      struct stor_err *err)
{
	cleanup_entry struct entry entry = { NULL };
	const char *first = NULL;
	struct stat st;

	entry.path = *parent ? xasprintf("%s/%s", parent, name) : xstrdup(name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_fail(entry.path, errno, "read its attributes", err);
	if (copy->tree->entries % 256 == 0 && report(copy, 0, err) < 0)
		return -1;
	fill_entry(&entry, &st);
	if (S_ISDIR(st.st_mode)) {
		cleanup_close int fd = openat(
			dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME);

		if (fd < 0)
			return tree_fail(entry.path, errno, "open directory", err);
		return copy_subtree(copy, fd, &entry, err);
	}
	if (st.st_nlink > 1)
		first = hard_links_find(&copy->links, &st, entry.path);
	if (first) {
		int unused;

		entry.is_hard_link = true;
		entry.link = xstrdup(first);
		return tree_add(copy->tree, &entry, &unused, err);
	}
	if (S_ISREG(st.st_mode))
		return copy_file(copy, dir_fd, name, &entry, err);
	return copy_other(copy, dir_fd, name, &entry, err);
}

static int copy_children(struct copy *copy, int dir_fd, const char *path, struct stor_err *err)
{
	int list_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
	DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *item;
	int result = 0;

	if (!dir) {
		int saved = errno;

		if (list_fd >= 0)
			close(list_fd);
		return tree_fail(path, saved, "list directory", err);
	}
	while (!result && (errno = 0, item = readdir(dir))) {
		if (!strcmp(item->d_name, ".") || !strcmp(item->d_name, ".."))
			continue;
		result = copy_entry(copy, dir_fd, path, item->d_name, err);
	}
	if (!result && errno)
		result = tree_fail(path, errno, "list directory", err);
	closedir(dir);
	return result;
}

int copy_directory(int source_fd, const char *source, struct tree *tree, struct stor_err *err)
{
	struct copy copy = { .tree = tree, .mount_id = copy_mount_id(source_fd) };
	cleanup_entry struct entry root = { NULL };
	struct stat st;
	int result;

	if (fstat(source_fd, &st) < 0 || !copy.mount_id)
		return err_fail(err, STOR_FAILED, errno, "directory %s", source);
	root.path = xstrdup("");
	fill_entry(&root, &st);
	result = copy_subtree(&copy, source_fd, &root, err);
	hard_links_free(&copy.links);
	free(copy.buffer);
	return result < 0 ? err_context(err, "directory %s", source) : 0;
}
