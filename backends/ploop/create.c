/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making volumes: DiskDescriptor.xml and one image, with a partition table as `ploop init` lays it
 * and an ext4 in the partition. What is thrown away after use gets a raw, sparse image that is all
 * filesystem, which is the quickest to make and to use.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/ext4.h"
#include "common/gpt.h"
#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/image.h"
#include "ploop/seal.h"
#include "ploop/tool.h"
#include "ploop/volume.h"
#include "ploop/window.h"

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_BYTES (UINT64_C(10) << 30)
/* Of layouts that take their space at once. */
#define DEFAULT_FULL_BYTES (UINT64_C(512) << 20)
#define SMALLEST_BYTES (16 * MIB)

struct plan {
	const struct stor_create_req *req;
	struct ploop_dir *dir;
	unsigned version;
	uint32_t cluster_sectors;
	enum ploop_layout layout;
	uint64_t size_bytes; /* of the disk */
	struct ext4_params ext4;
	bool is_throwaway; /* nobody sees it again after its only use */
	bool is_ephemeral; /* ... and how it is laid out does not matter */
	enum ploop_tool_choice tool;
	int dir_fd;
};

static int plan_params(struct plan *plan, const struct stor_volume *volume, struct stor_err *err)
{
	const struct stor_value *v = volume->values, *ratio = &v[PLOOP_PARAM_INODE_RATIO];
	const struct stor_value *journal = &v[PLOOP_PARAM_JOURNAL];
	const struct stor_value *layout = &v[PLOOP_PARAM_LAYOUT];
	uint64_t cluster = v[PLOOP_PARAM_CLUSTER].number;

	if (cluster < 32768 || cluster > 64 * MIB || cluster & (cluster - 1))
		return host->fail(err, STOR_USAGE, 0,
		                  "ploop: cluster must be a power of two from 32K to 64M, not %s",
		                  v[PLOOP_PARAM_CLUSTER].string);
	if (ratio->is_set && (ratio->number < 1024 || ratio->number > 64 * MIB))
		return host->fail(err, STOR_USAGE, 0,
		                  "ploop: inode-ratio must be between 1K and 64M, not %s",
		                  ratio->string);
	plan->version = (unsigned)v[PLOOP_PARAM_FORMAT].number + 1;
	plan->cluster_sectors = (uint32_t)(cluster / PLOOP_SECTOR);
	plan->is_throwaway = plan->req->flags & STOR_CREATE_EPHEMERAL;
	plan->is_ephemeral = plan->is_throwaway && !layout->is_explicit;
	plan->tool = (enum ploop_tool_choice)v[PLOOP_PARAM_TOOL].number;
	plan->layout = plan->is_ephemeral ? PLOOP_RAW : (enum ploop_layout)layout->number;
	plan->ext4 = (struct ext4_params){
		.block_bytes = 4096,
		.bytes_per_inode = ratio->is_set ? (uint32_t)ratio->number : 0,
		/* What is thrown away is never recovered. */
		.has_journal =
			plan->is_throwaway && !journal->is_explicit ? false : journal->number,
		.label = plan->req->fs_label,
		.is_ephemeral = plan->is_throwaway,
	};
	return 0;
}

