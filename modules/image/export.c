/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A tree, or a part of one, written as a pax archive: the same tree gives the same bytes. */
#include "modules/image/export.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "modules/image/archive.h"
#include "modules/image/copy.h"
#include "modules/image/names.h"

struct export
{
	const struct image_export_req *req;
	struct archive *archive;
	struct hard_links links;
	uint64_t done_bytes, entries;
	char *buffer;
};

#define BUFFER_SIZE (1 << 20)

static int report(struct export *export, uint64_t bytes, struct stor_err *err)
{
	export->done_bytes += bytes;
	return export->req->progress("exporting", export->done_bytes, export->req->total_bytes,
	                             err);
}

/* --- attributes --------------------------------------------------------------------------- */

/* libarchive puts the sign of a time before 1970 before the seconds, but not the fraction, of the
 * decimal number that pax wants. */
static void set_mtime(struct archive_entry *header, struct timespec mtime)
{
	if (mtime.tv_sec < 0 && mtime.tv_nsec > 0) {
		mtime.tv_sec++;
		mtime.tv_nsec = 1000000000 - mtime.tv_nsec;
	}
	archive_entry_set_mtime(header, mtime.tv_sec, mtime.tv_nsec);
}

static void fill_header(struct archive_entry *header, const char *path, const struct stat *st)
{
	cleanup_free char *shown = xasprintf("./%s", path);

	archive_entry_copy_pathname(header, shown);
	archive_entry_set_mode(header, st->st_mode);
	archive_entry_set_uid(header, st->st_uid);
	archive_entry_set_gid(header, st->st_gid);
	set_mtime(header, st->st_mtim);
	archive_entry_set_size(header, S_ISREG(st->st_mode) ? st->st_size : 0);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		archive_entry_set_rdevmajor(header, major(st->st_rdev));
		archive_entry_set_rdevminor(header, minor(st->st_rdev));
	}
}

static int add_xattrs(struct archive_entry *header, const char *path, int fd, int dir_fd,
                      const char *name, struct stor_err *err)
{
	cleanup_xattrs struct xattrs list = XATTRS_INIT;

	if (xattrs_read(&list, fd, dir_fd, name) < 0)
		return tree_fail(path, errno, "read its attributes", err);
	for (size_t i = 0; i < list.count; i++) {
		const struct xattr *x = &list.items[i];

		if (!archive_write_acl(header, x))
			archive_entry_xattr_add_entry(header, x->name, x->value, x->size);
	}
	return 0;
}

/* --- content ------------------------------------------------------------------------------ */

/* Tells the writer where data is, for a file with holes. 0, or -1 with errno. */
static int add_extents(struct archive_entry *header, int fd, const struct stat *st)
{
	off_t at = 0;

	if ((uint64_t)st->st_blocks * 512 >= (uint64_t)st->st_size)
		return 0;
	while (at < st->st_size) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -1;
		if (hole > st->st_size)
			hole = st->st_size;
		if (data == 0 && hole == st->st_size)
			return 0;
		archive_entry_sparse_add_entry(header, data, hole - data);
		at = hole;
	}
	if (!archive_entry_sparse_count(header))
		archive_entry_sparse_add_entry(header, st->st_size, 0);
	return 0;
}

static int write_content(struct export *export, const char *path, int fd, uint64_t size,
                         struct stor_err *err)
{
	for (uint64_t at = 0; at < size;) {
		size_t want = size - at < BUFFER_SIZE ? (size_t)(size - at) : BUFFER_SIZE;
		ssize_t n = pread_all(fd, export->buffer, want, at);

		if (n < 0 || (size_t)n < want)
			return tree_fail(path, n < 0 ? errno : 0, "read", err);
		if (archive_write_data(export->archive, export->buffer, want) < 0)
			return archive_fail(export->archive, export->req->out, err);
		at += want;
		if (report(export, want, err) < 0)
			return -1;
	}
	return 0;
}

static int write_header(struct export *export, const char *path, struct archive_entry *header,
                        struct stor_err *err)
{
	int result = archive_write_header(export->archive, header);

