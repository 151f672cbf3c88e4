/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stor cp: files out of a container, or into one. Whichever way, one thread packs them and another
 * one unpacks them, both by descriptors below which they stay: no process of stor ever makes the
 * container's root its own, where what it loads would be the container's.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cmd_content.h"
#include "core/cmd_options.h"
#include "core/cmd_run.h"
#include "core/cmd_run_options.h"
#include "core/container_store.h"
#include "core/container_tree.h"
#include "core/copy_end.h"
#include "core/module.h"
#include "core/progress.h"
#include "modules/image/image_module.h"

struct options {
	bool keeps_owner, follows;
};

static int set_archive(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->keeps_owner, "--archive", value, err);
}

static int set_follow(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->follows, "--follow-link", value, err);
}

/* One copy. */
struct copy {
	const struct stor_internal_image *module;
	const struct options *options;
	struct copy_end from, to; /* path "-": a stream */
};

/* --- packing and unpacking -------------------------------------------------------------------- */

/* The thread that packs. */
struct packing {
	const struct stor_internal_image *module;
	struct image_export_req req;
	struct stor_err err;
	int out_fd;
	atomic_bool has_failed;
};

static void *pack(void *ctx)
{
	struct packing *p = ctx;

	if (p->module->export(&p->req, &p->err) < 0)
		atomic_store(&p->has_failed, true);
	/* Whoever reads learns of the failure first. */
	close_fd(&p->out_fd);
	return NULL;
}

static struct image_export_req pack_request(const struct copy_source *source, const char *as,
                                            int out_fd)
{
	return (struct image_export_req){ .tree_fd = source->fd,
		                          .name = source->name,
		                          .as = as,
		                          .skips_kernel = true,
		                          .out_fd = out_fd,
		                          .out = "the archive",
		                          .compression = "none",
		                          .progress = progress_quiet };
}

static int unpack(const struct copy *copy, int source_fd, const char *name, int dir_fd,
                  struct stor_err *err)
{
	const struct image_unpack_req req = {
		.source_fd = source_fd,
		.source = name,
		.dir_fd = dir_fd,
		.keeps_owner = copy->options->keeps_owner,
		.uid = copy->to.root_fd < 0 ? geteuid() : 0,
		.gid = copy->to.root_fd < 0 ? getegid() : 0,
		/* On the host they would be alive. */
		.devices = copy->to.root_fd < 0 ? IMAGE_DEVICES_REFUSE : IMAGE_DEVICES_KEEP,
		.progress = progress_quiet,
	};

	return copy->module->unpack(&req, err);
}

static int between(const struct copy *copy, const struct copy_source *source, const char *as,
                   int dir_fd, struct stor_err *err)
{
	struct packing packing = { .module = copy->module, .err = STOR_ERR_INIT };
	struct stor_err failure = STOR_ERR_INIT;
	cleanup_close int read_fd = -1;
	bool packing_failed;
	pthread_t thread;
	int ends[2], result;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_fail(err, STOR_FAILED, errno, "make a pipe");
	read_fd = ends[0];
	packing.out_fd = ends[1];
	packing.req = pack_request(source, as, packing.out_fd);
	if ((errno = pthread_create(&thread, NULL, pack, &packing)) != 0) {
		close_fd(&packing.out_fd);
		return err_fail(err, STOR_FAILED, errno, "start a thread");
	}
	result = unpack(copy, read_fd, copy->from.path, dir_fd, &failure);
	/* Which of both failed for the other's sake? */
	packing_failed = atomic_load(&packing.has_failed);
	close_fd(&read_fd);
	pthread_join(thread, NULL);
	if (!result && !atomic_load(&packing.has_failed))
		return 0;
	*err = packing_failed || !result ? packing.err : failure;
	return -1;
}

/* --- both ends ----------------------------------------------------------------------------------
 */

static int to_stream(const struct copy *copy, struct stor_err *err)
{
	cleanup_copy_source struct copy_source source = COPY_SOURCE_INIT;
	struct image_export_req req;

	if (isatty(STDOUT_FILENO))
		return err_fail(err, STOR_USAGE, 0, "standard output is a terminal");
	if (copy_source_open(&copy->from, copy->options->follows, &source, err) < 0)
		return -1;
	req = pack_request(&source, source.base, STDOUT_FILENO);
	req.out = "standard output";
	return copy->module->export(&req, err);
}

static int from_stream(const struct copy *copy, struct stor_err *err)
{
	cleanup_close int dir_fd = -1;
	cleanup_free char *as = NULL;

	if (isatty(STDIN_FILENO))
		return err_fail(err, STOR_USAGE, 0, "standard input is a terminal, not an archive");
	dir_fd = copy_target_open(&copy->to, NULL, &as, err);
	return dir_fd < 0 ? -1 : unpack(copy, STDIN_FILENO, "on standard input", dir_fd, err);
}

