/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A backend to copy: it loads, describes itself, and refuses every volume until you have written
 * what is marked below. stor-backend(3) explains each callback; the example snapdir, installed
 * beside this, is a complete one. Choose your own licence for what you make of it.
 *
 *	make                    builds ./stor-mine.so
 *	make check              runs stor's conformance suite against it
 *	make install            puts it where stor finds it
 */
#include <stor/backend.h>
#include <stor/util.h>

static const struct stor_host *host;

/* Indexes into the table: volume->values[MINE_LEVEL] is the value of -o level=… */
enum { MINE_LEVEL };

static const struct stor_param mine_params[] = {
	[MINE_LEVEL] = { .key = "level",
	                 .type = STOR_PARAM_UINT,
	                 .scope = STOR_PARAM_CREATE,
	                 .default_value = "3",
	                 .help = "How hard to try" },
	{ .key = NULL },
};

static int mine_load(const struct stor_host *services, struct stor_err *err)
{
	(void)err;
	host = services;
	return 0;
}

static int not_written(const struct stor_volume *volume, const char *what, struct stor_err *err)
{
	host->fail(err, STOR_UNSUPPORTED, 0, "mine: %s %s: not written yet", what, volume->path);
	host->hint(err, "write mine_%s() in mine.c", what);
	return -1;
}

/* Make the content in the empty directory volume->path, from req->source_fd where it is not -1. */
static int mine_create(const struct stor_volume *volume, const struct stor_create_req *req,
                       struct stor_err *err)
{
	(void)req;
	return not_written(volume, "create", err);
}

/* Lock the volume, then set attachment->kind and attachment->fd. */
static int mine_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                       struct stor_attachment *attachment, struct stor_err *err)
{
	(void)req;
	(void)attachment;
	return not_written(volume, "attach", err);
}

/* Fill in what is known; what is not stays STOR_UNKNOWN. */
static int mine_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err)
{
	(void)info;
	return not_written(volume, "info", err);
}

/* Remove the content, but not the directory; STOR_BUSY while it is attached. */
static int mine_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                        struct stor_err *err)
{
	(void)req;
	return not_written(volume, "destroy", err);
}

static struct stor_backend mine_backend = {
	.name = "mine",
	.version = "0.1",
	.summary = "One line for stor backend ls",
	.params = mine_params,
	.load = mine_load,
	.create = mine_create,
	.attach = mine_attach,
	.info = mine_info,
	.destroy = mine_destroy,
};

STOR_REGISTER_BACKEND(mine_backend)
