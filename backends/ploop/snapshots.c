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
#include "ploop/tool.h"
#include "ploop/volume.h"

static int check_folder(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;

	if (ploop_volume_open(volume, PLOOP_VOLUME_UNLOCKED, 0, &pv, err))
		return -1;
	if (pv.has_descriptor)
		return 0;
	host->fail(err, STOR_UNSUPPORTED, 0,
	           "ploop: %s: a lone image has no states; it needs a " PLOOP_DESCRIPTOR_NAME,
	           volume->path);
	host->hint(err, "stor volume convert -o descriptor=yes writes one");
	return -1;
}

/* A stopped volume, and who works on it. */
struct stopped {
	struct ploop_volume pv;
	struct ploop_disk disk;
	struct ploop_tool tool;
};

/* The folder of a volume, which may have been named by its descriptor. */
static int open_stopped(const struct stor_volume *volume, struct stopped *s, struct stor_err *err)
{
	if (check_folder(volume, err) ||
	    ploop_volume_open(volume, PLOOP_VOLUME_EXCLUSIVE, 0, &s->pv, err))
		return -1;
	if (ploop_disk_load(s->pv.dir, s->pv.path, PLOOP_DISK_RECOVER, &s->disk, err)) {
		ploop_volume_close(&s->pv);
		return -1;
	}
	s->tool = (struct ploop_tool){
		.choice = (enum ploop_tool_choice)volume->values[PLOOP_PARAM_TOOL].number,
		.pv = &s->pv,
	};
	s->disk.tool = &s->tool;
	return 0;
}

static void close_stopped(struct stopped *s)
{
	ploop_disk_close(&s->disk);
	ploop_volume_close(&s->pv);
}

/* --- running --- */

static int refuse_serverless(const struct ploop_volume *pv, struct stor_err *err)
{
	host->fail(err, STOR_UNSUPPORTED, 0,
	           "ploop: %s is %s, and has no server that could go on in other files", pv->path,
	           ploop_volume_serverless(pv));
	host->hint(err, "attach it with -o attach=engine, or do it when it is stopped");
	return -1;
}

/* The staged file, locked, becomes the server's top, and the staged descriptor the volume's. */
static int push(struct ploop_volume *pv, int control_fd, const char *file, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *top = NULL;
	int r = pv->dir->ops->open(pv->dir, file, PLOOP_OPEN_WRITE, &top);

	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: open \"%s\"", file);
	if (copyfile_lock(top->fd, LOCK_EX, 0))
		return host->fail(err, STOR_BUSY, errno, "ploop: lock \"%s\"", file);
	return ploop_client_push(control_fd, top->fd, pv->dir_fd, file, err);
}

static int put_new_top(struct ploop_volume *pv, struct ploop_disk *disk,
                       const struct stor_snapshot_req *req, const char *id, struct stor_err *err)
{
	cleanup_free char *file = NULL;
	int r;

	if (ploop_op_snapshot_stage(disk, id, &file, err))
		return -1;
	kill_point("ploop-snapshot-staged");
	r = push(pv, req->control_fd, file, err);
	kill_point("ploop-snapshot-pushed");
	/* A server that is gone may have done it, or not. */
	if (ploop_op_snapshot_staged(disk, file, err) && !r)
		return host->fail(err, STOR_FAILED, 0, "ploop: %s: the new descriptor is gone",
		                  pv->path);
	return r;
}

/* Other users keep the shared lock: nothing is recovered, and files are not locked. */
static int open_running(const struct stor_volume *volume, int control_fd, struct ploop_volume *pv,
                        struct ploop_disk *disk, struct stor_err *err)
{
	if (check_folder(volume, err) || ploop_volume_open(volume, 0, 0, pv, err))
		return -1;
	return control_fd < 0 ? refuse_serverless(pv, err)
	                      : ploop_disk_load(pv->dir, pv->path, 0, disk, err);
}

static int snapshot_running(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                            struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	struct ploop_disk disk;
	int r;

	if (open_running(volume, req->control_fd, &pv, &disk, err))
		return -1;
	r = put_new_top(&pv, &disk, req, req->id, err);
	ploop_disk_close(&disk);
	return r;
}

