/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor commit: a container's files become an image. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/cmd_content.h"
#include "core/cmd_options.h"
#include "core/container_cgroup.h"
#include "core/container_store.h"
#include "core/container_tree.h"
#include "core/image.h"
#include "core/module.h"
#include "core/progress.h"
#include "modules/image/image_module.h"

struct options {
	bool is_replacing, is_quiet, no_pause;
};

static int set_replace(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_replacing, "--replace", value, err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_quiet, "--quiet", value, err);
}

static int set_no_pause(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->no_pause, "--no-pause", value, err);
}

/* Its containers run as this one did. */
static void copy_config(struct record *image, const struct record *container)
{
	static const char *const keys[][2] = {
		{ "command", "config.cmd" },
		{ "env", "config.env" },
		{ "workdir", "config.workdir" },
		{ "user", "config.user" },
		{ "stop-signal", "config.stop-signal" },
		{ "label", "config.label" },
	};
	const char *value;

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		for (size_t at = 0; (value = record_next(container, keys[i][0], &at));)
			record_add(image, keys[i][1], value);
}

/* Copies the tree while the container stands still, if it runs and can be stopped. */
static int copy_tree(struct store *store, const char *id, const struct options *options,
                     const struct image_import_req *req, bool is_running, struct stor_err *err)
{
	const struct stor_internal_image *module = module_load_internal("image", err);
	cleanup_cgroup struct cgroup cgroup = CGROUP_INIT;
	cleanup_free char *same_id = NULL;
	struct stor_err ignored = STOR_ERR_INIT;
	bool is_new, is_ours = false;
	int result;

	if (!module)
		return -1;
	if (is_running && !options->no_pause) {
		if (container_open_cgroup(store, id, &same_id, &cgroup, &is_new, err) < 0)
			return -1;
		is_ours = !cgroup_is_frozen(&cgroup);
		if (is_ours && cgroup_freeze(&cgroup, true, err) < 0)
			return -1;
	}
	progress_catch_signals();
	result = module->import(req, err);
	if (is_ours && cgroup_freeze(&cgroup, false, result < 0 ? &ignored : err) < 0)
		return -1;
	return result;
}

static int make_image(struct store *store, const char *id, const struct record *record,
                      const struct container_tree *tree, const char *image,
                      const struct options *options, struct stor_err *err)
{
	cleanup_image_draft struct image_draft draft = IMAGE_DRAFT_INIT;
	cleanup_record struct record found = RECORD_INIT;
	cleanup_free char *source = xasprintf("container %s", record_get(record, "name"));
	struct image_import_req req = {
		.source_fd = tree->fd,
		.source = source,
		.devices = IMAGE_DEVICES_KEEP,
		.limit_bytes = UINT64_MAX,
		.limit_entries = UINT64_MAX,
		.progress = options->is_quiet ? progress_quiet : progress_update,
		.record = &found,
	};
	const char *value;

	if (image_draft_begin(store, image, &draft, err) < 0)
		return -1;
	req.work_fd = draft.dir_fd;
	if (copy_tree(store, id, options, &req, !tree->is_attached, err) < 0)
		return -1;
	record_set(&draft.record, "source", source);
	for (size_t i = 0; i < found.keys.count; i++)
		record_add(&draft.record, found.keys.items[i], found.values.items[i]);
	record_set(&draft.record, "config.arch", image_machine_arch());
	copy_config(&draft.record, record);
	if (image_draft_finish(&draft, image, options->is_replacing, err) < 0)
		return -1;
	value = record_get(&draft.record, "id");
	if (!options->is_quiet)
		puts(value);
	return 0;
}

static int commit(struct store *store, const char *name, const char *image,
                  const struct options *options, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	struct container_tree tree;
	int result;

	if (container_find(store, name, &id, &record, err) < 0 ||
	    container_tree_open(store, id, &record, &tree, err) < 0)
		return -1;
	result = make_image(store, id, &record, &tree, image, options, err);
	progress_clear();
	return container_tree_close(&tree, result, err);
}

int cmd_commit(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt list[] = {
		{ 0, "no-pause", NULL, "Let a running container go on while it is copied",
		  set_no_pause },
		{ 'q', "quiet", NULL, "Print nothing, show no progress", set_quiet },
		{ 0, "replace", NULL, "Take the place of an image with that name", set_replace },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "commit",
		.synopsis = "[OPTIONS] NAME|ID IMAGE",
		.summary = "Make an image of a container's files",
		.details = "What is mounted in the container is not in it. Containers of the image "
			   "run the same\ncommand, in the same way, unless told otherwise.",
		.options = list,
		.min_operands = 2,
		.max_operands = 2,
	};
	struct options options = { .is_quiet = false };
	char **operands;
	int count, result = opts_parse(&command, &options, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (store_open(store, err) < 0)
		return -1;
	if (commit(store, operands[0], operands[1], &options, err) < 0)
		return err_context(err, "commit %s", operands[0]);
	return 0;
}
