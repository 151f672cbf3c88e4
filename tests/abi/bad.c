/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A module that the loader has to refuse: built once for each BAD_… that is defined. */
#include <stor/backend.h>

static const struct stor_host *host;

static int bad_load(const struct stor_host *services, struct stor_err *err)
{
	host = services;
#ifdef BAD_LOAD
	host->hint(err, "install libnonsense");
	return host->fail(err, STOR_NOT_FOUND, 0, "bad: libnonsense is missing");
#elif defined(BAD_SILENT_LOAD)
	(void)err;
	return -1;
#else
	(void)err;
	return 0;
#endif
}

static int bad_create(const struct stor_volume *volume, const struct stor_create_req *req,
                      struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, (int)req->flags, "bad: create %s", volume->path);
}

static int bad_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                      struct stor_attachment *attachment, struct stor_err *err)
{
	attachment->fd = -1;
	return host->fail(err, STOR_FAILED, (int)req->flags, "bad: attach %s", volume->path);
}

static int bad_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err)
{
	info->in_use = false;
	return host->fail(err, STOR_FAILED, 0, "bad: info %s", volume->path);
}

static int bad_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                       struct stor_err *err)
{
	(void)req;
	return host->fail(err, STOR_FAILED, 0, "bad: destroy %s", volume->path);
}

#ifdef BAD_SNAPSHOTS
static int bad_snapshot(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                        struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, 0, "bad: snapshot %s of %s", req->id, volume->path);
}
#endif

#ifdef BAD_STREAMS
static int bad_send(const struct stor_volume *volume, const struct stor_stream_req *req,
                    struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, req->fd, "bad: send %s", volume->path);
}
#endif

#define PARAM(k, t, d, c)                                                                          \
	{                                                                                          \
		.key = (k), .type = (t), .scope = STOR_PARAM_CREATE, .default_value = (d),         \
		.choices = (c), .help = "A parameter"                                              \
	}

static const struct stor_param bad_params[] = {
#ifdef BAD_DOUBLE_KEY
	PARAM("twice", STOR_PARAM_STRING, 0, 0),
	PARAM("twice", STOR_PARAM_STRING, 0, 0),
#elif defined(BAD_KEY)
	PARAM("Upper", STOR_PARAM_STRING, 0, 0),
#elif defined(BAD_DEFAULT)
	PARAM("amount", STOR_PARAM_SIZE, "plenty", 0),
#elif defined(BAD_ENUM_DEFAULT)
	PARAM("choice", STOR_PARAM_ENUM, "three", "one|two"),
#elif defined(BAD_CHOICES)
	PARAM("choice", STOR_PARAM_ENUM, "one", "one||one"),
#elif defined(BAD_NO_CHOICES)
	PARAM("choice", STOR_PARAM_ENUM, 0, 0),
#elif defined(BAD_HELP)
	{ .key = "silent", .type = STOR_PARAM_STRING, .scope = STOR_PARAM_CREATE },
#elif defined(BAD_SCOPE)
	{ .key = "nowhere", .type = STOR_PARAM_STRING, .help = "A parameter" },
#else
	PARAM("good", STOR_PARAM_ENUM, "one", "one|two"),
#endif
	{ .key = 0 },
};

static struct stor_backend bad_backend = {
#ifdef BAD_HOST
	.min_host_size = 100000,
#endif
#ifdef BAD_OTHER_NAME
	.name = "other",
#elif defined(BAD_NAME)
	.name = "Bad_name",
#elif !defined(BAD_NO_NAME)
	.name = "bad",
#endif
#ifndef BAD_NO_VERSION
	.version = "1",
#endif
#ifndef BAD_NO_SUMMARY
	.summary = "A module that is refused",
#endif
	.params = bad_params,
#ifdef BAD_FS_TYPES
	.fs_types = " ext4,xfs",
#endif
	.load = bad_load,
#ifdef BAD_FLAGS
	.flags = 0x80,
#endif
#ifndef BAD_NO_CREATE
	.create = bad_create,
#endif
#ifndef BAD_NO_ATTACH
	.attach = bad_attach,
#endif
#ifndef BAD_NO_INFO
	.info = bad_info,
#endif
#ifndef BAD_NO_DESTROY
	.destroy = bad_destroy,
#endif
#ifdef BAD_SNAPSHOTS
	.snapshot = bad_snapshot,
#endif
#ifdef BAD_STREAMS
	.send = bad_send,
#endif
};

#if defined(BAD_NO_ENTRY)
__attribute__((visibility("default"))) const struct stor_backend *const bad_table = &bad_backend;
#elif defined(BAD_INTERNAL)
__attribute__((visibility("default"))) const char *const stor_internal_bad = "0";
__attribute__((visibility("default"))) const struct stor_backend *const bad_table = &bad_backend;
#elif defined(BAD_NULL)
__attribute__((visibility("default"))) const struct stor_backend *stor_backend_init(void);
const struct stor_backend *stor_backend_init(void)
{
	return bad_backend.kind ? &bad_backend : 0;
}
#elif defined(BAD_KIND) || defined(BAD_VERSION) || defined(BAD_VERSION_0) ||                       \
	defined(BAD_PARAM_SIZE) || defined(BAD_VALUE_SIZE) || defined(BAD_SIZE) ||                 \
	defined(BAD_TINY) || defined(BAD_LONGER) || defined(BAD_SHORTER)
__attribute__((visibility("default"))) const struct stor_backend *stor_backend_init(void);
const struct stor_backend *stor_backend_init(void)
{
	bad_backend.kind = STOR_KIND_BACKEND;
	bad_backend.struct_size = sizeof(bad_backend);
	bad_backend.abi_version = STOR_ABI_VERSION;
	bad_backend.param_size = sizeof(struct stor_param);
	bad_backend.value_size = sizeof(struct stor_value);
#ifdef BAD_KIND
	bad_backend.kind = 0x1234;
#elif defined(BAD_VERSION)
	bad_backend.abi_version = STOR_ABI_VERSION + 7;
#elif defined(BAD_VERSION_0)
	bad_backend.abi_version = 0;
#elif defined(BAD_PARAM_SIZE)
	bad_backend.param_size = sizeof(struct stor_param) + 3;
#elif defined(BAD_VALUE_SIZE)
	bad_backend.value_size = 0;
#elif defined(BAD_SIZE)
	bad_backend.struct_size = offsetof(struct stor_backend, create);
#elif defined(BAD_TINY)
	bad_backend.struct_size = 16;
#elif defined(BAD_LONGER)
	/* Made with a later header: what this stor does not know is not read. */
	bad_backend.struct_size = sizeof(bad_backend) + 64;
#else
	/* Made with an earlier header: what it did not have is absent, whatever lies there. */
	bad_backend.clone = (int (*)(const struct stor_volume *, const struct stor_clone_req *,
	                             struct stor_err *))1;
	bad_backend.struct_size = offsetof(struct stor_backend, clone);
#endif
	return &bad_backend;
}
#else
STOR_REGISTER_BACKEND(bad_backend)
#endif
