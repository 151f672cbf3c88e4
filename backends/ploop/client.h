/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking a volume's server, through the control socket that its attachment carries. Each call is
 * one message and one answer. The server holds the guest's I/O back while it works. 0, or -1 with
 * err filled: STOR_FAILED also when the server is gone.
 */
#ifndef PLOOP_CLIENT_H
#define PLOOP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "ploop/engine.h"

/* Enlarge the disk, and the loop device on it. root_fd is the root directory of the filesystem
 * that is mounted from the device. */
int ploop_client_grow(int control_fd, int root_fd, uint64_t size_bytes, struct stor_err *err);

/*
 * Go on in a new, empty delta, opened for writing, and locked, as fd; the caller keeps its own
 * descriptor. dir_fd: the volume's folder, where the server renames the staged descriptor when the
 * delta can be written to, and before it is; -1: no descriptor changes. So killed at any moment,
 * either side leaves the old state or the new one. `name` is for messages.
 */
int ploop_client_push(int control_fd, int fd, int dir_fd, const char *name, struct stor_err *err);

/* Go on with these files below the top, base first, locked, which together read as the present
 * ones. */
int ploop_client_rebase(int control_fd, const int *fds, unsigned count, bool is_raw,
                        struct stor_err *err);

/* Make the top's file shorter. */
int ploop_client_compact(int control_fd, uint64_t *freed_bytes, struct stor_err *err);

int ploop_client_usage(int control_fd, struct ploop_usage *usage, struct stor_err *err);

#endif
