/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wrappers around a backend's callbacks: each supplies the documented default, refuses what the
 * backend lacks, and turns a callback that breaks its contract into an ordinary error. Validation
 * of what attach hands over is in backend_attach.c.
 */
#include "core/backend.h"

#include <string.h>

#include "core/backend_call.h"

int backend_lacks(const struct backend *b, const char *what, struct stor_err *err)
{
	return err_fail(err, STOR_UNSUPPORTED, 0, "backend \"%s\" cannot %s", b->ops.name, what);
}

/* Is `word` one of those in the space-separated list? */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = list; *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == length && !strncmp(at, word, n))
			return true;
		at += n;
	}
	return false;
}

bool backend_is_sized(const struct backend *backend)
{
	return backend->ops.fs_types || backend->ops.flags & STOR_BACKEND_SIZED;
}

static int check_create_req(const struct backend *b, const struct stor_create_req *req,
                            struct stor_err *err)
{
	const char *excess = req->size_bytes && !backend_is_sized(b) ? "size"
	                     : req->fs_type && !b->ops.fs_types      ? "filesystem type"
	                     : req->fs_label && !b->ops.fs_types     ? "label"
	                                                             : NULL;

	if (excess) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "backend \"%s\" stores files without a filesystem of its own: it takes no "
		         "%s",
		         b->ops.name, excess);
		err_hint(err, "take a backend for which stor backend ls names filesystems");
		return -1;
	}
	if (req->fs_type && !has_word(b->ops.fs_types, req->fs_type)) {
		err_fail(err, STOR_UNSUPPORTED, 0, "backend \"%s\" cannot make the filesystem %s",
		         b->ops.name, req->fs_type);
		err_hint(err, "it makes: %s", b->ops.fs_types);
		return -1;
	}
	if (req->fs_label && strlen(req->fs_label) > 16)
		return err_fail(err, STOR_USAGE, 0, "filesystem label \"%s\": longer than 16 bytes",
		                req->fs_label);
	return 0;
}

int backend_create(const struct backend *b, const struct stor_volume *v,
                   struct stor_create_req *req, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	req->struct_size = sizeof(*req);
	if (check_create_req(b, req, err) < 0)
		return -1;
	backend_call_begin(&call, b, "create", v->path);
	return backend_call_end(&call, b->ops.create(&volume, req, &call.err), err);
}

int backend_attach(const struct backend *b, const struct stor_volume *v,
                   struct stor_attach_req *req, struct stor_attachment *out, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;
	int result;

	req->struct_size = sizeof(*req);
	*out = (struct stor_attachment){ .struct_size = sizeof(*out),
		                         .fd = -1,
		                         .lock_fd = -1,
		                         .control_fd = -1,
		                         .server_pidfd = -1 };
	if (req->snapshot && !b->ops.snapshot)
		return backend_lacks(b, "attach snapshots", err);
	backend_call_begin(&call, b, "attach", v->path);
	result = backend_call_end(&call, b->ops.attach(&volume, req, out, &call.err), err);
	if (!result)
		result = backend_check_attachment(b, out, err);
	if (result < 0)
		backend_close_attachment(out);
	return result;
}

int backend_detach(const struct backend *b, const struct stor_volume *v, const char *token,
                   struct stor_err *err)
{
	struct stor_detach_req req = { .struct_size = sizeof(req), .token = token };
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	if (!b->ops.detach)
		return backend_lacks(b, "detach by a token", err);
	backend_call_begin(&call, b, "detach", v->path);
	return backend_call_end(&call, b->ops.detach(&volume, &req, &call.err), err);
}

int backend_release(const struct backend *b, const struct stor_volume *v, int root_fd,
                    uint32_t flags, struct stor_err *err)
{
	struct stor_release_req req = { .struct_size = sizeof(req),
		                        .flags = flags,
		                        .root_fd = root_fd };
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	if (!b->ops.release)
		return 0;
	backend_call_begin(&call, b, "release", v->path);
	return backend_call_end(&call, b->ops.release(&volume, &req, &call.err), err);
}

