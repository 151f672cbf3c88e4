/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching: the chain is opened and locked, the way chosen, and the partition's device made. The
 * locks stay with whoever holds the files then: the loop device, or the server.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/host.h"
#include "common/loopdev.h"
#include "common/shutdown.h"
#include "ploop/backend.h"
#include "ploop/direct.h"
#include "ploop/driver.h"
#include "ploop/kernel.h"
#include "ploop/ops.h"
#include "ploop/server.h"
#include "ploop/volume.h"

/* How long the kernel may take to let go of a device whose last user is gone. */
#define DETACH_WAIT_MS 10000u

/* Longer than what a container reads to start. */
#define DIRECT_AFTER_MS 1000

#define TOKEN "in-use mark"

struct attach {
	const struct stor_volume *volume;
	const struct stor_attach_req *req;
	struct ploop_volume pv;
	bool read_only;
	const char *guid; /* of the state; NULL: the live one */
};

static int attach_direct(struct attach *a, uint64_t offset, uint64_t size,
                         struct stor_attachment *attachment, struct stor_err *err)
{
	const struct stor_value *values = a->volume->values;
	struct loopdev_opts opts = { .read_only = a->read_only };
	bool is_raw = a->pv.links[0].is_raw;
	struct blockdev *file_dev, *disk;
	struct ploop_extent extent;
	int r;

	disk = ploop_direct_blockdev(&a->pv, offset, size, &file_dev);
	if (!disk)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s", a->pv.path);
	r = ploop_find_filesystem(disk, a->pv.path, &extent, err);
	blockdev_close(disk);
	blockdev_close(file_dev);
	if (r)
		return -1;
	/* A token makes sure that the mark is taken back, whoever ends. What goes away needs none.
	 */
	if (!a->read_only && !is_raw && !(a->req->flags & STOR_ATTACH_EPHEMERAL)) {
		if (a->req->record_token &&
		    a->req->record_token(a->req->record_token_ctx, TOKEN, err) < 0)
			return -1;
		if (ploop_direct_mark(&a->pv, err))
			return -1;
		kill_point("ploop-marked");
	}
	opts.block_bytes = extent.block_bytes;
	opts.offset_bytes = offset + extent.offset_bytes;
	opts.size_bytes = extent.size_bytes;
	if (values[PLOOP_PARAM_DIRECT_IO].number == PLOOP_DIRECT_IO_YES)
		opts.io = LOOPDEV_DIRECT;
	attachment->fd = loopdev_attach(a->pv.links[0].file->fd, a->pv.path, &opts, err);
	if (attachment->fd < 0)
		return -1;
	attachment->how = opts.io == LOOPDEV_DIRECT ? "direct, direct I/O" : "direct, buffered";
	if (values[PLOOP_PARAM_DISCARD].number && !a->read_only && is_raw)
		attachment->flags |= STOR_ATTACHED_DISCARD;
	return 0;
}

/* Looks at the disk through an engine of its own, which writes nothing: what a writer left behind
 * is read as well as it is recovered. */
static int find_in_chain(struct attach *a, struct ploop_extent *extent, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume look = PLOOP_VOLUME_INIT;
	struct ploop_engine *engine;
	int r;

	if (ploop_volume_open(a->volume, PLOOP_VOLUME_UNLOCKED, 0, &look, err) ||
	    ploop_volume_open_chain(&look, a->guid, false, 0, err))
		return -1;
	engine = ploop_volume_engine(&look, false, err);
	if (!engine)
		return -1;
	r = ploop_find_filesystem(ploop_engine_blockdev(engine), a->pv.path, extent, err);
	ploop_engine_abandon(engine);
	return r;
}

/*
 * A volume's own files are not kept in memory twice. But a start reads what the last one has read;
 * and what all clones of an image share, and what is thrown away, is best in the page cache.
 */
