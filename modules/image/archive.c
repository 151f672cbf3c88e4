/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tar archives: see archive.h. */
#include "modules/image/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/image/names.h"
#include "modules/image/stream.h"

int archive_fail(struct archive *archive, const char *what, struct stor_err *err)
{
	const char *text = archive_error_string(archive);
	int errnum = archive_errno(archive);

	/* The library's own classes of error are negative or beyond what strerror() knows. */
	if (errnum == ENOMEM || errnum == EIO)
		return err_fail(err, STOR_FAILED, errnum, "%s", what);
	err_fail(err, STOR_FAILED, 0, "%s: %s", what, text ? text : "damaged archive");
	return -1;
}

struct archive *archive_new_reader(void)
{
	struct archive *archive = archive_read_new();

	if (!archive)
		abort();
	/* Not "all": lrzip, grzip and lzop would be run as programs. Not gzip: see stream.c. */
	archive_read_support_filter_bzip2(archive);
	archive_read_support_filter_compress(archive);
	archive_read_support_filter_lz4(archive);
	archive_read_support_filter_lzip(archive);
	archive_read_support_filter_lzma(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_zstd(archive);
	return archive;
}

/* --- one entry ---------------------------------------------------------------------------- */

static int fail_name(const char *name, const char *why, struct stor_err *err)
{
	char shown[NAMES_SHOWN_MAX];

	return err_fail(err, STOR_FAILED, 0, "entry \"%s\": %s", names_shown(name, shown), why);
}

static void read_xattrs(struct archive_entry *from, struct entry *entry)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(from);
	while (archive_entry_xattr_next(from, &name, &value, &size) == ARCHIVE_OK)
		xattrs_add(&entry->xattrs, name, value, size);
}

static int read_links(struct archive_entry *from, struct entry *entry, struct stor_err *err)
{
	const char *hard_link = archive_entry_hardlink(from);
	const char *why = NULL;

	if (hard_link) {
		entry->is_hard_link = true;
		entry->link = names_normalise(hard_link, &why);
		if (!entry->link || !*entry->link)
			return fail_name(entry->path,
			                 why ? "the target of the hard link leads out of the image"
			                     : "a hard link to the root",
			                 err);
	} else if (S_ISLNK(entry->mode)) {
		const char *target = archive_entry_symlink(from);

		if (!target || !*target)
			return fail_name(entry->path, "a symbolic link without a target", err);
		entry->link = xstrdup(target);
	}
	return 0;
}

/* libarchive takes the sign of a pax time before 1970 for its seconds alone. */
static struct timespec read_mtime(struct archive_entry *from)
{
	struct timespec mtime = { archive_entry_mtime(from), archive_entry_mtime_nsec(from) };

	if (mtime.tv_sec < 0 && mtime.tv_nsec > 0) {
		mtime.tv_sec--;
		mtime.tv_nsec = 1000000000 - mtime.tv_nsec;
	}
	return mtime;
}

static int read_entry(struct archive_entry *from, const struct tree *tree, struct entry *entry,
                      struct stor_err *err)
{
	const char *name = archive_entry_pathname(from), *why = NULL;
	int64_t size = archive_entry_size(from), uid = archive_entry_uid(from),
		gid = archive_entry_gid(from);

