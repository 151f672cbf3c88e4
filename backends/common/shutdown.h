/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filesystems whose content is about to be thrown away. */
#ifndef COMMON_SHUTDOWN_H
#define COMMON_SHUTDOWN_H

#include <stor/backend.h>

/*
 * For a release() with STOR_RELEASE_DISCARD (without it: does nothing): shuts the filesystem down
 * where that is quicker than writing its dirty blocks. Never fails: what cannot be shut down is
 * unmounted as any other. `backend` names the caller in the trace.
 */
void shutdown_discarded(const struct stor_release_req *req, const char *backend);

#endif
