/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The callbacks that change the tree of states: snapshots, merges, other formats. On a volume that
 * nobody has they are ops.h's; a running one gets its new top through its server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/client.h"
#include "ploop/ops.h"
#include "ploop/volume.h"

static int check_folder(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;

	if (ploop_volume_open(volume, PLOOP_VOLUME_UNLOCKED, 0, &pv, err))
		return -1;
	if (pv.has_descriptor)
		return 0;
	return host->fail(
		err, STOR_UNSUPPORTED, 0,
		"ploop: %s: a lone image has no states; it needs a " PLOOP_DESCRIPTOR_NAME,
		volume->path);
}

/* The folder of a volume, which may have been named by its descriptor. */
static int open_disk(const struct stor_volume *volume, struct ploop_volume *pv,
                     struct ploop_disk *disk, struct stor_err *err)
{
	if (check_folder(volume, err) ||
	    ploop_volume_open(volume, PLOOP_VOLUME_EXCLUSIVE, 0, pv, err))
		return -1;
	if (!ploop_disk_load(pv->dir, pv->path, PLOOP_DISK_RECOVER, disk, err))
		return 0;
	ploop_volume_close(pv);
	return -1;
}

static void close_disk(struct ploop_volume *pv, struct ploop_disk *disk)
{
	ploop_disk_close(disk);
	ploop_volume_close(pv);
}

/* --- running --- */

/* The new top, open and locked, becomes the server's; then the descriptor names it. Core has the
 * filesystem frozen. Should this be killed between, the next use of the volume finds a file that no
 * state has, with what was written since: so the name goes first into the descriptor only where
 * nothing was written yet, and the server holds writes back until it answered. */
static int push_and_commit(struct ploop_volume *pv, struct ploop_disk *disk,
                           const struct stor_snapshot_req *req, const char *file,
                           struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *top = NULL;
	int r = pv->dir->ops->open(pv->dir, file, PLOOP_OPEN_WRITE, &top);

	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: open \"%s\"", file);
	if (copyfile_lock(top->fd, LOCK_EX, 0))
		return host->fail(err, STOR_BUSY, errno, "ploop: lock \"%s\"", file);
	kill_point("ploop-snapshot-prepared");
	if (ploop_client_push(req->control_fd, top->fd, file, err))
		return -1;
	kill_point("ploop-snapshot-pushed");
	return ploop_op_snapshot_commit(disk, req->id, file, err);
}

static int snapshot_running(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                            struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	struct ploop_disk disk;
	char *file = NULL;
	int r;

	if (req->control_fd < 0) {
		host->fail(
			err, STOR_UNSUPPORTED, 0,
			"ploop: %s is attached directly, and has no server that could go on in a "
			"new file",
			volume->path);
		host->hint(err, "attach it with -o attach=engine, or take the snapshot when it is "
		                "stopped");
		return -1;
	}
	if (check_folder(volume, err) || ploop_volume_open(volume, 0, 0, &pv, err) ||
	    ploop_disk_load(pv.dir, pv.path, 0, &disk, err))
		return -1;
	r = ploop_op_snapshot_prepare(&disk, req->id, &file, err);
	if (!r) {
		r = push_and_commit(&pv, &disk, req, file, err);
		free(file);
	}
	ploop_disk_close(&disk);
	return r;
}

/* --- the callbacks --- */

int ploop_snapshot(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err)
{
	struct ploop_volume pv;
	struct ploop_disk disk;
	int r;

	if (req->root_fd >= 0)
		return snapshot_running(volume, req, err);
	if (open_disk(volume, &pv, &disk, err))
		return -1;
	r = ploop_op_snapshot(&disk, req->id, err);
	close_disk(&pv, &disk);
	return r;
}

int ploop_snapshot_list(const struct stor_volume *volume, stor_snapshot_fn emit, void *ctx,
                        struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	struct ploop_disk disk;
	int r;

	if (ploop_volume_open(volume, PLOOP_VOLUME_UNLOCKED, 0, &pv, err))
		return -1;
	if (!pv.has_descriptor)
		return 0;
	if (ploop_disk_load(pv.dir, pv.path, 0, &disk, err))
		return -1;
	r = ploop_op_snapshots(&disk, emit, ctx, err);
	ploop_disk_close(&disk);
	return r;
}

/* What is done to a stopped volume alone. */
typedef int (*stopped_op)(struct ploop_disk *disk, const struct stor_snapshot_req *req,
                          struct stor_err *err);

static int run_stopped(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                       stopped_op op, struct stor_err *err)
{
	struct ploop_volume pv;
	struct ploop_disk disk;
	int r;

	if (req->root_fd >= 0)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: %s is in use; this is done when it is stopped",
		                  volume->path);
	if (open_disk(volume, &pv, &disk, err))
		return -1;
	r = op(&disk, req, err);
	close_disk(&pv, &disk);
	return r;
}

static int op_delete(struct ploop_disk *disk, const struct stor_snapshot_req *req,
                     struct stor_err *err)
{
	return ploop_op_delete(disk, req->id, err);
}

static int op_rollback(struct ploop_disk *disk, const struct stor_snapshot_req *req,
                       struct stor_err *err)
{
	return ploop_op_rollback(disk, req->id, err);
}

static int op_merge(struct ploop_disk *disk, const struct stor_snapshot_req *req,
                    struct stor_err *err)
{
	return ploop_op_merge(disk, req->id, req->until, err);
}

int ploop_snapshot_delete(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                          struct stor_err *err)
{
	return run_stopped(volume, req, op_delete, err);
}

int ploop_rollback(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err)
{
	return run_stopped(volume, req, op_rollback, err);
}

int ploop_merge(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                struct stor_err *err)
{
	return run_stopped(volume, req, op_merge, err);
}

int ploop_convert(const struct stor_volume *volume, struct stor_err *err)
{
	const struct stor_value *values = volume->values;
	unsigned version = (unsigned)values[PLOOP_PARAM_FORMAT].number + 1;
	struct ploop_volume pv;
	struct ploop_disk disk;
	int r = 0;

	if (values[PLOOP_PARAM_CLUSTER].is_explicit || values[PLOOP_PARAM_JOURNAL].is_explicit ||
	    values[PLOOP_PARAM_INODE_RATIO].is_explicit)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: only format and layout can be converted");
	if (open_disk(volume, &pv, &disk, err))
		return -1;
	if (values[PLOOP_PARAM_LAYOUT].is_explicit)
		r = ploop_op_convert_layout(
			&disk, (enum ploop_op_layout)values[PLOOP_PARAM_LAYOUT].number,
			values[PLOOP_PARAM_FORMAT].is_explicit ? version : 0, err);
	if (!r && values[PLOOP_PARAM_FORMAT].is_explicit)
		r = ploop_op_convert_version(&disk, version, err);
	close_disk(&pv, &disk);
	return r;
}