	if (!name || !*name)
		return err_fail(err, STOR_FAILED, 0, "entry %llu: it has no name",
		                (unsigned long long)tree->entries + 1);
	entry->path = names_normalise(name, &why);
	if (!entry->path)
		return fail_name(name, why, err);
	entry->mode = archive_entry_mode(from);
	if (size < 0 || uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return fail_name(name, "its size or owner is out of range", err);
	entry->size_bytes = (uint64_t)size;
	entry->uid = (uid_t)uid;
	entry->gid = (gid_t)gid;
	entry->mtime = read_mtime(from);
	if (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
		entry->device = makedev((unsigned)archive_entry_rdevmajor(from),
		                        (unsigned)archive_entry_rdevminor(from));
	if (read_links(from, entry, err) < 0)
		return -1;
	read_xattrs(from, entry);
	return archive_read_acls(from, tree, entry, err);
}

/* --- the whole ---------------------------------------------------------------------------- */

/* One archive on its way into a tree. */
struct unpacking {
	struct archive *archive;
	const struct stream *stream;
	struct tree *tree;
	archive_filter_fn filter;
	void *ctx;
	uint64_t total_bytes;
};

static int report(const struct unpacking *unpacking, struct stor_err *err)
{
	return unpacking->tree->req->progress("unpacking", unpacking->stream->file_bytes,
	                                      unpacking->total_bytes, err);
}

static int write_data(const struct unpacking *unpacking, const struct entry *entry, int fd,
                      struct stor_err *err)
{
	uint64_t unreported = 0;

	for (;;) {
		const void *block;
		size_t size;
		la_int64_t offset;
		int result = archive_read_data_block(unpacking->archive, &block, &size, &offset);

		if (result == ARCHIVE_EOF)
			return 0;
		if (result != ARCHIVE_OK) {
			archive_fail(unpacking->archive, "the archive is damaged or cut short",
			             err);
			return fail_name(entry->path, "read its content", err);
		}
		/* The limits were checked against the size that the header promised. */
		if (offset < 0 || (uint64_t)offset > entry->size_bytes ||
		    size > entry->size_bytes - (uint64_t)offset)
			return fail_name(entry->path, "it has more content than it says", err);
		if (pwrite_all(fd, block, size, (uint64_t)offset) < 0)
			return tree_fail(entry->path, errno, "write", err);
		unreported += size;
		if (unreported >= 4 << 20) {
			unreported = 0;
			if (report(unpacking, err) < 0)
				return -1;
		}
	}
}

static int unpack_entry(const struct unpacking *unpacking, struct archive_entry *from,
                        struct stor_err *err)
{
	cleanup_entry struct entry entry = { NULL };
	cleanup_close int fd = -1;
	int wanted = 1;

	if (read_entry(from, unpacking->tree, &entry, err) < 0)
		return -1;
	if (unpacking->filter)
		wanted = unpacking->filter(unpacking->ctx, &entry, err);
	if (wanted <= 0)
		return wanted;
	if (tree_add(unpacking->tree, &entry, &fd, err) < 0)
		return -1;
	if (fd < 0)
		return 0;
	if (write_data(unpacking, &entry, fd, err) < 0)
		return -1;
	return tree_close_file(&entry, fd, err);
}

/* A name that is no UTF-8 is kept as the bytes that it is. Every other warning is about something
 * that would be lost: an attribute or an ACL that nobody can read. */
static bool is_about_charset(struct archive *archive, int result)
{
	const char *text = archive_error_string(archive);

	return result == ARCHIVE_WARN && text && strstr(text, "can't be converted");
}

static int unpack_all(const struct unpacking *unpacking, struct stor_err *err)
{
	struct archive_entry *from;

	for (uint64_t n = 0;; n++) {
		int result = archive_read_next_header(unpacking->archive, &from);

		if (result == ARCHIVE_EOF)
			return 0;
		if (result != ARCHIVE_OK && !is_about_charset(unpacking->archive, result)) {
			archive_fail(unpacking->archive, "read its header", err);
			return err_context(err, "entry %llu", (unsigned long long)n + 1);
		}
		if (n % 256 == 0 && report(unpacking, err) < 0)
			return -1;
		if (unpack_entry(unpacking, from, err) < 0)
			return -1;
	}
}

int archive_unpack(struct stream *stream, uint64_t file_size_bytes, struct tree *tree,
                   archive_filter_fn filter, void *ctx, struct stor_err *err)
{
	const struct unpacking unpacking = {
		.archive = archive_new_reader(),
		.stream = stream,
		.tree = tree,
		.filter = filter,
		.ctx = ctx,
		.total_bytes = file_size_bytes,
	};
	int result;

	archive_read_support_format_tar(unpacking.archive);
	archive_read_support_format_empty(unpacking.archive);
	if (archive_read_open(unpacking.archive, stream, NULL, stream_read, NULL) != ARCHIVE_OK)
		result = archive_fail(unpacking.archive, "open", err);
	else
		result = unpack_all(&unpacking, err);
	archive_read_free(unpacking.archive);
	return result < 0 ? -1 : stream_finish(stream, err);
}

uint64_t archive_limit(const struct image_import_req *req)
{
	return req->limit_bytes < UINT64_MAX / 4 ? 2 * req->limit_bytes + (64 << 20) : UINT64_MAX;
}

/* Nothing but its end tells a whole archive from one that was cut between two entries. */
static int check_end(const struct stream *stream, struct stor_err *err)
{
	if (stream->content_bytes && stream_ends_in_zeros(stream))
		return 0;
	err_fail(err, STOR_FAILED, 0,
	         stream->content_bytes ? "it is cut short: it has no end" : "it is empty");
	err_hint(err, "the program that made it may have failed");
	return -1;
}

int archive_unpack_fd(int fd, const char *source, struct tree *tree, archive_filter_fn filter,
                      void *ctx, struct stor_err *err)
{
	cleanup_stream struct stream stream = {
		.fd = fd,
		.req = tree->req,
		.content_limit = archive_limit(tree->req),
	};
	off_t end = lseek(fd, 0, SEEK_END);

	if (end >= 0)
		lseek(fd, 0, SEEK_SET);
	if (stream_open(&stream, err) < 0 ||
	    archive_unpack(&stream, end > 0 ? (uint64_t)end : 0, tree, filter, ctx, err) < 0 ||
	    check_end(&stream, err) < 0)
		return err_context(err, "archive %s", source);
	return 0;
}
