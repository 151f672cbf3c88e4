/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container images in a directory: see layout.h. */
#include "modules/image/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "modules/image/digest.h"
#include "modules/image/layer.h"
#include "modules/image/manifest.h"
#include "modules/image/names.h"

/* An index may point to another, for each image one with its platforms. */
#define INDEX_DEPTH_MAX 4

/* --- files -------------------------------------------------------------------------------- */

/* Opens a regular file of the layout, whose links lead nowhere else. -1 with err filled. */
static int open_file(int dir_fd, const char *path, struct stor_err *err)
{
	cleanup_close int fd = fs_open_in_root(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	char shown[NAMES_SHOWN_MAX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "open %s", names_shown(path, shown));
	if (!S_ISREG(st.st_mode))
		return err_fail(err, STOR_FAILED, 0, "open %s: not a regular file",
		                names_shown(path, shown));
	return steal_fd(&fd);
}

static char *read_document(int dir_fd, const char *path, size_t *size, struct stor_err *err)
{
	cleanup_close int fd = open_file(dir_fd, path, err);
	cleanup_free char *text = NULL;
	char shown[NAMES_SHOWN_MAX];
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) < 0 || st.st_size > MANIFEST_SIZE_MAX) {
		err_fail(err, STOR_FAILED, 0, "%s: too large for what it should be",
		         names_shown(path, shown));
		return NULL;
	}
	text = xmalloc((size_t)st.st_size + 1);
	n = pread_all(fd, text, (size_t)st.st_size, 0);
	if (n < 0) {
		err_fail(err, STOR_FAILED, errno, "read %s", names_shown(path, shown));
		return NULL;
	}
	text[n] = '\0';
	*size = (size_t)n;
	return steal_ptr(&text);
}

static char *blob_path(const char *digest)
{
	return xasprintf("blobs/sha256/%s", digest + strlen("sha256:"));
}

static int check_document(const char *path, const char *text, size_t size, const char *digest,
                          struct stor_err *err)
{
	char found[DIGEST_TEXT_MAX], shown[NAMES_SHOWN_MAX];

	digest_of(text, size, found);
	if (!strcmp(found, digest))
		return 0;
	return err_fail(err, STOR_FAILED, 0, "%s has the digest %s, not %s",
	                names_shown(path, shown), found, digest);
}

static char *read_blob(int dir_fd, const struct descriptor *descriptor, size_t *size,
                       struct stor_err *err)
{
	cleanup_free char *path = blob_path(descriptor->digest);
	cleanup_free char *text = read_document(dir_fd, path, size, err);

	if (!text || check_document(path, text, *size, descriptor->digest, err) < 0)
		return NULL;
	return steal_ptr(&text);
}

