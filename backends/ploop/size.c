/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another size for the disk: the top image, the partition table, the descriptor. A disk that grew
 * and whose descriptor or partition does not say so yet is good as it is; so growing goes from the
 * image up, and shrinking the other way.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/superblock.h>
#include <stor/util.h>

#include "common/ext4_shrink.h"
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
	uint64_t room_bytes; /* of the filesystem on a smaller disk */
};

/* First the filesystem has to become smaller. */
#define FILESYSTEM_FIRST 1

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

/* What a parent has beyond the new end would show when the disk grows again. */
static int check_parents(const struct resize *s, struct stor_err *err)
{
	for (unsigned i = 0; i + 1 < s->pv.count; i++) {
		const struct ploop_link *link = &s->pv.links[i];
		uint8_t raw[PLOOP_HEADER_BYTES];
		struct ploop_header header;
		uint64_t size = 0;
		int r = link->is_raw ? link->file->ops->size(link->file, &size)
		                     : link->file->ops->pread(link->file, raw, sizeof(raw), 0);

		if (r)
			return host->fail(err, STOR_FAILED, -r, "ploop: read \"%s\"", link->name);
		if (!link->is_raw && !ploop_header_parse(raw, &header))
			size = header.sectors * PLOOP_SECTOR;
		if (size <= s->size_bytes)
			continue;
		host->fail(err, STOR_UNSUPPORTED, 0,
		           "ploop: %s cannot become smaller than the snapshot that it lies on",
		           s->pv.path);
		host->hint(err, "merge its snapshots first");
		return -1;
	}
	return 0;
}

/* What the filesystem will have on the smaller disk, and needs now. */
static int measure_filesystem(struct resize *s, struct blockdev *disk, uint64_t *needs,
                              struct stor_err *err)
{
	struct ploop_extent extent;
	struct blockdev *dev;
	struct gpt_partition fits;
	uint8_t start[4096] = { 0 };
	struct stor_superblock sb = { .fs_type = NULL };
	int r;

	if (ploop_find_filesystem(disk, s->pv.path, &extent, err))
		return -1;
	s->room_bytes = s->size_bytes;
	if (extent.is_partition) {
		uint64_t end = 0;

		if (!gpt_layout(s->size_bytes / PLOOP_SECTOR, s->pv.descriptor.cluster_sectors,
		                &fits))
			end = (fits.first_sector + fits.sectors) * PLOOP_SECTOR;
		s->room_bytes = end > extent.offset_bytes ? end - extent.offset_bytes : 0;
	}
	dev = window_open(disk, extent.offset_bytes, extent.size_bytes);
	r = dev ? blockdev_pread(dev, start, sizeof(start), 0) : -errno;
	blockdev_close(dev);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: %s: read superblock", s->pv.path);
	*needs = stor_superblock_ext_(start + 1024, &sb) ? sb.size_bytes : UINT64_MAX;
	return 0;
}

/* The partition table of the smaller disk, while the larger one is there. */
static int shrink_partition(const struct resize *s, struct blockdev *disk, struct stor_err *err)
{
	struct gpt_partition partition, wanted;
	struct blockdev *smaller;
	enum gpt_state state;
	int r = gpt_read(disk, &state, &partition);

	if (!r && state == GPT_NONE)
		return 0;
	if (!r &&
	    gpt_layout(s->size_bytes / PLOOP_SECTOR, s->pv.descriptor.cluster_sectors, &wanted) < 0)
		return host->fail(err, STOR_USAGE, 0, "ploop: %s: too small for a partition",
		                  s->pv.path);
	smaller = r ? NULL : window_open(disk, 0, s->size_bytes);
	if (!r && !smaller)
		r = -errno;
	if (!r) {
		wanted.sectors += wanted.first_sector - partition.first_sector;
		wanted.first_sector = partition.first_sector;
		r = gpt_write(smaller, &wanted);
	}
	blockdev_close(smaller);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: %s: write partition table", s->pv.path)
	         : 0;
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

/* Also FILESYSTEM_FIRST. */
static int shrink(struct resize *s, struct stor_err *err)
{
	struct ploop_engine *engine;
	struct blockdev *disk;
	uint64_t needs = 0;
	int r;

	if (check_parents(s, err))
		return -1;
	engine = ploop_volume_engine(&s->pv, true, err);
	if (!engine)
		return -1;
	disk = ploop_engine_blockdev(engine);
	r = measure_filesystem(s, disk, &needs, err);
	if (!r && needs > s->room_bytes)
		r = FILESYSTEM_FIRST;
	if (!r)
		r = shrink_partition(s, disk, err);
	if (!r) {
		r = blockdev_discard(disk, s->size_bytes, disk->size_bytes - s->size_bytes);
		if (!r)
			r = blockdev_flush(disk);
		if (r)
			r = host->fail(err, STOR_FAILED, -r, "ploop: %s: free its end", s->pv.path);
	}
	if (ploop_engine_close(engine, err))
		return -1;
	if (r)
		return r;
	return store_size(s, err) || cut_top(s, err) ? -1 : 0;
}

/* On the attached volume, which nobody mounts. */
static int shrink_filesystem(const struct stor_volume *volume, uint64_t room_bytes,
                             struct stor_err *err)
{
	struct stor_attach_req req = { .struct_size = sizeof(req), .userns_fd = -1 };
	struct stor_attachment at = { .struct_size = sizeof(at) };
	int r = ploop_attach(volume, &req, &at, err);

	if (r)
		return -1;
	r = ext4_shrink(at.fd, room_bytes, volume->path, err);
	if (!r && fsync(at.fd) < 0)
		r = host->fail(err, STOR_FAILED, errno, "shrink %s", volume->path);
	return ploop_end_attachment(volume, &at, err) ? -1 : r;
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
		           "ploop: %s is %s, and cannot grow while it is in use", pv->path,
		           ploop_volume_serverless(pv));
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

static int resize_stopped(const struct stor_volume *volume, struct resize *s, struct stor_err *err)
{
	int r;

	if (ploop_volume_open(volume, PLOOP_VOLUME_EXCLUSIVE, 0, &s->pv, err))
		return -1;
	r = resize_files(s, err);
	ploop_volume_close(&s->pv);
	return r;
}

int ploop_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                 struct stor_err *err)
{
	struct resize s = { .size_bytes = req->size_bytes };
	int r;

	if (req->root_fd >= 0)
		return resize_running(volume, req, err);
	r = resize_stopped(volume, &s, err);
	if (r != FILESYSTEM_FIRST)
		return r;
	if (shrink_filesystem(volume, s.room_bytes, err))
		return -1;
	r = resize_stopped(volume, &s, err);
	return r == FILESYSTEM_FIRST
	               ? host->fail(err, STOR_FAILED, 0,
	                            "ploop: %s: its filesystem is as large as before", volume->path)
	               : r;
}
