/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor volume create|clone|rm, and what the volume commands share. */
#include "core/cmd_options.h"
#include "core/cmd_volume.h"
#include "core/progress.h"

#include <string.h>

#include <stor/util.h>

int volume_set_backend(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	(void)err;
	options->backend = value;
	options->create.backend = value;
	return 0;
}

int volume_add_param(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	(void)err;
	strv_add(&options->params, value);
	return 0;
}

int volume_set_format(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	return option_format(&options->is_json, value, err);
}

int volume_set_read_only(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	return option_switch(&options->read_only, "--read-only", value, err);
}

/* --- create ------------------------------------------------------------------------------- */

int volume_set_size(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	if (str_to_size(value, &options->create.size_bytes) < 0 || !options->create.size_bytes)
		return opts_fail_value("--size", value, "a size such as 512M or 10G", err);
	return 0;
}

static int set_fs(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	(void)err;
	options->create.fs_type = value;
	return 0;
}

static int set_label(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	if (!*value || strlen(value) > 16)
		return opts_fail_value("--fs-label", value, "a text of 1 to 16 bytes", err);
	options->create.fs_label = value;
	return 0;
}

static int set_image(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	(void)err;
	options->create.image = value;
	return 0;
}

static int volume_create_command(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "backend", "NAME", "Backend that stores it (STOR_BACKEND; dir)",
		  volume_set_backend },
		{ 0, "fs", "TYPE", "Filesystem to make (the backend's own choice)", set_fs },
		{ 0, "fs-label", "TEXT", "Label of the filesystem, at most 16 bytes", set_label },
		{ 0, "image", "NAME", "Fill it with the content of an image (empty)", set_image },
		VOLUME_OPT_PARAM,
		{ 0, "size", "SIZE", "Size of the filesystem (the backend's own choice)",
		  volume_set_size },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume create", "[OPTIONS] NAME", "Make a volume", NULL, options, 1, 1, false,
	};
	struct volume_options opts = { .params = STRV_INIT };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (!result) {
		progress_catch_signals();
		opts.create.params = &opts.params;
		result = volume_create(store, operands[0], &opts.create, NULL, err);
	}
	strv_free(&opts.params);
	return result < 0 ? -1 : 0;
}

/* --- clone -------------------------------------------------------------------------------- */

static int set_mode(void *target, const char *value, struct stor_err *err)
{
	struct volume_options *options = target;

	if (!strcmp(value, "auto"))
		options->clone_mode = STOR_CLONE_AUTO;
	else if (!strcmp(value, "reflink"))
		options->clone_mode = STOR_CLONE_REFLINK;
	else if (!strcmp(value, "copy"))
		options->clone_mode = STOR_CLONE_COPY;
	else
		return opts_fail_value("--mode", value, "auto, reflink or copy", err);
	return 0;
}

static int volume_clone_command(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		VOLUME_OPT_BACKEND,
		{ 0, "mode", "MODE",
		  "auto, reflink (share blocks, or fail) or copy (everything but holes)",
		  set_mode },
		{ 0 },
	};
	static const struct opt_command command = {
		"volume clone",
		"[OPTIONS] SOURCE NAME",
		"Make a volume that is a copy of another",
		NULL,
		options,
		2,
		2,
		false,
	};
	struct volume_options opts = { .clone_mode = STOR_CLONE_AUTO };
	cleanup_volume struct volume source = VOLUME_INIT;
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (volume_find(store, operands[0], opts.backend, NULL, &source, err) < 0)
		return -1;
	progress_catch_signals();
	return volume_clone(store, &source, operands[1], opts.clone_mode, err);
}

/* --- rm ----------------------------------------------------------------------------------- */

static int volume_rm_command(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		"volume rm", "NAME...", "Remove volumes and their content", NULL, options, 1,
		-1,          false,
	};
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	/* What can be removed is removed. */
	return for_each_operand(store, count, operands, volume_remove, err);
}

int cmd_volume(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct subcommand table[] = {
		{ "create", "Make a volume", volume_create_command },
		{ "ls", "List the volumes", cmd_volume_ls },
		{ "inspect", "Describe volumes", cmd_volume_inspect },
		{ "clone", "Make a volume that is a copy of another", volume_clone_command },
		{ "resize", "Give a volume another size, also while it is in use",
		  cmd_volume_resize },
		{ "check", "Look for damage, and repair it", cmd_volume_check },
		{ "snapshot", "Keep the present state of a volume", cmd_volume_snapshot },
		{ "snapshots", "List the snapshots of a volume", cmd_volume_snapshots },
		{ "snapshot-rm", "Remove snapshots of a volume", cmd_volume_snapshot_rm },
		{ "rollback", "Give a volume the state of a snapshot", cmd_volume_rollback },
		{ "merge", "Fold a snapshot into what was made of it", cmd_volume_merge },
		{ "compact", "Give unused space back to the host", cmd_volume_compact },
		{ "convert", "Change parameters that a volume was made with, or its backend",
		  cmd_volume_convert },
		{ "mount", "Mount a volume at a directory of the host", cmd_volume_mount },
		{ "umount", "Unmount a volume from the host", cmd_volume_umount },
		{ "rm", "Remove volumes and their content", volume_rm_command },
		{ NULL, NULL, NULL },
	};

	return cmd_dispatch("volume", table, store, argc, argv, err);
}
