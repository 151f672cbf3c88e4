/* SPDX-License-Identifier: BSD-3-Clause */
/* snapdir's snapshots, and what they need of snapdir.c. */
#ifndef SNAPDIR_SNAPSHOTS_H
#define SNAPDIR_SNAPSHOTS_H

#include "tree.h"

/* Indexes into the parameter table. */
enum { SNAPDIR_COPY, SNAPDIR_ATIME };

/* Open a directory below the volume's own ("" is that itself). -1 with err filled. */
int snapdir_open(const struct stor_volume *volume, const char *below, struct stor_err *err);

/* flock() fd, waiting at most wait_ms; STOR_BUSY after that. */
int snapdir_lock(int fd, int operation, uint32_t wait_ms, const char *path, struct stor_err *err);

enum tree_copy_mode snapdir_copy_mode(const struct stor_volume *volume);

/* Callbacks of <stor/backend.h>. */
int snapshots_take(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err);
int snapshots_list(const struct stor_volume *volume, const struct stor_snapshot_list_req *req,
                   struct stor_err *err);
int snapshots_delete(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                     struct stor_err *err);
int snapshots_rollback(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                       struct stor_err *err);

/* The part of check() that concerns snapshots and unfinished work. */
int snapshots_check(const struct stor_volume *volume, int volume_fd,
                    const struct stor_check_req *req, enum stor_verdict *verdict,
                    struct stor_err *err);

#endif
