/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wrappers around the rarer callbacks: snapshots, chains, space, conversion, streams. */
#include <string.h>

#include "core/backend.h"
#include "core/backend_call.h"
#include "core/base/str.h"
#include "core/sized.h"

#define SNAPSHOT_ID_MAX 64

static int check_id(const char *id, struct stor_err *err)
{
	if (str_is_name(id) && strlen(id) <= SNAPSHOT_ID_MAX)
		return 0;
	return err_fail(err, STOR_USAGE, 0,
	                "snapshot \"%s\": an id is at most %d letters, digits, '_', '.' and '-', a "
	                "letter or digit first",
	                id, SNAPSHOT_ID_MAX);
}

typedef int (*snapshot_op)(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                           struct stor_err *err);

static int call_snapshot_op(const struct backend *b, const struct stor_volume *v,
                            struct stor_snapshot_req *req, snapshot_op op, const char *name,
                            const char *what, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	req->struct_size = sizeof(*req);
	if (!op)
		return backend_lacks(b, what, err);
	if (check_id(req->id, err) < 0 || (req->until && check_id(req->until, err) < 0))
		return -1;
	backend_call_begin(&call, b, name, v->path);
	return backend_call_end(&call, op(&volume, req, &call.err), err);
}

int backend_snapshot(const struct backend *b, const struct stor_volume *v,
                     struct stor_snapshot_req *req, struct stor_err *err)
{
	return call_snapshot_op(b, v, req, b->ops.snapshot, "snapshot", "take snapshots", err);
}

int backend_snapshot_delete(const struct backend *b, const struct stor_volume *v,
                            struct stor_snapshot_req *req, struct stor_err *err)
{
	return call_snapshot_op(b, v, req, b->ops.snapshot_delete, "snapshot_delete",
	                        "take snapshots", err);
}

int backend_rollback(const struct backend *b, const struct stor_volume *v,
                     struct stor_snapshot_req *req, struct stor_err *err)
{
	return call_snapshot_op(b, v, req, b->ops.rollback, "rollback", "take snapshots", err);
}

int backend_merge(const struct backend *b, const struct stor_volume *v,
                  struct stor_snapshot_req *req, struct stor_err *err)
{
	return call_snapshot_op(b, v, req, b->ops.merge, "merge", "merge snapshots", err);
}

/* Where what a backend emits goes, in the struct as this stor has it. */
struct emitted {
	struct backend_call *call;
	stor_snapshot_fn take_snapshot;
	stor_finding_fn take_finding;
	void *ctx;
};

static int refuse_emitted(struct emitted *to, size_t size)
{
	return err_fail(&to->call->err, STOR_FAILED, 0,
	                "backend \"%s\": %s: a struct_size of %zu, which no version has",
	                to->call->backend->ops.name, to->call->name, size);
}

static int emit_snapshot(void *ctx, const struct stor_snapshot *snapshot)
{
	struct emitted *to = ctx;
	struct stor_snapshot known;

	if (sized_take(&known, sizeof(known), snapshot,
	               STOR_SIZE_UP_TO(struct stor_snapshot, created_seconds)) < 0)
		return refuse_emitted(to, snapshot->struct_size);
	return to->take_snapshot(to->ctx, &known);
}

static int emit_finding(void *ctx, const struct stor_finding *finding)
{
	struct emitted *to = ctx;
	struct stor_finding known;

	if (sized_take(&known, sizeof(known), finding,
	               STOR_SIZE_UP_TO(struct stor_finding, remedy)) < 0)
		return refuse_emitted(to, finding->struct_size);
	return to->take_finding(to->ctx, &known);
}

int backend_snapshot_list(const struct backend *b, const struct stor_volume *v,
                          stor_snapshot_fn emit, void *ctx, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;
	struct emitted to = { .call = &call, .take_snapshot = emit, .ctx = ctx };
	const struct stor_snapshot_list_req req = { .struct_size = sizeof(req),
		                                    .emit = emit_snapshot,
		                                    .emit_ctx = &to };

	if (!b->ops.snapshot_list)
		return backend_lacks(b, "take snapshots", err);
	backend_call_begin(&call, b, "snapshot_list", v->path);
	return backend_call_end(&call, b->ops.snapshot_list(&volume, &req, &call.err), err);
}

int backend_compact(const struct backend *b, const struct stor_volume *v,
                    struct stor_compact_req *req, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	req->struct_size = sizeof(*req);
	req->freed_bytes = 0;
	if (!b->ops.compact)
		return backend_lacks(b, "compact volumes", err);
	backend_call_begin(&call, b, "compact", v->path);
	return backend_call_end(&call, b->ops.compact(&volume, req, &call.err), err);
}

int backend_convert(const struct backend *b, const struct stor_volume *v, struct stor_err *err)
{
	const struct stor_convert_req req = { .struct_size = sizeof(req) };
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	if (!b->ops.convert)
		return backend_lacks(b, "convert volumes", err);
	backend_call_begin(&call, b, "convert", v->path);
	return backend_call_end(&call, b->ops.convert(&volume, &req, &call.err), err);
}

int backend_send(const struct backend *b, const struct stor_volume *v, struct stor_stream_req *req,
                 struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	req->struct_size = sizeof(*req);
	if (!b->ops.send)
		return backend_lacks(b, "send volumes in a format of its own", err);
	backend_call_begin(&call, b, "send", v->path);
	return backend_call_end(&call, b->ops.send(&volume, req, &call.err), err);
}

int backend_receive(const struct backend *b, const struct stor_volume *v,
                    struct stor_stream_req *req, struct stor_err *err)
{
	struct stor_volume volume = backend_call_volume(v);
	struct backend_call call;

	req->struct_size = sizeof(*req);
	if (!b->ops.receive)
		return backend_lacks(b, "receive volumes in a format of its own", err);
	backend_call_begin(&call, b, "receive", v->path);
	return backend_call_end(&call, b->ops.receive(&volume, req, &call.err), err);
}

int backend_examine(const struct backend *b, stor_finding_fn emit, void *ctx, struct stor_err *err)
{
	struct backend_call call;
	struct emitted to = { .call = &call, .take_finding = emit, .ctx = ctx };
	const struct stor_examine_req req = { .struct_size = sizeof(req),
		                              .emit = emit_finding,
		                              .emit_ctx = &to };

	if (!b->ops.examine)
		return 0;
	backend_call_begin(&call, b, "examine", b->file);
	return backend_call_end(&call, b->ops.examine(&req, &call.err), err);
}
