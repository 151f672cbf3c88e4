/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing a mounted filesystem to the size of its device: see fsmount.h. */
#include "core/fsmount.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include <stor/util.h>

#define XFS_MAGIC 0x58465342

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/* xfs has no header of its own in linux/. */
struct xfs_growfs_data {
	uint64_t new_blocks;
	uint32_t max_inode_percent;
};

struct xfs_geometry_v1 {
	uint32_t block_bytes, rt_extent_blocks, ag_blocks, ag_count, log_blocks, sector_bytes;
	uint32_t inode_bytes, max_inode_percent;
	uint64_t data_blocks, rt_blocks, rt_extents, log_start;
	uint8_t uuid[16];
	uint32_t stripe_unit, stripe_width;
	int32_t version;
	uint32_t flags, log_sector_bytes, rt_sector_bytes, dir_block_bytes;
};

#define XFS_IOC_FSGEOMETRY_V1 _IOR('X', 100, struct xfs_geometry_v1)
#define XFS_IOC_FSGROWFSDATA _IOW('X', 110, struct xfs_growfs_data)

/* Size of the device under a filesystem whose files carry its device number. */
static int device_size(int root_fd, uint64_t *size_bytes, struct stor_err *err)
{
	char path[64], text[32] = "";
	cleanup_close int fd = -1;
	uint64_t sectors;
	struct stat st;

	if (fstat(root_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "grow filesystem");
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/size", major(st.st_dev),
	         minor(st.st_dev));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 ||
	    sscanf(text, "%" SCNu64, &sectors) != 1)
		return err_fail(err, STOR_FAILED, errno, "grow filesystem: read %s", path);
	*size_bytes = sectors * 512;
	return 0;
}

static int grow_failed(const char *fs_type, struct stor_err *err)
{
	if (errno != EPERM)
		return err_fail(err, STOR_FAILED, errno, "grow %s", fs_type);
	err_fail(err, STOR_UNSUPPORTED, 0, "grow %s: needs the capability CAP_SYS_RESOURCE",
	         fs_type);
	err_hint(err, "run as root of the host, outside of containers that lack it");
	return -1;
}

static int grow_ext4(int root_fd, uint64_t size_bytes, struct stor_err *err)
{
	struct statfs st;
	uint64_t blocks;

	if (fstatfs(root_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "grow ext4");
	blocks = size_bytes / (uint64_t)st.f_bsize;
	return ioctl(root_fd, EXT4_IOC_RESIZE_FS, &blocks) < 0 ? grow_failed("ext4", err) : 0;
}

static int grow_xfs(int root_fd, uint64_t size_bytes, struct stor_err *err)
{
	struct xfs_geometry_v1 geometry;
	struct xfs_growfs_data grow;

	if (ioctl(root_fd, XFS_IOC_FSGEOMETRY_V1, &geometry) < 0 || !geometry.block_bytes)
		return err_fail(err, STOR_FAILED, errno, "grow xfs: read its geometry");
	grow.new_blocks = size_bytes / geometry.block_bytes;
	grow.max_inode_percent = geometry.max_inode_percent;
	if (grow.new_blocks == geometry.data_blocks)
		return 0;
	return ioctl(root_fd, XFS_IOC_FSGROWFSDATA, &grow) < 0 ? grow_failed("xfs", err) : 0;
}

static int grow_btrfs(int root_fd, struct stor_err *err)
{
	struct btrfs_ioctl_vol_args args = { .name = "1:max" };

	return ioctl(root_fd, BTRFS_IOC_RESIZE, &args) < 0 ? grow_failed("btrfs", err) : 0;
}

int fsmount_grow(int root_fd, struct stor_err *err)
{
	uint64_t size_bytes = 0;
	struct statfs st;

	if (fstatfs(root_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "grow filesystem");
	if (st.f_type == BTRFS_SUPER_MAGIC)
		return grow_btrfs(root_fd, err);
	if (st.f_type != EXT4_SUPER_MAGIC && st.f_type != XFS_MAGIC)
		return err_fail(err, STOR_UNSUPPORTED, 0,
		                "grow filesystem: only ext4, xfs and btrfs can grow");
	if (device_size(root_fd, &size_bytes, err) < 0)
		return -1;
	return st.f_type == XFS_MAGIC ? grow_xfs(root_fd, size_bytes, err)
	                              : grow_ext4(root_fd, size_bytes, err);
}
