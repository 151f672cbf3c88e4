/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large an image is, and changing it. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/ext4_shrink.h"
#include "common/extents.h"
#include "common/host.h"
#include "common/loopdev.h"
#include "loop/loop.h"

int loop_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err)
{
	cleanup_close int fd = loop_open_image(volume, O_RDONLY, err);
	struct stor_superblock sb;
	uint64_t shared;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "describe %s", volume->path);
	shared = extents_shared_bytes(fd);
	info->size_bytes = (uint64_t)st.st_size;
	info->allocated_bytes = (uint64_t)st.st_blocks * 512;
	info->exclusive_bytes = info->allocated_bytes > shared ? info->allocated_bytes - shared : 0;
	info->fs_type = sb.fs_type;
	info->format = "raw image";
	/* Whoever attached it for writing holds an exclusive lock. Another descriptor of our own
	 * asks, and lets go when it is closed. */
	info->in_use = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	return 0;
}

/* Never into what a mounted filesystem says it needs: only a growth that it did not follow is taken
 * back. */
static int check_shrink(int fd, const char *path, uint64_t size_bytes, struct stor_err *err)
{
	struct stor_superblock sb;

	if (stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "resize %s: read its superblock", path);
	if (sb.fs_type && sb.size_bytes <= size_bytes)
		return 0;
	host->fail(err, STOR_UNSUPPORTED, 0, "loop: cannot make the filesystem in %s smaller",
	           path);
	host->hint(err, "create a smaller volume and copy the files");
	return -1;
}

/* Makes the filesystem smaller first, where it reaches beyond the new end. */
static int shrink_filesystem(int fd, const char *path, uint64_t size_bytes, struct stor_err *err)
{
	struct stor_superblock sb;

	if (stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "resize %s: read its superblock", path);
	if (sb.fs_type && sb.size_bytes <= size_bytes)
		return 0;
	return ext4_shrink(fd, size_bytes, path, err);
}

/* Resizes the file under a live loop device. */
static int resize_mounted(int fd, int root_fd, const char *path, uint64_t size_bytes, bool shrinks,
                          struct stor_err *err)
{
	cleanup_close int loop_fd = loopdev_open_mounted(root_fd, fd, path, err);

	/* The device's cache has the superblock as the kernel last wrote it. */
	if (loop_fd < 0 || (shrinks && check_shrink(loop_fd, path, size_bytes, err) < 0))
		return -1;
	if (ftruncate(fd, (off_t)size_bytes) < 0)
		return host->fail(err, STOR_FAILED, errno, "resize %s", path);
	return loopdev_update_size(loop_fd, path, err);
}

int loop_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                struct stor_err *err)
{
	cleanup_close int fd = loop_open_image(volume, O_RDWR, err);
	/* Whole pages, which every filesystem and loop device can use to the end. */
	uint64_t size_bytes = req->size_bytes & ~UINT64_C(4095);
	char path[PATH_MAX];
	struct stat st;
	bool shrinks;

	if (fd < 0)
		return -1;
	loop_image_path(volume, path, sizeof(path));
	if (fstat(fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "resize %s", path);
	if (size_bytes == (uint64_t)st.st_size)
		return 0;
	shrinks = size_bytes < (uint64_t)st.st_size;
	if (req->root_fd >= 0)
		return resize_mounted(fd, req->root_fd, path, size_bytes, shrinks, err);
	if (loop_lock_image(volume, fd, LOCK_EX, 0, err) < 0 ||
	    (shrinks && shrink_filesystem(fd, path, size_bytes, err) < 0))
		return -1;
	if (ftruncate(fd, (off_t)size_bytes) < 0 || fsync(fd) < 0)
		return host->fail(err, STOR_FAILED, errno, "resize %s", path);
	return 0;
}
