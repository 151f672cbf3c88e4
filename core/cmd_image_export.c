/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor image export. */
#include <stor/util.h>

#include "core/cmd_image.h"
#include "core/cmd_options.h"
#include "core/export_file.h"
#include "core/image.h"
#include "core/progress.h"

static int set_compress(void *target, const char *value, struct stor_err *err)
{
	return export_set_compression(target, value, err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	struct export_opts *opts = target;

	return option_switch(&opts->is_quiet, "--quiet", value, err);
}

static int export_image(struct store *store, const char *name, const char *file,
                        struct export_opts *opts, struct stor_err *err)
{
	cleanup_image struct image image = IMAGE_INIT;

	if (image_open(store, name, &image, err) < 0)
		return -1;
	opts->total_bytes = record_get_u64(&image.record, "bytes", 0);
	return export_to_file(image.tree_fd, file, opts, err);
}

int cmd_image_export(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "compress", "HOW", "none, gzip, zstd or xz (by the name of FILE, else none)",
		  set_compress },
		{ 'q', "quiet", NULL, "Show no progress", set_quiet },
		{ 0 },
	};
	static const struct opt_command command = {
		"image export",
		"[OPTIONS] NAME FILE",
		"Write an image as a tar archive",
		"FILE - is standard output. The archive has pax headers for extended attributes, "
		"ACLs,\nsparse files and exact times, and its entries are sorted by name.",
		options,
		2,
		2,
		false,
	};
	struct export_opts opts = { .compression = NULL };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (cmd_image_open_store(store, err) < 0)
		return -1;
	result = export_image(store, operands[0], operands[1], &opts, err);
	progress_clear();
	return result < 0 ? err_context(err, "export %s", operands[0]) : 0;
}
