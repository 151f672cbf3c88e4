/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another size for the disk: the top image, the partition table, the descriptor. A disk that grew
 * and whose descriptor or partition does not say so yet is good as it is; so growing goes from the
 * image up, and shrinking the other way.
 */
#include <errno.h>
#include <string.h>

#include <stor/kill_point.h>
#include <stor/superblock.h>
#include <stor/util.h>

#include "common/gpt.h"
#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/client.h"
#include "ploop/partition.h"
#include "ploop/seal.h"
#include "ploop/volume.h"
#include "ploop/window.h"

struct resize {
	struct ploop_volume pv;
	uint64_t size_bytes;
};

static int store_size(struct resize *s, struct stor_err *err)
{
	s->pv.descriptor.sectors = s->size_bytes / PLOOP_SECTOR;
	return s->pv.has_descriptor ? ploop_descriptor_store(s->pv.dir, &s->pv.descriptor, err) : 0;
}

static int fit_partition(const struct resize *s, struct ploop_engine *engine, struct stor_err *err)
{
	uint64_t end;

	return ploop_fit_partition(ploop_engine_blockdev(engine), s->pv.descriptor.cluster_sectors,
	                           s->pv.path, &end, err);
}

static int grow(struct resize *s, struct stor_err *err)
{
	bool is_full = s->pv.descriptor.is_preallocated && s->pv.count == 1;
	struct ploop_engine *engine = ploop_volume_engine(&s->pv, true, err);
	int r;

	if (!engine)
		return -1;
	r = ploop_engine_grow(engine, s->size_bytes, err);
	if (!r && is_full)
		r = ploop_engine_preallocate(engine, err);
	if (!r)
		r = fit_partition(s, engine, err);
	if (ploop_engine_close(engine, err) || r)
		return -1;
	if (is_full && (ploop_volume_open_chain(&s->pv, NULL, true, 0, err) ||
	                ploop_seal_all(ploop_volume_top(&s->pv)->file, s->pv.path, err)))
		return -1;
	return store_size(s, err);
}

/* --- smaller --- */

/*
 * A disk only becomes smaller to take back a growth that its filesystem did not follow: never into
 * what the filesystem says it needs.
 */
static int check_shrink(const struct resize *s, struct blockdev *disk, struct stor_err *err)
{
	struct ploop_extent extent;
	struct blockdev *dev;
	struct gpt_partition fits;
	uint8_t start[4096] = { 0 };
	struct stor_superblock sb = { .fs_type = NULL };
	uint64_t room = s->size_bytes;
	int r;

	if (ploop_find_filesystem(disk, s->pv.path, &extent, err))
		return -1;
	if (extent.is_partition) {
		room = 0;
		if (!gpt_layout(s->size_bytes / PLOOP_SECTOR, s->pv.descriptor.cluster_sectors,
		                &fits))
			room = (fits.first_sector + fits.sectors) * PLOOP_SECTOR;
		room = room > extent.offset_bytes ? room - extent.offset_bytes : 0;
	}
	dev = window_open(disk, extent.offset_bytes, extent.size_bytes);
	r = dev ? blockdev_pread(dev, start, sizeof(start), 0) : -errno;
	blockdev_close(dev);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: %s: read superblock", s->pv.path);
	if (stor_superblock_ext_(start + 1024, &sb) && sb.size_bytes <= room)
		return 0;
	host->fail(err, STOR_UNSUPPORTED, 0, "ploop: cannot make the filesystem in %s smaller",
	           s->pv.path);
	host->hint(err, "create a smaller volume and copy the files");
	return -1;
}

/* Nothing of the top is left beyond the new end, so its table can end there. */
static int cut_top(struct resize *s, struct stor_err *err)
{
	struct ploop_link *top;
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header;
	const char *why = NULL;
	int r;

	if (ploop_volume_open_chain(&s->pv, NULL, true, 0, err))
		return -1;
	top = ploop_volume_top(&s->pv);
	if (top->is_raw) {
		r = top->file->ops->truncate(top->file, s->size_bytes);
	} else {
		r = top->file->ops->pread(top->file, raw, sizeof(raw), 0);
		if (!r)
			why = ploop_header_parse(raw, &header);
		if (!r && !why)
			why = ploop_header_resize(&header, s->size_bytes / PLOOP_SECTOR);
		if (why)
			return host->fail(err, STOR_FAILED, 0, "ploop: \"%s\": %s", top->name, why);
		if (!r) {
			ploop_header_encode(&header, raw);
			r = top->file->ops->pwrite(top->file, raw, sizeof(raw), 0);
		}
	}
	if (!r)
		r = top->file->ops->sync(top->file);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: shrink \"%s\"", top->name);
	ploop_volume_close_chain(&s->pv);
	return 0;
}

