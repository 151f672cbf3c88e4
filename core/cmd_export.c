/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor export and diff: a container's files, seen from outside. */
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/json.h"
#include "core/cmd_content.h"
#include "core/cmd_options.h"
#include "core/container_store.h"
#include "core/container_tree.h"
#include "core/export_file.h"
#include "core/image.h"
#include "core/progress.h"
#include "core/tree_diff.h"

/* --- export ---------------------------------------------------------------------------------- */

static int set_compress(void *target, const char *value, struct stor_err *err)
{
	return export_set_compression(target, value, err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	struct export_opts *opts = target;

	return option_switch(&opts->is_quiet, "--quiet", value, err);
}

static int export_container(struct store *store, const char *name, const char *file,
                            const struct export_opts *opts, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	struct container_tree tree;
	int result;

	if (container_find(store, name, &id, &record, err) < 0 ||
	    container_tree_open(store, id, &record, &tree, err) < 0)
		return -1;
	result = export_to_file(tree.fd, file, opts, err);
	progress_clear();
	return container_tree_close(&tree, result, err);
}

int cmd_export(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "compress", "HOW", "none, gzip, zstd or xz (by the name of FILE, else none)",
		  set_compress },
		{ 'q', "quiet", NULL, "Show no progress", set_quiet },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "export",
		.synopsis = "[OPTIONS] NAME|ID FILE",
		.summary = "Write the files of a container as a tar archive",
		.details = "FILE - is standard output. What is mounted in the container is not "
			   "in it.",
		.options = options,
		.min_operands = 2,
		.max_operands = 2,
	};
	struct export_opts opts = { .compression = NULL };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (store_open(store, err) < 0)
		return -1;
	if (export_container(store, operands[0], operands[1], &opts, err) < 0)
		return err_context(err, "export %s", operands[0]);
	return 0;
}

/* --- diff ------------------------------------------------------------------------------------ */

struct diff_options {
	bool is_json;
	struct json json;
};

static int set_format(void *target, const char *value, struct stor_err *err)
{
	struct diff_options *options = target;

	return option_format(&options->is_json, value, err);
}

static int print_change(void *ctx, enum tree_change change, const char *path, struct stor_err *err)
{
	static const char *const words[] = { "added", "changed", "deleted" };
	struct diff_options *options = ctx;

	(void)err;
	/* Made with the filesystem, not by the container. */
	if (change == TREE_ADDED && !strcmp(path, "/lost+found"))
		return 0;
	if (!options->is_json) {
		printf("%c %s\n", "ACD"[change], path);
		return 0;
	}
	json_open_object(&options->json, NULL);
	json_string(&options->json, "change", words[change]);
	json_string(&options->json, "path", path);
	json_close_object(&options->json);
	return 0;
}

/* The very content that it was made of: another may have its name by now. */
static int open_image_of(struct store *store, const struct record *record, struct image *image,
                         struct stor_err *err)
{
	const char *name = record_get(record, "image"), *id = record_get(record, "volume.image-id");

	if (!id)
		return err_fail(err, STOR_UNSUPPORTED, 0, "it runs on a volume, not on an image");
	if (image_open(store, name ? name : IMAGE_BUILTIN, image, err) < 0)
		return -1;
	if (!strcmp(image->id, id))
		return 0;
	image_close(image);
	return err_fail(err, STOR_NOT_FOUND, 0, "the image \"%s\" that it was made of was replaced",
	                name ? name : IMAGE_BUILTIN);
}

static int diff_container(struct store *store, const char *name, struct diff_options *options,
                          struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_image struct image image = IMAGE_INIT;
	cleanup_free char *id = NULL;
	struct container_tree tree;
	int result;

	if (container_find(store, name, &id, &record, err) < 0 ||
	    open_image_of(store, &record, &image, err) < 0 ||
	    container_tree_open(store, id, &record, &tree, err) < 0)
		return -1;
	json_open_array(&options->json, NULL);
	result = tree_diff(image.tree_fd, tree.fd, print_change, options, err);
	json_close_array(&options->json);
	return container_tree_close(&tree, result, err);
}

int cmd_diff(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt list[] = {
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "diff",
		.synopsis = "[OPTIONS] NAME|ID",
		.summary = "Tell what a container has changed of its image",
		.details = "A before a path: added, C: changed, D: deleted.",
		.options = list,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct diff_options options = { .json = JSON_INIT };
	char **operands;
	int count, result = opts_parse(&command, &options, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (store_open(store, err) < 0)
		return -1;
	result = diff_container(store, operands[0], &options, err);
	if (!result && options.is_json && json_print(&options.json) < 0)
		result = err_fail(err, STOR_FAILED, 0, "write");
	strbuf_free(&options.json.out);
	return result < 0 ? err_context(err, "diff %s", operands[0]) : 0;
}
