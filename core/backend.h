/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backends as core uses them: loading by name or file, and one wrapper per callback that supplies
 * the documented default, turns an absent callback into STOR_UNSUPPORTED naming the backend, checks
 * what came back, and traces the call. Nothing outside this file calls a backend directly, and
 * nothing in core compares a backend's name.
 */
#ifndef CORE_BACKEND_H
#define CORE_BACKEND_H

#include <stor/backend.h>

#include "core/base/err.h"
#include "core/base/record.h"
#include "core/base/str.h"

struct backend {
	struct stor_backend ops; /* host's copy: the common size copied, the rest zero */
	char *file;              /* absolute path of the shared object */
	/* ops.params, where its header has entries of another size; NULL: they are the backend's.
	 */
	struct stor_param *own_params;
};

/* Load MODULES/backends/stor-NAME.so; a name with a '/' is a file. Loading twice gives the same
 * object. NULL with err filled: STOR_NOT_FOUND for an unknown name (the hint lists the known ones),
 * STOR_UNSUPPORTED for one that was refused. Borrowed, valid for ever. */
const struct backend *backend_load(const char *name, struct stor_err *err);

/* Names of all files in MODULES/backends, sorted, whether they load or not. */
int backend_names(struct strv *names, struct stor_err *err);

/* The backend that is surest that `path` is one of its volumes. STOR_NOT_FOUND: none is. */
const struct backend *backend_probe(const char *path, struct stor_err *err);

/* A volume's parameters: KEY=VALUE texts of this command, then recorded "param.KEY" lines, then
 * defaults. */
struct params {
	struct stor_value *values; /* parallel to the backend's table */
	size_t count;
	/* The same for stor_volume.values, where the backend's header has them. */
	struct stor_value *handed;
	struct strv texts; /* owns the strings */
};

/* scope: STOR_PARAM_*, ORed. given and recorded may be NULL. Unknown keys, values
 * of the wrong type, and explicit keys outside the scope are STOR_USAGE, with the known keys as
 * hint. */
int params_parse(struct params *params, const struct backend *backend, const struct strv *given,
                 const struct record *recorded, uint32_t scope, struct stor_err *err);
/* Write the create-time values as "param.KEY" lines, for the next params_parse(). */
void params_save(const struct params *params, const struct backend *backend, struct record *record);
void params_free(struct params *params);
#define cleanup_params __attribute__((cleanup(params_free)))

/* True when the callback is there: backend_can(b, clone). */
#define backend_can(backend, callback) ((backend)->ops.callback != NULL)

/* Have its volumes a size of their own? */
bool backend_is_sized(const struct backend *backend);

/* The wrappers: as the callbacks of <stor/backend.h>. They stamp struct_size of every struct they
 * are given. */
int backend_create(const struct backend *b, const struct stor_volume *v,
                   struct stor_create_req *req, struct stor_err *err);
/* Also checks that the descriptor is what `kind` says, and sets close-on-exec. */
int backend_attach(const struct backend *b, const struct stor_volume *v,
                   struct stor_attach_req *req, struct stor_attachment *out, struct stor_err *err);
int backend_detach(const struct backend *b, const struct stor_volume *v, const char *token,
                   struct stor_err *err);
int backend_release(const struct backend *b, const struct stor_volume *v, int root_fd,
                    uint32_t flags, struct stor_err *err);
int backend_info(const struct backend *b, const struct stor_volume *v, struct stor_info *info,
                 struct stor_err *err);
/* info's in_use alone, which costs less. *in_use is set on success. */
int backend_is_in_use(const struct backend *b, const struct stor_volume *v, bool *in_use,
                      struct stor_err *err);
int backend_destroy(const struct backend *b, const struct stor_volume *v, struct stor_err *err);
int backend_clone(const struct backend *b, const struct stor_volume *v, struct stor_clone_req *req,
                  struct stor_err *err);
int backend_resize(const struct backend *b, const struct stor_volume *v,
                   struct stor_resize_req *req, struct stor_err *err);
int backend_check(const struct backend *b, const struct stor_volume *v, struct stor_check_req *req,
                  enum stor_verdict *verdict, struct stor_err *err);
int backend_snapshot(const struct backend *b, const struct stor_volume *v,
                     struct stor_snapshot_req *req, struct stor_err *err);
int backend_snapshot_list(const struct backend *b, const struct stor_volume *v,
                          stor_snapshot_fn emit, void *ctx, struct stor_err *err);
int backend_snapshot_delete(const struct backend *b, const struct stor_volume *v,
                            struct stor_snapshot_req *req, struct stor_err *err);
int backend_rollback(const struct backend *b, const struct stor_volume *v,
                     struct stor_snapshot_req *req, struct stor_err *err);
int backend_merge(const struct backend *b, const struct stor_volume *v,
                  struct stor_snapshot_req *req, struct stor_err *err);
int backend_compact(const struct backend *b, const struct stor_volume *v,
                    struct stor_compact_req *req, struct stor_err *err);
int backend_convert(const struct backend *b, const struct stor_volume *v, struct stor_err *err);
int backend_send(const struct backend *b, const struct stor_volume *v, struct stor_stream_req *req,
                 struct stor_err *err);
int backend_receive(const struct backend *b, const struct stor_volume *v,
                    struct stor_stream_req *req, struct stor_err *err);
int backend_examine(const struct backend *b, stor_finding_fn emit, void *ctx, struct stor_err *err);

/* The table that backends were given; also used by the conformance suite. */
const struct stor_host *host_services(void);
/* Where temp_file() makes its files: called once the store is open. */
void host_set_store(int store_fd);

#endif
