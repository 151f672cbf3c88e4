/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The internal module "image": its table, and what kind of source an import has before it. */
#include <errno.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "modules/image/archive.h"
#include "modules/image/copy.h"

static int fill_tree(const struct image_import_req *req, int root_fd, struct stor_err *err)
{
	cleanup_tree struct tree tree;
	struct stat st;
	int result;

	tree_init(&tree, root_fd, req);
	if (fstat(req->source_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "%s", req->source);
	if (S_ISDIR(st.st_mode))
		result = copy_directory(req->source_fd, req->source, &tree, err);
	else
		result = archive_unpack_fd(req->source_fd, req->source, &tree, err);
	if (result < 0)
		return -1;
	if (tree_finish(&tree, err) < 0)
		return err_context(err, "%s", req->source);
	record_set(req->record, "kind", S_ISDIR(st.st_mode) ? "directory" : "tar");
	record_set_u64(req->record, "entries", tree.entries);
	record_set_u64(req->record, "bytes", tree.bytes);
	return 0;
}

static int import_image(const struct image_import_req *req, struct stor_err *err)
{
	/* Names are bytes; libarchive converts those of pax headers, which are UTF-8, to the
	 * locale's character set. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	cleanup_close int root_fd = fs_open_dir(req->work_fd, "rootfs", err);
	int result = root_fd < 0 ? -1 : fill_tree(req, root_fd, err);

	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return result;
}

__attribute__((visibility("default"))) const struct stor_internal_image stor_internal_image = {
	.version = STOR_VERSION,
	.import = import_image,
};
