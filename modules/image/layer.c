/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layers of container images: see layer.h. */
#include "modules/image/layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "core/base/sys.h"
#include "modules/image/archive.h"
#include "modules/image/digest.h"
#include "modules/image/names.h"
#include "modules/image/pathset.h"
#include "modules/image/stream.h"

struct reading {
	const struct layer *layer;
	struct tree *tree;
	struct pathset own; /* paths that this layer brought */
};

static int check_digest(struct sha256_ctx *hash, const char *wanted, const char *what,
                        struct stor_err *err)
{
	char found[DIGEST_TEXT_MAX];

	digest_finish(hash, found);
	if (!wanted || !strcmp(found, wanted))
		return 0;
	return err_fail(err, STOR_FAILED, 0, "%s has the digest %s, not %s", what, found, wanted);
}

/* --- whiteouts ---------------------------------------------------------------------------- */

static int remove_lower(struct reading *reading, const char *path, struct stor_err *err);

/* Removes from an open directory what this layer did not bring. */
static int remove_lower_children(struct reading *reading, int fd, const char *path,
                                 struct stor_err *err)
{
	DIR *dir = fdopendir(fd);
	struct dirent *item;
	int result = 0;

	if (!dir) {
		close(fd);
		return tree_fail(path, errno, "list directory", err);
	}
	while (!result && (errno = 0, item = readdir(dir))) {
		cleanup_free char *child =
			*path ? xasprintf("%s/%s", path, item->d_name) : xstrdup(item->d_name);

		if (!strcmp(item->d_name, ".") || !strcmp(item->d_name, ".."))
			continue;
		if (pathset_has(&reading->own, child))
			result = remove_lower(reading, child, err);
		else
			result = tree_remove(reading->tree, child, err);
	}
	if (!result && errno)
		result = tree_fail(path, errno, "list directory", err);
	closedir(dir);
	return result;
}

/* Empties a directory of what lower layers brought. No directory there is success. */
static int remove_lower(struct reading *reading, const char *path, struct stor_err *err)
{
	int fd = sys_openat2(reading->tree->root_fd, *path ? path : ".",
	                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
	                     RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0)
		return tree_fail(path, errno, "open directory", err);
	return remove_lower_children(reading, fd, path, err);
}

/* aufs kept its own things in names that begin so. */
static bool is_left_by_aufs(const char *path)
{
	return str_starts(path, ".wh..wh.") || strstr(path, "/.wh..wh.");
}

static int white_out(struct reading *reading, const char *path, struct stor_err *err)
{
	const char *base = names_base(path), *victim;
	enum whiteout kind = names_whiteout(base, &victim);
	cleanup_free char *parent =
		base > path ? xstrndup(path, (size_t)(base - path) - 1) : xstrdup("");
	cleanup_free char *target = NULL;

	if (kind == WHITEOUT_BAD)
		return tree_fail(path, 0, "a whiteout of nothing, or of what leads out", err);
	if (kind == WHITEOUT_OTHER || reading->layer->is_lowest)
		return 0;
	if (kind == WHITEOUT_OPAQUE)
		return remove_lower(reading, parent, err);
	target = *parent ? xasprintf("%s/%s", parent, victim) : xstrdup(victim);
	if (pathset_has(&reading->own, target))
		return remove_lower(reading, target, err);
	return tree_remove(reading->tree, target, err);
}

static int filter_entry(void *ctx, struct entry *entry, struct stor_err *err)
{
	struct reading *reading = ctx;
	const char *victim;

	if (names_whiteout(names_base(entry->path), &victim) != WHITEOUT_NONE)
		return white_out(reading, entry->path, err);
	if (is_left_by_aufs(entry->path))
		return 0;
	if (!reading->layer->is_lowest)
		pathset_add(&reading->own, entry->path);
	return 1;
}

/* --- the whole ---------------------------------------------------------------------------- */

static int apply(struct reading *reading, struct stor_err *err)
{
	const struct layer *layer = reading->layer;
	off_t end = lseek(layer->fd, 0, SEEK_END);
	struct sha256_ctx file_hash, content_hash;
	cleanup_stream struct stream stream = {
		.fd = layer->fd,
		.req = reading->tree->req,
		.file_hash = &file_hash,
		.content_hash = &content_hash,
		.content_limit = archive_limit(reading->tree->req),
	};

	if (end < 0 || lseek(layer->fd, 0, SEEK_SET) < 0)
		return err_fail(err, STOR_FAILED, errno, "seek");
	sha256_init(&file_hash);
	sha256_init(&content_hash);
	if (stream_open(&stream, err) < 0 ||
	    archive_unpack(&stream, (uint64_t)end, reading->tree, filter_entry, reading, err) < 0)
		return -1;
	if (check_digest(&file_hash, layer->digest, "the file", err) < 0)
		return -1;
	return check_digest(&content_hash, layer->diff_id, "the archive in it", err);
}

int layer_apply(const struct layer *layer, struct tree *tree, struct stor_err *err)
{
	struct reading reading = { .layer = layer, .tree = tree };
	int result = apply(&reading, err);

	pathset_free(&reading.own);
	return result < 0 ? err_context(err, "layer %s", layer->name) : 0;
}
