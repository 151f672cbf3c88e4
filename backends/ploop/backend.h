/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The `ploop` backend: what the files that answer its callbacks share. */
#ifndef PLOOP_BACKEND_H
#define PLOOP_BACKEND_H

#include <stdbool.h>

#include <stor/backend.h>

/* Rows of the parameter table, which stor_volume.values is parallel to. */
enum ploop_param {
	PLOOP_PARAM_FORMAT,
	PLOOP_PARAM_CLUSTER,
	PLOOP_PARAM_LAYOUT,
	PLOOP_PARAM_INODE_RATIO,
	PLOOP_PARAM_JOURNAL,
	PLOOP_PARAM_ATTACH,
	PLOOP_PARAM_DIRECT_IO,
	PLOOP_PARAM_DISCARD,
	PLOOP_PARAM_TOOL,
	PLOOP_PARAM_DESCRIPTOR,
};

/* Choices of PLOOP_PARAM_LAYOUT. */
enum ploop_layout { PLOOP_EXPANDABLE, PLOOP_PREALLOCATED, PLOOP_RAW };

/* Choices of PLOOP_PARAM_ATTACH. */
enum ploop_attach_mode {
	PLOOP_ATTACH_AUTO,
	PLOOP_ATTACH_KERNEL,
	PLOOP_ATTACH_DIRECT,
	PLOOP_ATTACH_ENGINE
};

/* Choices of PLOOP_PARAM_DIRECT_IO. */
enum ploop_direct_io { PLOOP_DIRECT_IO_AUTO, PLOOP_DIRECT_IO_YES, PLOOP_DIRECT_IO_NO };

/* The base of a volume of the store. */
#define PLOOP_BASE_NAME "root.hds"

/* Callbacks. */
int ploop_create(const struct stor_volume *volume, const struct stor_create_req *req,
                 struct stor_err *err);
int ploop_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                 struct stor_attachment *attachment, struct stor_err *err);
int ploop_detach(const struct stor_volume *volume, const struct stor_detach_req *req,
                 struct stor_err *err);
int ploop_release(const struct stor_volume *volume, const struct stor_release_req *req,
                  struct stor_err *err);
int ploop_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err);
int ploop_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                  struct stor_err *err);
int ploop_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
                struct stor_err *err);
int ploop_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                 struct stor_err *err);
int ploop_check(const struct stor_volume *volume, const struct stor_check_req *req,
                enum stor_verdict *verdict, struct stor_err *err);
int ploop_compact(const struct stor_volume *volume, struct stor_compact_req *req,
                  struct stor_err *err);
int ploop_examine(const struct stor_examine_req *req, struct stor_err *err);

int ploop_snapshot(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err);
int ploop_snapshot_list(const struct stor_volume *volume, const struct stor_snapshot_list_req *req,
                        struct stor_err *err);
int ploop_snapshot_delete(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                          struct stor_err *err);
int ploop_rollback(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err);
int ploop_merge(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                struct stor_err *err);
int ploop_convert(const struct stor_volume *volume, const struct stor_convert_req *req,
                  struct stor_err *err);

/* End an attachment that was made within a callback: its mark is taken back when this returns. */
int ploop_end_attachment(const struct stor_volume *volume, struct stor_attachment *attachment,
                         struct stor_err *err);

#endif