static int copy_paths(const struct copy *copy, struct stor_err *err)
{
	cleanup_copy_source struct copy_source source = COPY_SOURCE_INIT;
	cleanup_close int dir_fd = -1;
	cleanup_free char *as = NULL;

	if (copy_source_open(&copy->from, copy->options->follows, &source, err) < 0)
		return -1;
	dir_fd = copy_target_open(&copy->to, &source, &as, err);
	return dir_fd < 0 ? -1 : between(copy, &source, as, dir_fd, err);
}

static bool is_stream(const struct copy_end *end)
{
	return end->root_fd < 0 && !strcmp(end->path, "-");
}

static int run_copy(const struct copy *copy, struct stor_err *err)
{
	if (is_stream(&copy->from))
		return from_stream(copy, err);
	return is_stream(&copy->to) ? to_stream(copy, err) : copy_paths(copy, err);
}

/* What is mounted in a container that does not run is not there; below its mount point, files would
 * be lost to it. */
static int check_mounts(const struct record *record, const char *path, struct stor_err *err)
{
	cleanup_config struct container_config config;
	int result;

	config_init(&config);
	result = run_restore_config(&config, record, err);
	for (size_t i = 0; !result && i < config.mount_count; i++) {
		const char *target = config.mounts[i].target;
		size_t length = strlen(target);
		const char *at = path + strspn(path, "/");

		while (length > 1 && target[length - 1] == '/')
			length--;
		if (strncmp(at, target + 1, length - 1) != 0 ||
		    (at[length - 1] && at[length - 1] != '/'))
			continue;
		result = err_fail(err, STOR_UNSUPPORTED, 0,
		                  "%s is mounted only while the container runs", target);
		err_hint(err, "stor start it first, or stor volume mount its volume");
	}
	return result;
}

/* In the container `name`, which becomes the root of one of both ends. */
static int copy_in(struct store *store, const char *name, struct copy *copy,
                   struct copy_end *inside, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	struct container_tree tree;
	int result;

	if (container_find(store, name, &id, &record, err) < 0 ||
	    container_tree_enter(store, id, &record, inside == &copy->to, &tree, err) < 0)
		return -1;
	inside->root_fd = tree.fd;
	result = tree.is_attached ? check_mounts(&record, inside->path, err) : 0;
	if (!result)
		result = run_copy(copy, err);
	return container_tree_close(&tree, result, err);
}

/* "NAME:PATH": the name, malloc'ed, and *path behind it. NULL: a path of the host, or "-". */
static char *split_operand(const char *operand, const char **path)
{
	size_t length = strcspn(operand, ":/");

	*path = operand;
	if (operand[length] != ':' || !length || *operand == '.')
		return NULL;
	*path = operand + length + 1;
	return xstrndup(operand, length);
}

static int copy_operands(struct store *store, char **operands, const struct options *options,
                         struct stor_err *err)
{
	struct copy copy = { .options = options,
		             .from = { .root_fd = -1 },
		             .to = { .root_fd = -1 } };
	cleanup_free char *from = split_operand(operands[0], &copy.from.path);
	cleanup_free char *to = split_operand(operands[1], &copy.to.path);
	struct copy_end *inside = from ? &copy.from : &copy.to;

	if (!from == !to) {
		err_fail(err, STOR_USAGE, 0,
		         from ? "cp: from one container to another is not done"
		              : "cp: neither path is one of a container");
		err_hint(err,
		         from ? "stor cp %s - | stor cp - %s"
		              : "NAME:PATH is one: stor cp %s NAME:%s",
		         operands[0], operands[1]);
		return -1;
	}
	if (!*copy.from.path || !*copy.to.path)
		return err_fail(err, STOR_USAGE, 0, "cp: an empty path");
	copy.module = module_load_internal("image", err);
	if (!copy.module || run_check_privileges("cp", err) < 0 || store_open(store, err) < 0)
		return -1;
	progress_catch_signals();
	signal(SIGPIPE, SIG_IGN);
	if (copy_in(store, from ? from : to, &copy, inside, err) < 0)
		return err_context(err, "cp %s %s", operands[0], operands[1]);
	return 0;
}

int cmd_cp(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt list[] = {
		{ 'a', "archive", NULL, "Keep owners, set-id bits and capabilities", set_archive },
		{ 'L', "follow-link", NULL, "Copy what a link leads to, not the link", set_follow },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "cp",
		.synopsis = "[OPTIONS] NAME|ID:PATH LOCAL|- or LOCAL|- NAME|ID:PATH",
		.summary = "Copy files out of a container, or into one",
		.details =
			"- is a tar archive, on standard output or input. PATH/. is a directory's "
			"content.",
		.options = list,
		.min_operands = 2,
		.max_operands = 2,
	};
	struct options options = { .follows = false };
	char **operands;
	int count, result = opts_parse(&command, &options, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	return copy_operands(store, operands, &options, err);
}
