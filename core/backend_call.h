/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the wrappers in backend.c and backend_more.c share: one call of a callback, traced, with its
 * report checked. Nothing else uses it. */
#ifndef CORE_BACKEND_CALL_H
#define CORE_BACKEND_CALL_H

#include "core/backend.h"

struct backend_call {
	const struct backend *backend;
	const char *name;    /* of the callback */
	const char *path;    /* of the volume */
	int64_t began_ns;    /* 0: not traced */
	struct stor_err err; /* the callback's own: what the caller reported before stays apart */
};

/* A stamped copy: callers of the wrappers need not know about struct_size. */
static inline struct stor_volume backend_call_volume(const struct stor_volume *volume)
{
	struct stor_volume copy = *volume;

	copy.struct_size = sizeof(copy);
	return copy;
}

void backend_call_begin(struct backend_call *call, const struct backend *backend, const char *name,
                        const char *path);

/*
 * Trace the end, and hand the callback's report on. Failure without a text gets one; success with a
 * report is failure, for something went wrong that the callback did not act on; a result that is
 * neither 0 nor -1 is failure. Returns 0 or -1.
 */
int backend_call_end(struct backend_call *call, int result, struct stor_err *err);

/* STOR_UNSUPPORTED: backend "x" cannot <what>. Returns -1. */
int backend_lacks(const struct backend *backend, const char *what, struct stor_err *err);

/* Is the attachment what it says: descriptors open, a block device or a detached mount? Sets
 * close-on-exec on all. */
int backend_check_attachment(const struct backend *backend, struct stor_attachment *attachment,
                             struct stor_err *err);

/* Close whatever descriptors it holds, leaving -1. */
void backend_close_attachment(struct stor_attachment *attachment);

#endif
