/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor image export. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cmd_image.h"
#include "core/cmd_options.h"
#include "core/image.h"
#include "core/module.h"
#include "core/progress.h"
#include "modules/image/image_module.h"

struct options {
	const char *compression; /* NULL: by the file's name */
	bool is_quiet;
};

static const struct {
	const char *name;
	const char *endings[2];
} compressions[] = {
	{ "none", { NULL, NULL } },
	{ "gzip", { ".gz", ".tgz" } },
	{ "zstd", { ".zst", ".tzst" } },
	{ "xz", { ".xz", ".txz" } },
};

#define COMPRESSION_COUNT (sizeof(compressions) / sizeof(*compressions))

static int set_compress(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	for (size_t i = 0; i < COMPRESSION_COUNT; i++) {
		if (!strcmp(value, compressions[i].name)) {
			options->compression = compressions[i].name;
			return 0;
		}
	}
	return opts_fail_value("--compress", value, "none, gzip, zstd or xz", err);
}

static int set_quiet(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	return option_switch(&options->is_quiet, "--quiet", value, err);
}

static const char *compression_of(const char *file)
{
	for (size_t i = 0; i < COMPRESSION_COUNT; i++)
		for (size_t j = 0; j < 2; j++)
			if (compressions[i].endings[j] &&
			    str_ends(file, compressions[i].endings[j]))
				return compressions[i].name;
	return "none";
}

/* An archive that appears under its name when it is whole. */
struct output {
	int fd;
	const char *file;
	char *temp; /* NULL: written in place (a pipe, a device) */
};

static int open_output(struct output *output, const char *file, struct stor_err *err)
{
	struct stat st;

	output->file = file;
	if (!strcmp(file, "-")) {
		if (isatty(STDOUT_FILENO))
			return err_fail(err, STOR_USAGE, 0, "standard output is a terminal");
		output->file = "standard output";
		output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else if (!stat(file, &st) && !S_ISREG(st.st_mode)) {
		output->fd = open(file, O_WRONLY | O_CLOEXEC);
	} else {
		output->temp = xasprintf("%s.%ld.part", file, (long)getpid());
		output->fd = open(output->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	}
	if (output->fd < 0)
		return err_fail(err, STOR_FAILED, errno, "create %s", output->file);
	return 0;
}

static int finish_output(struct output *output, struct stor_err *err)
{
	if (output->temp && rename(output->temp, output->file) < 0)
		return err_fail(err, STOR_FAILED, errno, "create %s", output->file);
	free(steal_ptr(&output->temp));
	return 0;
}

static void close_output(struct output *output)
{
	stor_cleanup_close(&output->fd);
	if (output->temp)
		unlink(output->temp);
	free(output->temp);
}

static int no_progress(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                       struct stor_err *err)
{
	(void)what;
	(void)done_bytes;
	(void)total_bytes;
	return progress_signal() ? err_fail(err, STOR_FAILED, 0, "interrupted") : 0;
}

static int export_image(struct store *store, const char *name, const char *file,
                        const struct options *opts, struct stor_err *err)
{
	const struct stor_internal_image *module;
	__attribute__((cleanup(close_output))) struct output output = { .fd = -1 };
	cleanup_image struct image image = IMAGE_INIT;
	struct image_export_req req = {
		.compression = opts->compression ? opts->compression : compression_of(file),
		.progress = opts->is_quiet ? no_progress : progress_update,
	};

	if (image_open(store, name, &image, err) < 0)
		return -1;
	module = module_load_internal("image", err);
	if (!module)
		return -1;
	progress_catch_signals();
	if (open_output(&output, file, err) < 0)
		return -1;
	req.tree_fd = image.tree_fd;
	req.out_fd = output.fd;
	req.out = output.file;
	req.total_bytes = record_get_u64(&image.record, "bytes", 0);
	if (module->export(&req, err) < 0)
		return -1;
	return finish_output(&output, err);
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
	struct options opts = { NULL, false };
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
