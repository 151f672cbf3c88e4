/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving space that the filesystem no longer uses back to the host: its free blocks are found by
 * the block bitmap, read with libext2fs through the engine, and discarded; then the image's tail
 * moves into the clusters that this freed, and the file is cut.
 */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include <ext2fs/ext2fs.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/ext4_io.h"
#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/client.h"
#include "ploop/volume.h"
#include "ploop/window.h"

static int discard_free(ext2_filsys fs, struct blockdev *dev, const char *path,
                        struct stor_err *err)
{
	blk64_t at = fs->super->s_first_data_block, end = ext2fs_blocks_count(fs->super) - 1;
	blk64_t first, next;

	while (at <= end && !ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end, &first)) {
		int r;

		if (ext2fs_find_first_set_block_bitmap2(fs->block_map, first, end, &next))
			next = end + 1;
		r = blockdev_discard(dev, first * fs->blocksize, (next - first) * fs->blocksize);
		if (r)
			return host->fail(err, STOR_FAILED, -r, "ploop: compact %s: discard", path);
		if (host->progress("compact", next * fs->blocksize, (end + 1) * fs->blocksize,
		                   err) < 0)
			return -1;
		at = next;
	}
	return 0;
}

/* Only what is known to be consistent is believed about its free blocks. */
static int check_superblock(struct blockdev *dev, const char *path, struct stor_err *err)
{
	struct stor_superblock sb = { .fs_type = NULL };
	uint8_t start[4096];
	int r = blockdev_pread(dev, start, sizeof(start), 0);

	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: compact %s", path);
	if (stor_superblock_ext_(start + 1024, &sb) && !sb.needs_recovery &&
	    !sb.has_external_journal)
		return 0;
	host->fail(err, STOR_UNSUPPORTED, 0, "ploop: compact %s: %s while it is not mounted", path,
	           sb.needs_recovery ? "its journal was not replayed"
	                             : "cannot read its free space");
	host->hint(err, "stor volume mount and umount replay it");
	return -1;
}

static int discard_filesystem(struct blockdev *dev, const char *path, struct stor_err *err)
{
	char name[EXT4_IO_NAME_MAX];
	ext2_filsys fs = NULL;
	int r;

	if (check_superblock(dev, path, err))
		return -1;
	/* The bitmaps are read, and nothing is written through the library. */
	if (ext2fs_open(ext4_io_name(dev, name), EXT2_FLAG_64BITS, 0, 0, ext4_io_manager(), &fs) ||
	    ext2fs_read_block_bitmap(fs)) {
		if (fs)
			ext2fs_close_free(&fs);
		host->fail(err, STOR_FAILED, 0,
		           "ploop: compact %s: its block bitmap cannot be read", path);
		host->hint(err, "stor volume check");
		return -1;
	}
	r = discard_free(fs, dev, path, err);
	ext2fs_close_free(&fs);
	return r;
}

static int compact(struct ploop_volume *pv, struct ploop_engine *engine, uint64_t *freed_bytes,
                   struct stor_err *err)
{
	struct blockdev *disk = ploop_engine_blockdev(engine), *dev;
	struct ploop_extent extent;
	int r;

	if (ploop_find_filesystem(disk, pv->path, &extent, err))
		return -1;
	dev = window_open(disk, extent.offset_bytes, extent.size_bytes);
	if (!dev)
		return host->fail(err, STOR_FAILED, errno, "ploop: compact %s", pv->path);
	r = discard_filesystem(dev, pv->path, err);
	blockdev_close(dev);
	return r ? r : ploop_engine_compact(engine, freed_bytes, err);
}

static int refuse_serverless(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;

	if (ploop_volume_open(volume, PLOOP_VOLUME_UNLOCKED, 0, &pv, err))
		return -1;
	if (!ploop_volume_has_device(&pv))
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: compact %s: its layout keeps all its space",
		                  volume->path);
	host->fail(err, STOR_UNSUPPORTED, 0,
	           "ploop: compact %s: it is attached by the kernel's driver", volume->path);
	host->hint(err, "attach it with -o attach=engine, or do it when it is stopped");
	return -1;
}

/* The server frees what the kernel trims; then it moves the tail. */
static int compact_running(const struct stor_volume *volume, struct stor_compact_req *req,
                           struct stor_err *err)
{
	struct fstrim_range range = { .len = UINT64_MAX };

	if (req->control_fd < 0)
		return refuse_serverless(volume, err);
	/* What was deleted but is in the journal still cannot be trimmed. */
	if (syncfs(req->root_fd) < 0 || ioctl(req->root_fd, FITRIM, &range) < 0 ||
	    syncfs(req->root_fd) < 0)
		return host->fail(
			err, errno == EOPNOTSUPP || errno == EROFS ? STOR_UNSUPPORTED : STOR_FAILED,
			errno, "ploop: compact %s", volume->path);
	return ploop_client_compact(req->control_fd, &req->freed_bytes, err);
}

int ploop_compact(const struct stor_volume *volume, struct stor_compact_req *req,
                  struct stor_err *err)
{
	cleanup_ploop_volume struct ploop_volume pv = PLOOP_VOLUME_INIT;
	struct ploop_engine *engine;
	int r;

	if (req->root_fd >= 0)
		return compact_running(volume, req, err);
	if (ploop_volume_open(volume, PLOOP_VOLUME_EXCLUSIVE, 0, &pv, err) ||
	    ploop_volume_open_chain(&pv, NULL, true, 0, err))
		return -1;
	if (pv.links[0].is_raw || pv.descriptor.is_preallocated) {
		host->fail(err, STOR_UNSUPPORTED, 0,
		           "ploop: compact %s: its layout keeps all its space", volume->path);
		return -1;
	}
	engine = ploop_volume_engine(&pv, true, err);
	if (!engine)
		return -1;
	r = compact(&pv, engine, &req->freed_bytes, err);
	return ploop_engine_close(engine, err) || r ? -1 : 0;
}