static void choose_cache(const struct attach *a, struct ploop_server_params *params)
{
	enum ploop_direct_io choice =
		(enum ploop_direct_io)a->volume->values[PLOOP_PARAM_DIRECT_IO].number;

	params->direct_after_ms = choice == PLOOP_DIRECT_IO_YES ? 0
	                          : choice == PLOOP_DIRECT_IO_NO || params->is_throwaway
	                                  ? -1
	                                  : DIRECT_AFTER_MS;
	if (choice == PLOOP_DIRECT_IO_YES || a->pv.is_foreign)
		return;
	/* A clone names its image's files by absolute paths. */
	while (params->shared_files < a->pv.count &&
	       a->pv.links[params->shared_files].name[0] == '/')
		params->shared_files++;
}

static int attach_engine(struct attach *a, struct stor_attachment *attachment, struct stor_err *err)
{
	const struct stor_value *values = a->volume->values;
	struct ploop_open_params open = ploop_volume_params(&a->pv, !a->read_only);
	struct ploop_server_params params = { .open = &open,
		                              .read_only = a->read_only,
		                              .is_throwaway = a->pv.dir->is_throwaway,
		                              .lock_fd = a->pv.lock_fd };
	struct ploop_extent extent;
	char name[PATH_MAX];
	int r;

	if (find_in_chain(a, &extent, err))
		return -1;
	snprintf(name, sizeof(name), "stor-ploop %.4000s", a->volume->path);
	params.name = name;
	params.direct_io = values[PLOOP_PARAM_DIRECT_IO].number != PLOOP_DIRECT_IO_NO;
	choose_cache(a, &params);
	params.block_bytes = extent.block_bytes;
	params.offset_bytes = extent.offset_bytes;
	params.size_bytes = extent.size_bytes;
	params.is_partition = extent.is_partition;
	r = ploop_server_attach(&params, attachment, err);
	/* Taken over, also on failure. */
	for (unsigned i = 0; i < a->pv.count; i++)
		a->pv.links[i].file = NULL;
	if (!r && values[PLOOP_PARAM_DISCARD].number && !a->read_only)
		attachment->flags |= STOR_ATTACHED_DISCARD;
	return r;
}

static int refuse_kernel(const struct attach *a, const char *why, struct stor_err *err)
{
	host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s: attach=kernel: %s", a->pv.path, why);
	host->hint(err, "attach=auto needs neither driver nor libploop");
	return -1;
}

/*
 * Why `auto` does not ask the driver. What reads must change nothing, and libploop opens the top
 * for writing even then, to mend it. What is thrown away should leave nothing that must be taken
 * down. Work within one command leaves no token behind.
 */
static const char *avoids_kernel(const struct attach *a)
{
	if (!ploop_driver_is_there())
		return "this kernel has no ploop driver";
	if (a->read_only)
		return "not for reading alone: libploop writes to images all the same";
	if (!a->req->record_token)
		return "not for work on a stopped volume";
	return ploop_kernel_refuses(&a->pv);
}

/* 1: another way has to be taken. */
static int try_kernel(struct attach *a, bool is_wanted, struct stor_attachment *attachment,
                      struct stor_err *err)
{
	const char *why = avoids_kernel(a);
	char text[600];
	int r = 1;

	if (!why && (is_wanted || !(a->req->flags & STOR_ATTACH_EPHEMERAL))) {
		r = ploop_kernel_attach(&a->pv, a->req, attachment, text, sizeof(text), err);
		why = text;
	}
	if (r != 1)
		return r;
	/* A check or a resize attaches a volume by itself, whatever its runs are told. */
	if (is_wanted && a->req->record_token)
		return refuse_kernel(a, why, err);
	host->log(STOR_LOG_DEBUG, "ploop: not attached by the kernel: %s",
	          why ? why : "it is thrown away");
	return 1;
}

static int choose_and_attach(struct attach *a, struct stor_attachment *attachment,
                             struct stor_err *err)
{
	enum ploop_attach_mode mode =
		(enum ploop_attach_mode)a->volume->values[PLOOP_PARAM_ATTACH].number;
	uint64_t offset = 0, size = 0;
	const char *why;
	int r;