	if (export->entries++ % 256 == 0 && report(export, 0, err) < 0)
		return -1;
	/* A warning says that a name is no UTF-8, and was written as the bytes that it is. */
	if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
		return 0;
	archive_fail(export->archive, export->req->out, err);
	return tree_fail(path, 0, "write its header", err);
}

/* --- entries ------------------------------------------------------------------------------ */

static int export_children(struct export *export, int dir_fd, const char *path,
                           struct stor_err *err);

/* What is there is no file of anybody, and some of it has no end. */
static bool is_kernels(int fd)
{
	static const uint32_t magics[] = { PROC_SUPER_MAGIC,   SYSFS_MAGIC,
		                           CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
		                           DEBUGFS_MAGIC,      TRACEFS_MAGIC,
		                           SECURITYFS_MAGIC,   DEVPTS_SUPER_MAGIC,
		                           BPF_FS_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++)
		if ((uint32_t)fs.f_type == magics[i])
			return true;
	return false;
}

static int export_directory(struct export *export, struct archive_entry *header, const char *path,
                            int fd, struct stor_err *err)
{
	bool is_left_out = export->req->skips_kernel && is_kernels(fd);

	if (!is_left_out && add_xattrs(header, path, fd, -1, NULL, err) < 0)
		return -1;
	if (write_header(export, path, header, err) < 0)
		return -1;
	return is_left_out ? 0 : export_children(export, fd, path, err);
}

static int export_open_file(struct export *export, struct archive_entry *header, const char *path,
                            int fd, const struct stat *st, struct stor_err *err)
{
	if (add_extents(header, fd, st) < 0)
		return tree_fail(path, errno, "find its data", err);
	if (add_xattrs(header, path, fd, -1, NULL, err) < 0 ||
	    write_header(export, path, header, err) < 0)
		return -1;
	return write_content(export, path, fd, (uint64_t)st->st_size, err);
}

static int export_file(struct export *export, struct archive_entry *header, const char *path,
                       int dir_fd, const char *name, const struct stat *st, struct stor_err *err)
{
	cleanup_close int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME | O_NONBLOCK);
	struct stat opened;

	if (fd < 0 || fstat(fd, &opened) < 0)
		return tree_fail(path, errno, "open", err);
	if (opened.st_dev != st->st_dev || opened.st_ino != st->st_ino)
		return tree_fail(path, 0, "it was replaced while it was read", err);
	return export_open_file(export, header, path, fd, st, err);
}

static int export_other(struct export *export, struct archive_entry *header, const char *path,
                        int dir_fd, const char *name, const struct stat *st, struct stor_err *err)
{
	char target[PATH_MAX + 1];
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
		if (n < 0)
			return tree_fail(path, errno, "read link", err);
		target[n] = '\0';
		archive_entry_copy_symlink(header, target);
	}
	if (add_xattrs(header, path, -1, dir_fd, name, err) < 0)
		return -1;
	return write_header(export, path, header, err);
}

static int export_entry(struct export *export, struct archive_entry *header, int dir_fd,
                        const char *path, const char *name, struct stor_err *err)
{
	const char *first = NULL;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_fail(path, errno, "read its attributes", err);
	/* Sockets are no part of the format; GNU tar leaves them out too. */
	if (S_ISSOCK(st.st_mode))
		return 0;
	fill_header(header, path, &st);
	if (S_ISDIR(st.st_mode)) {
		cleanup_close int fd = openat(
			dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME);

		if (fd < 0)
			return tree_fail(path, errno, "open directory", err);
		return export_directory(export, header, path, fd, err);
	}
	if (st.st_nlink > 1)
		first = hard_links_find(&export->links, &st, path);
	if (first) {
		cleanup_free char *shown = xasprintf("./%s", first);

		archive_entry_copy_hardlink(header, shown);
		archive_entry_set_size(header, 0);
		return write_header(export, path, header, err);
	}
	if (S_ISREG(st.st_mode))
		return export_file(export, header, path, dir_fd, name, &st, err);
	return export_other(export, header, path, dir_fd, name, &st, err);
}

