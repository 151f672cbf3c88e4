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
#include "modules/image/export.h"

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
	cleanup_close int root_fd = fs_open_dir(req->work_fd, "rootfs", err);
	int result = root_fd < 0 ? -1 : fill_tree(req, root_fd, err);

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
};