/* Size of the disk: what was asked for, or the default, but enough for the source. */
static int plan_size(struct plan *plan, struct stor_err *err)
{
	uint64_t cluster = (uint64_t)plan->cluster_sectors * PLOOP_SECTOR, needed = 0;
	const struct stor_create_req *req = plan->req;
	uint64_t size = req->size_bytes;
	struct gpt_partition partition;

	if (!size) {
		if (req->source_fd >= 0 &&
		    ext4_estimate(req->source_fd, req->source_path, &plan->ext4, &needed, err) < 0)
			return -1;
		/* Room to work in: a quarter more. */
		needed += needed / 4 + 4 * cluster;
		size = plan->layout == PLOOP_EXPANDABLE || plan->is_ephemeral ? DEFAULT_BYTES
		                                                              : DEFAULT_FULL_BYTES;
		if (size < needed)
			size = needed;
	}
	if (size < SMALLEST_BYTES)
		return host->fail(err, STOR_USAGE, 0, "ploop: a volume needs at least 16M");
	/* The filesystem needs as much in its partition. */
	if (!plan->is_ephemeral && size < SMALLEST_BYTES + 2 * cluster)
		size = SMALLEST_BYTES + 2 * cluster;
	if (size > UINT64_MAX - cluster)
		return host->fail(err, STOR_USAGE, 0, "ploop: no disk is so large");
	plan->size_bytes = (size + cluster - 1) & ~(cluster - 1);
	if (!plan->is_ephemeral &&
	    gpt_layout(plan->size_bytes / PLOOP_SECTOR, plan->cluster_sectors, &partition) < 0)
		return host->fail(err, STOR_USAGE, 0, "ploop: a volume needs at least 3 clusters");
	return 0;
}

/* Partition table and filesystem, on a disk that reads as zeros. */
static int fill(const struct plan *plan, struct blockdev *disk, struct stor_err *err)
{
	const struct stor_create_req *req = plan->req;
	struct gpt_partition partition = { .sectors = disk->size_bytes / PLOOP_SECTOR };
	struct blockdev *dev;
	int r;

	if (!plan->is_ephemeral) {
		gpt_layout(plan->size_bytes / PLOOP_SECTOR, plan->cluster_sectors, &partition);
		r = gpt_write(disk, &partition);
		if (r)
			return host->fail(err, STOR_FAILED, -r, "ploop: write partition table");
	}
	dev = window_open(disk, partition.first_sector * PLOOP_SECTOR,
	                  partition.sectors * PLOOP_SECTOR);
	if (!dev)
		return host->fail(err, STOR_FAILED, errno, "ploop: open partition");
	r = ext4_make(dev, &plan->ext4, req->source_fd, req->source_path, err);
	blockdev_close(dev);
	return r;
}

static int open_image(const struct plan *plan, struct ploop_file **file, struct stor_err *err)
{
	int r = plan->dir->ops->open(plan->dir, PLOOP_BASE_NAME, PLOOP_OPEN_WRITE, file);

	return r ? host->fail(err, STOR_FAILED, -r, "ploop: open " PLOOP_BASE_NAME) : 0;
}

/*
 * By libploop: 0, or -1; 1: the engine shall. Without its driver it makes no images of version 2;
 * and of layouts that take all their space at once it shows no progress.
 */
static int make_by_libploop(const struct plan *plan, struct stor_err *err)
{
	struct libploop_job job = {
		.op = LIBPLOOP_CREATE,
		.dir_fd = plan->dir_fd,
		.name = PLOOP_BASE_NAME,
		.sectors = plan->size_bytes / PLOOP_SECTOR,
		.cluster_sectors = plan->cluster_sectors,
		.version = plan->layout == PLOOP_RAW ? 1 : plan->version,
		.layout = (enum libploop_layout)plan->layout,
	};
	bool suits = plan->version == 1 && plan->layout == PLOOP_EXPANDABLE;

	if (!suits && plan->tool != PLOOP_TOOL_LIBPLOOP)
		return 1;
	return ploop_tool_create(plan->tool, &job, err);
}

static int make_raw_file(const struct plan *plan, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	int r;

	if (!plan->is_ephemeral) {
		r = make_by_libploop(plan, err);
		return r <= 0 ? r
		              : ploop_image_create_raw(plan->dir, PLOOP_BASE_NAME,
		                                       plan->size_bytes / PLOOP_SECTOR, err);
	}
	r = plan->dir->ops->open(plan->dir, PLOOP_BASE_NAME, PLOOP_OPEN_CREATE, &file);
	if (!r)
		r = file->ops->truncate(file, plan->size_bytes);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: make " PLOOP_BASE_NAME) : 0;
}