enum layout_kind layout_detect(int dir_fd)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = NULL;
	size_t size;

	if (!faccessat(dir_fd, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) &&
	    !faccessat(dir_fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) &&
	    !faccessat(dir_fd, "blobs", F_OK, AT_SYMLINK_NOFOLLOW))
		return LAYOUT_OCI;
	if (faccessat(dir_fd, "manifest.json", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return LAYOUT_NONE;
	text = read_document(dir_fd, "manifest.json", &size, &ignored);
	return text && docker_is_manifest(text, size) ? LAYOUT_DOCKER : LAYOUT_NONE;
}

/* --- layers ------------------------------------------------------------------------------- */

static int apply_layer(int dir_fd, const char *path, const char *digest, const char *diff_id,
                       bool is_lowest, struct tree *tree, struct stor_err *err)
{
	cleanup_close int fd = open_file(dir_fd, path, err);
	char shown[NAMES_SHOWN_MAX];
	struct layer layer = {
		.fd = fd,
		.name = names_shown(path, shown),
		.digest = digest,
		.diff_id = diff_id,
		.is_lowest = is_lowest,
	};

	return fd < 0 ? -1 : layer_apply(&layer, tree, err);
}

static int check_count(size_t layers, size_t diff_ids, struct stor_err *err)
{
	if (layers == diff_ids)
		return 0;
	return err_fail(err, STOR_FAILED, 0, "the manifest has %zu layers, the configuration %zu",
	                layers, diff_ids);
}

/* --- OCI ---------------------------------------------------------------------------------- */

/* Follows indexes from index.json to the one manifest. */
static char *find_manifest(int dir_fd, const struct image_import_req *req,
                           struct descriptor *chosen, size_t *size, struct stor_err *err)
{
	cleanup_free char *text = read_document(dir_fd, "index.json", size, err);
	const char *ref = req->ref;

	for (int depth = 0; text && manifest_is_index(text, *size); depth++) {
		descriptor_free(chosen);
		if (depth == INDEX_DEPTH_MAX) {
			err_fail(err, STOR_FAILED, 0, "index: more than %d below one another",
			         depth);
			return NULL;
		}
		if (manifest_choose(text, *size, req->platform, ref, chosen, err) < 0)
			return NULL;
		free(text);
		text = read_blob(dir_fd, chosen, size, err);
		/* It named the image; below are its platforms. */
		ref = NULL;
	}
	if (text && !chosen->digest) {
		err_fail(err, STOR_FAILED, 0, "index.json: not JSON, or without \"manifests\"");
		return NULL;
	}
	return steal_ptr(&text);
}

static int import_oci(int dir_fd, struct tree *tree, struct stor_err *err)
{
	const struct image_import_req *req = tree->req;
	cleanup_descriptor struct descriptor chosen = { NULL };
	cleanup_manifest struct manifest manifest = { { NULL } };
	cleanup_strv struct strv diff_ids = STRV_INIT;
	cleanup_free char *text = NULL, *config = NULL;
	size_t size;

	text = find_manifest(dir_fd, req, &chosen, &size, err);
	if (!text || manifest_parse(text, size, &manifest, err) < 0)
		return -1;
	config = read_blob(dir_fd, &manifest.config, &size, err);
	if (!config ||
	    manifest_parse_config(config, size, req->platform, req->record, &diff_ids, err) < 0)
		return -1;
	if (check_count(manifest.layer_count, diff_ids.count, err) < 0)
		return -1;
	record_set(req->record, "digest", chosen.digest);
	for (size_t i = 0; i < manifest.layer_count; i++) {
		const char *digest = manifest.layers[i].digest;
		cleanup_free char *path = blob_path(digest);

		if (apply_layer(dir_fd, path, digest, diff_ids.items[i], i == 0, tree, err) < 0)
			return -1;
	}
	return 0;
}

/* --- docker save -------------------------------------------------------------------------- */

/* The digest that a configuration's name says it has: "HEX.json", "blobs/sha256/HEX",
 * "sha256:HEX". NULL: none. malloc'ed. */
static char *digest_in_name(const char *path)
{
	const char *base = names_base(path);
	char *digest;

	if (str_starts(base, "sha256:"))
		base += strlen("sha256:");
	if (strlen(base) < 64 || (base[64] && strcmp(base + 64, ".json") != 0))
		return NULL;
	digest = xasprintf("sha256:%.64s", base);
	if (digest_is_valid(digest))
		return digest;
	free(digest);
	return NULL;
}

static int import_docker(int dir_fd, struct tree *tree, struct stor_err *err)
{
	const struct image_import_req *req = tree->req;
	cleanup_docker_image struct docker_image image = { NULL };
	cleanup_strv struct strv diff_ids = STRV_INIT;
	cleanup_free char *text = NULL, *config = NULL, *digest = NULL;
	size_t size;

	text = read_document(dir_fd, "manifest.json", &size, err);
	if (!text || docker_choose(text, size, req->ref, &image, err) < 0)
		return -1;
	config = read_document(dir_fd, image.config, &size, err);
	if (!config)
		return -1;
	digest = digest_in_name(image.config);
	if (digest && check_document(image.config, config, size, digest, err) < 0)
		return -1;
	if (manifest_parse_config(config, size, req->platform, req->record, &diff_ids, err) < 0 ||
	    check_count(image.layers.count, diff_ids.count, err) < 0)
		return -1;
	if (digest)
		record_set(req->record, "digest", digest);
	for (size_t i = 0; i < image.layers.count; i++)
		if (apply_layer(dir_fd, image.layers.items[i], NULL, diff_ids.items[i], i == 0,
		                tree, err) < 0)
			return -1;
	return 0;
}

int layout_import(int dir_fd, enum layout_kind kind, struct tree *tree, struct stor_err *err)
{
	return kind == LAYOUT_OCI ? import_oci(dir_fd, tree, err)
	                          : import_docker(dir_fd, tree, err);
}