static int export_children(struct export *export, int dir_fd, const char *path,
                           struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	int result = 0;

	if (fs_list(dir_fd, &names) < 0)
		return tree_fail(path, errno, "list directory", err);
	for (size_t i = 0; !result && i < names.count; i++) {
		struct archive_entry *header = archive_entry_new();
		cleanup_free char *child =
			*path ? xasprintf("%s/%s", path, names.items[i]) : xstrdup(names.items[i]);

		result = export_entry(export, header, dir_fd, child, names.items[i], err);
		archive_entry_free(header);
	}
	return result;
}

/* --- the archive -------------------------------------------------------------------------- */

static la_ssize_t write_out(struct archive *archive, void *ctx, const void *data, size_t size)
{
	struct export *export = ctx;
	struct stor_err interrupted = STOR_ERR_INIT;
	ssize_t n;

	/* A reader that reads no more must not keep the user's wish to stop from being heard. */
	while ((n = write(export->req->out_fd, data, size)) < 0 && errno == EINTR)
		if (report(export, 0, &interrupted) < 0)
			break;
	if (n < 0)
		archive_set_error(archive, errno, "%s",
		                  interrupted.text[0] ? interrupted.text : strerror(errno));
	return n;
}

static int open_archive(struct export *export, struct stor_err *err)
{
	struct archive *archive = export->archive;
	const char *compression = export->req->compression;
	int result = ARCHIVE_OK;

	archive_write_set_format_pax(archive);
	archive_write_set_format_option(archive, "pax", "xattrheader", "SCHILY");
	if (!strcmp(compression, "gzip"))
		result = archive_write_add_filter_gzip(archive);
	else if (!strcmp(compression, "zstd"))
		result = archive_write_add_filter_zstd(archive);
	else if (!strcmp(compression, "xz"))
		result = archive_write_add_filter_xz(archive);
	/* A warning would mean that a program is run for it. */
	if (result != ARCHIVE_OK)
		return err_fail(err, STOR_UNSUPPORTED, 0, "libarchive was built without %s",
		                compression);
	if (!strcmp(compression, "gzip"))
		archive_write_set_filter_option(archive, "gzip", "timestamp", NULL);
	archive_write_set_bytes_per_block(archive, BUFFER_SIZE);
	archive_write_set_bytes_in_last_block(archive, 1);
	if (archive_write_open(archive, export, NULL, write_out, NULL) != ARCHIVE_OK)
		return archive_fail(archive, export->req->out, err);
	return 0;
}

static int export_root(struct export *export, struct stor_err *err)
{
	struct archive_entry *header = archive_entry_new();
	const char *path = export->req->as ? export->req->as : "";
	int fd = export->req->tree_fd;
	struct stat st;
	int result;

	if (export->req->name) {
		result = export_entry(export, header, fd, path, export->req->name, err);
	} else if (fstat(fd, &st) < 0) {
		result = tree_fail(path, errno, "read its attributes", err);
	} else {
		fill_header(header, path, &st);
		result = S_ISDIR(st.st_mode) ? export_directory(export, header, path, fd, err)
		                             : export_open_file(export, header, path, fd, &st, err);
	}
	archive_entry_free(header);
	return result;
}

int export_tree(const struct image_export_req *req, struct stor_err *err)
{
	struct export export = { .req = req, .archive = archive_write_new() };
	int result;

	if (!export.archive)
		abort();
	export.buffer = xmalloc(BUFFER_SIZE);
	result = open_archive(&export, err);
	if (!result)
		result = export_root(&export, err);
	if (!result && archive_write_close(export.archive) != ARCHIVE_OK)
		result = archive_fail(export.archive, req->out, err);
	if (result < 0)
		archive_write_fail(export.archive);
	archive_write_free(export.archive);
	hard_links_free(&export.links);
	free(export.buffer);
	return result;
}