static int make_raw(const struct plan *plan, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct blockdev *disk;
	int r;

	if (make_raw_file(plan, err) || open_image(plan, &file, err))
		return -1;
	disk = blockdev_open_file(file->fd);
	if (!disk)
		return host->fail(err, STOR_FAILED, errno, "ploop: open " PLOOP_BASE_NAME);
	r = fill(plan, disk, err);
	blockdev_close(disk);
	if (r || plan->is_ephemeral)
		return r;
	/* `ploop` wants clusters to be written, or not, as wholes. */
	r = file->ops->seal(file, 0, plan->size_bytes,
	                    (uint64_t)plan->cluster_sectors * PLOOP_SECTOR);
	if (!r)
		r = file->ops->sync(file);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: sync " PLOOP_BASE_NAME) : 0;
}

/* Zeros where nothing was ever written: others, and a loop device, then find plain blocks. */
static int write_all_zeros(const struct plan *plan, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;

	if (open_image(plan, &file, err))
		return -1;
	return ploop_seal_all(file, PLOOP_BASE_NAME, err);
}

static int make_expandable(const struct plan *plan, struct stor_err *err)
{
	struct ploop_link link = { .name = PLOOP_BASE_NAME };
	struct ploop_open_params params = { .links = &link, .count = 1, .writable = true };
	struct ploop_engine *engine;
	int r = make_by_libploop(plan, err);

	if (r > 0)
		r = ploop_image_create(plan->dir, PLOOP_BASE_NAME, plan->version,
		                       plan->cluster_sectors, plan->size_bytes / PLOOP_SECTOR, err);
	if (r || open_image(plan, &link.file, err))
		return -1;
	kill_point("ploop-image-created");
	engine = ploop_engine_open(&params, err);
	if (!engine) {
		ploop_file_close(link.file);
		return -1;
	}
	if (plan->layout == PLOOP_PREALLOCATED)
		r = ploop_engine_preallocate(engine, err);
	if (!r)
		r = fill(plan, ploop_engine_blockdev(engine), err);
	if (r) {
		ploop_engine_abandon(engine);
		return -1;
	}
	if (ploop_engine_close(engine, err))
		return -1;
	return plan->layout == PLOOP_PREALLOCATED ? write_all_zeros(plan, err) : 0;
}

static int describe(const struct plan *plan, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor descriptor = { .sectors = 0 };

	if (ploop_descriptor_make(&descriptor, plan->size_bytes / PLOOP_SECTOR,
	                          plan->cluster_sectors, PLOOP_BASE_NAME,
	                          plan->layout == PLOOP_RAW) < 0)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: describe the disk");
	descriptor.is_preallocated = plan->layout == PLOOP_PREALLOCATED;
	return ploop_volume_describe(plan->dir, &descriptor, !plan->is_throwaway, err);
}

int ploop_create(const struct stor_volume *volume, const struct stor_create_req *req,
                 struct stor_err *err)
{
	struct plan plan = { .req = req };
	cleanup_close int dir_fd = -1;
	int r;

	if (req->fs_type && strcmp(req->fs_type, "ext4") != 0)
		return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: cannot make %s, only ext4",
		                  req->fs_type);
	if (plan_params(&plan, volume, err) < 0 || plan_size(&plan, err) < 0)
		return -1;
	dir_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	plan.dir_fd = dir_fd;
	plan.dir = dir_fd < 0 ? NULL : ploop_dir_open_fd(dir_fd);
	if (!plan.dir)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s", volume->path);
	plan.dir->is_throwaway = plan.is_throwaway;
	r = plan.layout == PLOOP_RAW ? make_raw(&plan, err) : make_expandable(&plan, err);
	if (!r)
		r = describe(&plan, err);
	/* A half-made image must not keep the disk full until somebody comes to clean up. */
	if (r)
		plan.dir->ops->unlink(plan.dir, PLOOP_BASE_NAME);
	ploop_dir_close(plan.dir);
	return r ? host->fail(err, STOR_FAILED, 0, "ploop: make volume in %s", volume->path) : 0;
}
