/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor image import. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/cmd_image.h"
#include "core/cmd_options.h"
#include "core/image.h"
#include "core/module.h"
#include "core/progress.h"
#include "modules/image/image_module.h"

#define DEFAULT_LIMIT_BYTES (64ull << 30)
#define DEFAULT_LIMIT_ENTRIES 10000000ull

struct options {
	bool is_replacing, is_quiet;
	enum image_devices devices;
	uint64_t limit_bytes, limit_entries;
	const char *platform, *ref;
	struct record config; /* config.* as the user wants them */
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

static int set_devices(void *target, const char *value, struct stor_err *err)
{
	static const char *const words[] = { "keep", "skip", "refuse" };
	struct options *options = target;

	for (unsigned i = 0; i < 3; i++) {
		if (!strcmp(value, words[i])) {
			options->devices = (enum image_devices)i;
			return 0;
		}
	}
	return opts_fail_value("--devices", value, "keep, skip or refuse", err);
}

static int set_limit_size(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	if (str_to_size(value, &options->limit_bytes) < 0)
		return opts_fail_value("--limit-size", value, "a size like 64G", err);
	return 0;
}

static int set_limit_entries(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	if (str_to_u64(value, &options->limit_entries) < 0)
		return opts_fail_value("--limit-entries", value, "a number", err);
	return 0;
}

static int set_platform(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;
	const char *slash = strchr(value, '/');

	if (!slash || slash == value || !slash[1])
		return opts_fail_value("--platform", value, "a platform like linux/amd64", err);
	options->platform = value;
	return 0;
}

static int set_ref(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	(void)err;
	options->ref = value;
	return 0;
}

/* --- what the user wants to be recorded ---------------------------------------------------- */

static int add_pair(struct options *options, const char *option, const char *key, const char *value,
                    struct stor_err *err)
{
	if (*value == '=' || !strchr(value, '='))
		return opts_fail_value(option, value, "of the form NAME=VALUE", err);
	record_add(&options->config, key, value);
	return 0;
}

static int add_env(void *target, const char *value, struct stor_err *err)
{
	return add_pair(target, "--env", "config.env", value, err);
}

static int add_label(void *target, const char *value, struct stor_err *err)
{
	return add_pair(target, "--label", "config.label", value, err);
}

static int add_cmd(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	(void)err;
	record_add(&options->config, "config.cmd", value);
	return 0;
}

static int add_entrypoint(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	(void)err;
	record_add(&options->config, "config.entrypoint", value);
	return 0;
}

static int set_workdir(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	if (*value != '/')
		return opts_fail_value("--workdir", value, "an absolute path", err);
	record_set(&options->config, "config.workdir", value);
	return 0;
}

static int set_user(void *target, const char *value, struct stor_err *err)
{
	struct options *options = target;

	(void)err;
	record_set(&options->config, "config.user", value);
	return 0;
}

/* Does the user's own configuration put something in the place of this line? */
static bool is_overridden(const struct record *own, const char *key, const char *value)
{
	size_t length = strcspn(value, "=");
	const char *mine;

	if (!strcmp(key, "config.env") || !strcmp(key, "config.label")) {
		for (size_t at = 0; (mine = record_next(own, key, &at));)
			if (strcspn(mine, "=") == length && !strncmp(mine, value, length))
				return true;
		return false;
	}
	/* The arguments of one program are none for another. */
	if (!strcmp(key, "config.cmd") && record_get(own, "config.entrypoint"))
		return true;
	return record_get(own, key) != NULL;
}

static void merge_config(struct record *into, const struct record *found, const struct record *own)
{
	for (size_t i = 0; i < found->keys.count; i++)
		if (!is_overridden(own, found->keys.items[i], found->values.items[i]))
			record_add(into, found->keys.items[i], found->values.items[i]);
	for (size_t i = 0; i < own->keys.count; i++)
		record_add(into, own->keys.items[i], own->values.items[i]);
}

/* --- import ------------------------------------------------------------------------------- */

static int open_source(const char *source, struct stor_err *err)
{
	struct stat st;
	int fd;

	if (!strcmp(source, "-")) {
		if (isatty(STDIN_FILENO)) {
			err_fail(err, STOR_USAGE, 0, "standard input is a terminal");
			err_hint(err, "pipe an archive into it: docker save IMAGE | stor image "
			              "import - NAME");
			return -1;
		}
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_fail(err, STOR_FAILED, errno, "standard input") : fd;
	}
	if (stat(source, &st) < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno, "%s",
		                source);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return err_fail(err, STOR_USAGE, 0, "%s: neither a directory nor an archive",
		                source);
	fd = open(source, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_fail(err, STOR_FAILED, errno, "open %s", source) : fd;
}

/* Says so before an hour's work, not after it. */
static int check_free_name(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *place = xasprintf("images/%s", name);
	struct stat st;

	if (fstatat(store->fd, place, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return image_fail_taken(name, err);
}

static int import_image(struct store *store, const char *source, const char *name,
                        const struct options *opts, struct stor_err *err)
{
	const struct stor_internal_image *module;
	cleanup_image_draft struct image_draft draft = IMAGE_DRAFT_INIT;
	cleanup_record struct record found = RECORD_INIT;
	cleanup_free char *platform = xasprintf("linux/%s", image_machine_arch());
	cleanup_close int fd = -1;
	struct image_import_req req = {
		.source = strcmp(source, "-") ? source : "standard input",
		.devices = opts->devices,
		.limit_bytes = opts->limit_bytes,
		.limit_entries = opts->limit_entries,
		.platform = opts->platform ? opts->platform : platform,
		.ref = opts->ref,
		.progress = opts->is_quiet ? progress_quiet : progress_update,
		.record = &found,
	};

	if (!opts->is_replacing && check_free_name(store, name, err) < 0)
		return -1;
	fd = open_source(source, err);
	if (fd < 0)
		return -1;
	module = module_load_internal("image", err);
	if (!module || image_draft_begin(store, name, &draft, err) < 0)
		return -1;
	req.source_fd = fd;
	req.work_fd = draft.dir_fd;
	progress_catch_signals();
	kill_point("image-import-begin");
	if (module->import(&req, err) < 0)
		return -1;
	kill_point("image-import-unpacked");
	record_set(&draft.record, "source", req.source);
	merge_config(&draft.record, &found, &opts->config);
	return image_draft_finish(&draft, name, opts->is_replacing, err);
}

int cmd_image_import(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "replace", NULL, "Take the place of an image with that name", set_replace },
		{ 'q', "quiet", NULL, "Print nothing, show no progress", set_quiet },
		{ 0, "platform", "OS/ARCH", "Which of several platforms (this machine's)",
		  set_platform },
		{ 0, "ref", "TAG", "Which of several images: a tag, a name or a digest", set_ref },
		{ 0, "devices", "WHAT", "keep, skip or refuse device nodes (keep)", set_devices },
		{ 0, "limit-size", "SIZE", "Refuse more than this in files (64G)", set_limit_size },
		{ 0, "limit-entries", "N", "Refuse more entries (10000000)", set_limit_entries },
		{ 'e', "env", "NAME=VALUE", "Environment of its containers", add_env },
		{ 0, "cmd", "WORD", "Default command, one word each", add_cmd },
		{ 0, "entrypoint", "WORD", "Program before every command, one word each",
		  add_entrypoint },
		{ 'w', "workdir", "DIR", "Working directory", set_workdir },
		{ 'u', "user", "USER[:GROUP]", "User of the first process", set_user },
		{ 'l', "label", "NAME=VALUE", "A label", add_label },
		{ 0 },
	};
	static const struct opt_command command = {
		"image import",
		"[OPTIONS] SOURCE NAME",
		"Make an image of a root filesystem",
		"SOURCE is a directory, a tar archive in any usual compression, an OCI layout (a "
		"directory\nor an archive of one), an archive made by docker save, or - for an "
		"archive on standard input.",
		options,
		2,
		2,
		false,
	};
	struct options opts = {
		.limit_bytes = DEFAULT_LIMIT_BYTES,
		.limit_entries = DEFAULT_LIMIT_ENTRIES,
	};
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (!result && geteuid() != 0) {
		err_fail(err, STOR_FAILED, 0, "image import: needs root");
		err_hint(err, "files of many owners can be made by root alone");
		result = -1;
	} else if (!result && !cmd_image_open_store(store, err)) {
		result = import_image(store, operands[0], operands[1], &opts, err);
		progress_clear();
		if (result < 0)
			err_context(err, "import %s", operands[1]);
	} else if (!result) {
		result = -1;
	}
	record_free(&opts.config);
	return result < 0 ? -1 : 0;
}