/* The server reads the files that the descriptor now names below the top. */
static int rebase(struct ploop_volume *pv, int control_fd, struct stor_err *err)
{
	int fds[PLOOP_CHAIN_MAX];
	bool is_raw;

	ploop_descriptor_free(&pv->descriptor);
	if (ploop_descriptor_load(pv->dir, &pv->descriptor, err) ||
	    ploop_volume_open_below(pv, err))
		return -1;
	is_raw = pv->count && pv->links[0].is_raw;
	for (unsigned i = 0; i < pv->count; i++)
		fds[i] = pv->links[i].file->fd;
	return ploop_client_rebase(control_fd, fds, pv->count, is_raw, err);
}

static int merge_running(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                         struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	struct ploop_fold fold;
	struct ploop_disk disk;
	int r;

	if (open_running(volume, req->control_fd, &pv, &disk, err))
		return -1;
	r = ploop_op_merge_begin(&disk, req->id, req->until, &fold, err);
	if (!r && fold.needs_state)
		r = put_new_top(&pv, &disk, req, NULL, err);
	kill_point("ploop-merge-begun");
	if (!r)
		r = ploop_op_merge_fold(&disk, &fold, err);
	kill_point("ploop-merge-folded");
	ploop_disk_close(&disk);
	return r ? r : rebase(&pv, req->control_fd, err);
}

/* --- the callbacks --- */

int ploop_snapshot(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err)
{
	struct stopped s;
	int r;

	if (req->root_fd >= 0)
		return snapshot_running(volume, req, err);
	if (open_stopped(volume, &s, err))
		return -1;
	r = ploop_op_snapshot(&s.disk, req->id, err);
	close_stopped(&s);
	return r;
}

int ploop_snapshot_list(const struct stor_volume *volume, const struct stor_snapshot_list_req *req,
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
	r = ploop_op_snapshots(&disk, req->emit, req->emit_ctx, err);
	ploop_disk_close(&disk);
	return r;
}

/* What is done to a stopped volume alone. */
typedef int (*stopped_op)(struct ploop_disk *disk, const struct stor_snapshot_req *req,
                          struct stor_err *err);

static int run_stopped(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                       stopped_op op, struct stor_err *err)
{
	struct stopped s;
	int r;

	if (req->root_fd >= 0)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: %s is in use; this is done when it is stopped",
		                  volume->path);
	if (open_stopped(volume, &s, err))
		return -1;
	r = op(&s.disk, req, err);
	close_stopped(&s);
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
	if (req->root_fd >= 0)
		return merge_running(volume, req, err);
	return run_stopped(volume, req, op_merge, err);
}

static int restore_descriptor(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;

	if (ploop_volume_open(volume, PLOOP_VOLUME_EXCLUSIVE, 0, &pv, err))
		return -1;
	if (pv.has_descriptor)
		return host->fail(err, STOR_USAGE, 0,
		                  "ploop: %s has a " PLOOP_DESCRIPTOR_NAME " already",
		                  volume->path);
	/* For the lock, and to see that it can be opened. */
	if (ploop_volume_open_chain(&pv, NULL, true, 0, err))
		return -1;
	return ploop_op_restore_descriptor(pv.dir, pv.descriptor.images[0].file, err);
}

int ploop_convert(const struct stor_volume *volume, const struct stor_convert_req *req,
                  struct stor_err *err)
{
	const struct stor_value *values = volume->values;
	unsigned version = (unsigned)values[PLOOP_PARAM_FORMAT].number + 1;
	struct stopped s;
	int r = 0;

	(void)req;
	if (values[PLOOP_PARAM_CLUSTER].is_explicit || values[PLOOP_PARAM_JOURNAL].is_explicit ||
	    values[PLOOP_PARAM_INODE_RATIO].is_explicit)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: only format and layout can be converted");
	/* Of the disk in the image's folder then: another command's work. */
	if (values[PLOOP_PARAM_DESCRIPTOR].number)
		return restore_descriptor(volume, err);
	if (open_stopped(volume, &s, err))
		return -1;
	if (values[PLOOP_PARAM_LAYOUT].is_explicit)
		r = ploop_op_convert_layout(
			&s.disk, (enum ploop_op_layout)values[PLOOP_PARAM_LAYOUT].number,
			values[PLOOP_PARAM_FORMAT].is_explicit ? version : 0, err);
	if (!r && values[PLOOP_PARAM_FORMAT].is_explicit)
		r = ploop_op_convert_version(&s.disk, version, err);
	close_stopped(&s);
	return r;
}
