/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See export_file.h. */
#include "core/export_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/opts.h"
#include "core/module.h"
#include "core/progress.h"
#include "modules/image/image_module.h"

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

int export_set_compression(struct export_opts *opts, const char *value, struct stor_err *err)
{
	for (size_t i = 0; i < COMPRESSION_COUNT; i++) {
		if (!strcmp(value, compressions[i].name)) {
			opts->compression = compressions[i].name;
			return 0;
		}
	}
	return opts_fail_value("--compress", value, "none, gzip, zstd or xz", err);
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

int export_to_file(int tree_fd, const char *file, const struct export_opts *opts,
                   struct stor_err *err)
{
	const struct stor_internal_image *module = module_load_internal("image", err);
	__attribute__((cleanup(close_output))) struct output output = { .fd = -1 };
	struct image_export_req req = {
		.tree_fd = tree_fd,
		.compression = opts->compression ? opts->compression : compression_of(file),
		.progress = opts->is_quiet ? progress_quiet : progress_update,
		.total_bytes = opts->total_bytes,
	};

	if (!module)
		return -1;
	progress_catch_signals();
	if (open_output(&output, file, err) < 0)
		return -1;
	req.out_fd = output.fd;
	req.out = output.file;
	if (module->export(&req, err) < 0)
		return -1;
	return finish_output(&output, err);
}