	if (mode == PLOOP_ATTACH_AUTO || mode == PLOOP_ATTACH_KERNEL) {
		r = try_kernel(a, mode == PLOOP_ATTACH_KERNEL, attachment, err);
		if (r != 1)
			return r;
	}
	why = mode == PLOOP_ATTACH_ENGINE ? "" : ploop_direct_place(&a->pv, &offset, &size);
	if (!why)
		return attach_direct(a, offset, size, attachment, err);
	if (mode == PLOOP_ATTACH_DIRECT) {
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s: attach=direct: %s", a->pv.path,
		           why);
		host->hint(err, "volumes made with layout=preallocated can be attached so; "
		                "for a run of an image with clone=overlay, as clones are chains");
		return -1;
	}
	return attach_engine(a, attachment, err);
}

int ploop_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                 struct stor_attachment *attachment, struct stor_err *err)
{
	struct attach a = { .volume = volume,
		            .req = req,
		            .pv = PLOOP_VOLUME_INIT,
		            .read_only = req->flags & STOR_ATTACH_READ_ONLY };
	char guid[GUID_TEXT_BYTES];
	int r = -1;

	attachment->kind = STOR_ATTACHED_BLOCK;
	attachment->fd = attachment->lock_fd = -1;
	attachment->control_fd = attachment->server_pidfd = -1;
	if (ploop_volume_open(volume, a.read_only ? PLOOP_VOLUME_READS : 0, req->busy_wait_ms,
	                      &a.pv, err))
		return -1;
	a.pv.dir->is_throwaway = req->flags & STOR_ATTACH_EPHEMERAL;
	if (req->snapshot) {
		ploop_snapshot_guid(req->snapshot, guid);
		a.guid = guid;
		a.read_only = true;
	}
	if (req->snapshot && !ploop_descriptor_shot(&a.pv.descriptor, guid))
		r = host->fail(err, STOR_NOT_FOUND, 0, "ploop: no snapshot \"%s\"", req->snapshot);
	else if (!ploop_volume_open_chain(&a.pv, a.guid, !a.read_only, req->busy_wait_ms, err)) {
		kill_point("ploop-locked");
		r = choose_and_attach(&a, attachment, err);
	}
	if (!r)
		attachment->lock_fd = steal_fd(&a.pv.lock_fd);
	ploop_volume_close(&a.pv);
	return r;
}

/* Whoever attached it for writing is gone once the top can be locked; its mark then goes too. */
static int settle(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	char device[PLOOP_DRIVER_NAME_BYTES];

	if (ploop_volume_open(volume, PLOOP_VOLUME_SERVED, DETACH_WAIT_MS, &pv, err) ||
	    ploop_volume_open_chain(&pv, NULL, true, DETACH_WAIT_MS, err))
		return -1;
	/* Its mark is another's by now: the driver's. */
	if (ploop_volume_is_served(&pv, true, device))
		return 0;
	return ploop_direct_unmark(&pv, err);
}

int ploop_end_attachment(const struct stor_volume *volume, struct stor_attachment *attachment,
                         struct stor_err *err)
{
	close_fd(&attachment->fd);
	close_fd(&attachment->control_fd);
	close_fd(&attachment->server_pidfd);
	close_fd(&attachment->lock_fd);
	return settle(volume, err);
}

/* A device of the driver is taken down; the in-use mark of a direct attachment goes once no loop
 * device has the file. */
int ploop_detach(const struct stor_volume *volume, const struct stor_detach_req *req,
                 struct stor_err *err)
{
	if (ploop_kernel_has_token(req->token))
		return ploop_kernel_detach(volume, req->token, err);
	if (strcmp(req->token, TOKEN) != 0)
		return host->fail(err, STOR_FAILED, 0, "ploop: unknown token \"%s\"", req->token);
	if (access(volume->path, F_OK) < 0 && errno == ENOENT)
		return 0;
	return settle(volume, err);
}

int ploop_release(const struct stor_volume *volume, const struct stor_release_req *req,
                  struct stor_err *err)
{
	(void)volume;
	(void)err;
	shutdown_discarded(req, "ploop");
	return 0;
}