static int ignore_line(void *ctx, const char *key, const char *value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return 0;
}

int backend_info(const struct backend *b, const struct stor_volume *v, struct stor_info *info,
                 struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;
	struct stor_info filled = { .struct_size = sizeof(filled),
		                    .size_bytes = STOR_UNKNOWN,
		                    .allocated_bytes = STOR_UNKNOWN,
		                    .exclusive_bytes = STOR_UNKNOWN,
		                    .emit = info->emit ? info->emit : ignore_line,
		                    .emit_ctx = info->emit_ctx,
		                    .flags = info->flags };

	backend_call_begin(&call, b, "info", v->path);
	if (backend_call_end(&call, b->ops.info(&volume, &filled, &call.err), err) < 0)
		return -1;
	*info = filled;
	return 0;
}

int backend_is_in_use(const struct backend *b, const struct stor_volume *v, bool *in_use,
                      struct stor_err *err)
{
	struct stor_info info = { .struct_size = sizeof(info), .flags = STOR_INFO_IN_USE_ONLY };

	if (backend_info(b, v, &info, err) < 0)
		return -1;
	*in_use = info.in_use;
	return 0;
}

int backend_destroy(const struct backend *b, const struct stor_volume *v, struct stor_err *err)
{
	const struct stor_destroy_req req = { .struct_size = sizeof(req) };
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	if (v->flags & STOR_VOLUME_FOREIGN)
		return err_fail(err, STOR_USAGE, 0,
		                "%s: not a volume of stor's store: it is not "
		                "stor's to remove",
		                v->path);
	backend_call_begin(&call, b, "destroy", v->path);
	return backend_call_end(&call, b->ops.destroy(&volume, &req, &call.err), err);
}

int backend_clone(const struct backend *b, const struct stor_volume *v, struct stor_clone_req *req,
                  struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v),
			   source = backend_call_volume(req->source);
	struct stor_clone_req passed = *req;
	struct backend_call call;

	passed.struct_size = sizeof(passed);
	passed.source = &source;
	if (!b->ops.clone)
		return backend_lacks(b, "clone volumes", err);
	backend_call_begin(&call, b, "clone", v->path);
	return backend_call_end(&call, b->ops.clone(&volume, &passed, &call.err), err);
}

int backend_resize(const struct backend *b, const struct stor_volume *v,
                   struct stor_resize_req *req, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	req->struct_size = sizeof(*req);
	if (!b->ops.resize)
		return backend_lacks(b, "resize volumes", err);
	backend_call_begin(&call, b, "resize", v->path);
	return backend_call_end(&call, b->ops.resize(&volume, req, &call.err), err);
}

int backend_check(const struct backend *b, const struct stor_volume *v, struct stor_check_req *req,
                  enum stor_verdict *verdict, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;
	int result;

	req->struct_size = sizeof(*req);
	if (!req->emit)
		req->emit = ignore_line;
	*verdict = STOR_VERDICT_CLEAN;
	if (!b->ops.check)
		return req->emit(req->emit_ctx, "note", "nothing to check");
	backend_call_begin(&call, b, "check", v->path);
	result = backend_call_end(&call, b->ops.check(&volume, req, verdict, &call.err), err);
	if (!result && (unsigned)*verdict > STOR_VERDICT_DAMAGED)
		return err_fail(err, STOR_FAILED, 0, "backend \"%s\": check: unknown verdict %d",
		                b->ops.name, (int)*verdict);
	if (!result && *verdict == STOR_VERDICT_REPAIRED && !(req->flags & STOR_CHECK_REPAIR))
		return err_fail(err, STOR_FAILED, 0,
		                "backend \"%s\": check: it repaired, which was not asked for",
		                b->ops.name);
	return result;
}