static int open_engine(struct resize *s, struct ploop_engine **engine, struct stor_err *err)
{
	if (ploop_volume_open_chain(&s->pv, NULL, true, 0, err))
		return -1;
	*engine = ploop_volume_engine(&s->pv, true, err);
	return *engine ? 0 : -1;
}

static int shrink(struct resize *s, struct stor_err *err)
{
	struct ploop_engine *engine = ploop_volume_engine(&s->pv, true, err);
	struct blockdev *disk;
	int r;

	if (!engine)
		return -1;
	disk = ploop_engine_blockdev(engine);
	r = check_shrink(s, disk, err);
	if (!r) {
		r = blockdev_discard(disk, s->size_bytes, disk->size_bytes - s->size_bytes);
		if (!r)
			r = blockdev_flush(disk);
		if (r)
			host->fail(err, STOR_FAILED, -r, "ploop: %s: free its end", s->pv.path);
	}
	if (ploop_engine_close(engine, err) || r)
		return -1;
	if (store_size(s, err) || cut_top(s, err) || open_engine(s, &engine, err))
		return -1;
	r = fit_partition(s, engine, err);
	return ploop_engine_close(engine, err) || r ? -1 : 0;
}

static int resize_files(struct resize *s, struct stor_err *err)
{
	uint64_t cluster = (uint64_t)s->pv.descriptor.cluster_sectors * PLOOP_SECTOR;
	uint64_t old_bytes = s->pv.descriptor.sectors * PLOOP_SECTOR;

	s->size_bytes = s->size_bytes / cluster * cluster;
	if (!s->size_bytes)
		return host->fail(err, STOR_USAGE, 0, "ploop: %s: a disk has at least one cluster",
		                  s->pv.path);
	if (s->size_bytes == old_bytes)
		return 0;
	if (ploop_volume_open_chain(&s->pv, NULL, true, 0, err))
		return -1;
	return s->size_bytes > old_bytes ? grow(s, err) : shrink(s, err);
}

/* --- while it is used --- */

static int check_running(const struct ploop_volume *pv, const struct stor_resize_req *req,
                         uint64_t size_bytes, struct stor_err *err)
{
	if (req->control_fd < 0) {
		host->fail(err, STOR_UNSUPPORTED, 0,
		           "ploop: %s is attached directly, and cannot grow while it is in use",
		           pv->path);
		host->hint(err, "attach it with -o attach=engine, or resize it when it is stopped");
		return -1;
	}
	if (pv->descriptor.is_preallocated)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: %s is preallocated, and cannot grow while it is in use",
		                  pv->path);
	return size_bytes >= pv->descriptor.sectors * PLOOP_SECTOR
	               ? 0
	               : host->fail(err, STOR_UNSUPPORTED, 0,
	                            "ploop: %s cannot become smaller while it is in use", pv->path);
}

/* The server does all but the descriptor; interrupted, it is done again. */
static int resize_running(const struct stor_volume *volume, const struct stor_resize_req *req,
                          struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	uint64_t cluster, size_bytes;

	if (ploop_volume_open(volume, 0, 0, &pv, err))
		return -1;
	cluster = (uint64_t)pv.descriptor.cluster_sectors * PLOOP_SECTOR;
	size_bytes = req->size_bytes / cluster * cluster;
	if (check_running(&pv, req, size_bytes, err))
		return -1;
	if (size_bytes == pv.descriptor.sectors * PLOOP_SECTOR)
		return 0;
	if (ploop_client_grow(req->control_fd, req->root_fd, size_bytes, err))
		return -1;
	kill_point("ploop-grown");
	pv.descriptor.sectors = size_bytes / PLOOP_SECTOR;
	return pv.has_descriptor ? ploop_descriptor_store(pv.dir, &pv.descriptor, err) : 0;
}

int ploop_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                 struct stor_err *err)
{
	struct resize s = { .size_bytes = req->size_bytes };
	int r;

	if (req->root_fd >= 0)
		return resize_running(volume, req, err);
	if (ploop_volume_open(volume, PLOOP_VOLUME_EXCLUSIVE, 0, &s.pv, err))
		return -1;
	r = resize_files(&s, err);
	ploop_volume_close(&s.pv);
	return r;
}
