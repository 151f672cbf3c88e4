/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The internal module "image": its table, and what kind of source an import has before it. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "modules/image/archive.h"
#include "modules/image/copy.h"
#include "modules/image/export.h"
#include "modules/image/layout.h"

/* Begins anew: what was unpacked is no root, but holds images. Returns a descriptor of it. */
static int set_aside(const struct image_import_req *req, int *root_fd, struct stor_err *err)
{
	int packed_fd = steal_fd(root_fd);

	if (renameat(req->work_fd, "rootfs", req->work_fd, "packed") < 0 ||
	    mkdirat(req->work_fd, "rootfs", 0755) < 0 ||
	    fchmodat(req->work_fd, "rootfs", 0755, 0) < 0)
		err_fail(err, STOR_FAILED, errno, "set the unpacked archive aside");
	else
		*root_fd = fs_open_dir(req->work_fd, "rootfs", err);
	return packed_fd;
}

static int fill_from_layout(const struct image_import_req *req, int dir_fd, enum layout_kind kind,
                            int root_fd, struct stor_err *err)
{
	cleanup_tree struct tree tree;

	tree_init(&tree, root_fd, req);
	if (layout_import(dir_fd, kind, &tree, err) < 0 || tree_finish(&tree, err) < 0)
		return err_context(err, "%s", req->source);
	record_set(req->record, "kind", kind == LAYOUT_OCI ? "oci" : "docker");
	return tree_count(root_fd, req->record, err);
}

static int fill_from_directory(const struct image_import_req *req, int root_fd,
                               struct stor_err *err)
{
	enum layout_kind kind = layout_detect(req->source_fd);
	cleanup_tree struct tree tree;

	tree_init(&tree, root_fd, req);
	if (kind != LAYOUT_NONE)
		return fill_from_layout(req, req->source_fd, kind, root_fd, err);
	if (copy_directory(req->source_fd, req->source, &tree, err) < 0)
		return -1;
	if (tree_finish(&tree, err) < 0)
		return err_context(err, "%s", req->source);
	record_set(req->record, "kind", "directory");
	return tree_count(root_fd, req->record, err);
}

/* An archive may hold a root or images; what it was is seen when it is unpacked, and then a stream
 * that cannot be read twice is already where its layers can be read from. */
static int fill_from_archive(const struct image_import_req *req, int *root_fd, struct stor_err *err)
{
	cleanup_close int packed_fd = -1;
	cleanup_tree struct tree tree;
	enum layout_kind kind;

	tree_init(&tree, *root_fd, req);
	if (archive_unpack_fd(req->source_fd, req->source, &tree, NULL, NULL, err) < 0)
		return -1;
	kind = layout_detect(*root_fd);
	if (kind == LAYOUT_NONE) {
		if (tree_finish(&tree, err) < 0)
			return err_context(err, "%s", req->source);
		record_set(req->record, "kind", "tar");
		return tree_count(*root_fd, req->record, err);
	}
	packed_fd = set_aside(req, root_fd, err);
	kill_point("image-set-aside");
	if (*root_fd < 0 || fill_from_layout(req, packed_fd, kind, *root_fd, err) < 0)
		return -1;
	return fs_remove_tree(req->work_fd, "packed", err);
}

static int fill_tree(const struct image_import_req *req, struct stor_err *err)
{
	cleanup_close int root_fd = fs_open_dir(req->work_fd, "rootfs", err);
	struct stat st;

	if (root_fd < 0)
		return -1;
	if (fstat(req->source_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "%s", req->source);
	if (S_ISDIR(st.st_mode))
		return fill_from_directory(req, root_fd, err);
	return fill_from_archive(req, &root_fd, err);
}

/* Names are bytes; libarchive converts those of pax headers, which are UTF-8, from and to the
 * locale's character set. */
struct charset {
	locale_t utf8, before;
};

static struct charset charset_enter(void)
{
	struct charset charset = { .utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0) };

	if (charset.utf8)
		charset.before = uselocale(charset.utf8);
	return charset;
}

static void charset_leave(struct charset *charset)
{
	if (!charset->utf8)
		return;
	uselocale(charset->before);
	freelocale(charset->utf8);
}

static int import_image(const struct image_import_req *req, struct stor_err *err)
{
	struct charset charset = charset_enter();
	int result = fill_tree(req, err);

	charset_leave(&charset);
	return result;
}

/* What somebody else's files may do where they come from, they may not do here. */
static int disown_entry(void *ctx, struct entry *entry, struct stor_err *err)
{
	const struct image_unpack_req *req = ctx;

	(void)err;
	if (!*entry->path)
		return 0;
	if (req->keeps_owner)
		return 1;
	entry->uid = req->uid;
	entry->gid = req->gid;
	entry->mode &= ~(mode_t)(S_ISUID | S_ISGID);
	xattrs_drop_privileges(&entry->xattrs);
	return 1;
}

static int unpack_into(const struct image_unpack_req *req, struct stor_err *err)
{
	const struct image_import_req limits = { .devices = req->devices,
		                                 .limit_bytes = UINT64_MAX,
		                                 .limit_entries = UINT64_MAX,
		                                 .progress = req->progress };
	struct charset charset = charset_enter();
	cleanup_tree struct tree tree;
	int result;

	tree_init(&tree, req->dir_fd, &limits);
	tree.keeps_kinds = true;
	result = archive_unpack_fd(req->source_fd, req->source, &tree, disown_entry,
	                           (void *)(uintptr_t)req, err);
	if (result == 0)
		result = tree_finish(&tree, err);
	charset_leave(&charset);
	return result;
}

static int export_image(const struct image_export_req *req, struct stor_err *err)
{
	struct charset charset = charset_enter();
	int result = export_tree(req, err);

	charset_leave(&charset);
	return result;
}

__attribute__((visibility("default"))) const struct stor_internal_image stor_internal_image = {
	.version = STOR_VERSION,
	.import = import_image,
	.export = export_image,
	.unpack = unpack_into,
};
