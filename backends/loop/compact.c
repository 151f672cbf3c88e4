/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving space that the filesystem no longer uses back to the host: by the kernel's FITRIM while it
 * is mounted; else, for ext4, by its block bitmap, read with libext2fs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ext2fs/ext2fs.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/host.h"
#include "loop/loop.h"

static int trim_mounted(int root_fd, const char *path, struct stor_err *err)
{
	struct fstrim_range range = { .len = UINT64_MAX };

	/* What was deleted but is in the journal still cannot be trimmed. */
	if (!syncfs(root_fd) && !ioctl(root_fd, FITRIM, &range) && !syncfs(root_fd))
		return 0;
	return host->fail(err,
	                  errno == EOPNOTSUPP || errno == EROFS ? STOR_UNSUPPORTED : STOR_FAILED,
	                  errno, "compact %s", path);
}

/* Makes holes of all free blocks. */
static int punch_free_blocks(ext2_filsys fs, int fd, const char *path, struct stor_err *err)
{
	blk64_t at = fs->super->s_first_data_block, end = ext2fs_blocks_count(fs->super) - 1;
	blk64_t first, next;

	while (at <= end && !ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end, &first)) {
		if (ext2fs_find_first_set_block_bitmap2(fs->block_map, first, end, &next))
			next = end + 1;
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		              (off_t)(first * fs->blocksize),
		              (off_t)((next - first) * fs->blocksize)) < 0)
			return host->fail(err, STOR_FAILED, errno, "compact %s: make a hole", path);
		if (host->progress("compact", next * fs->blocksize, (end + 1) * fs->blocksize,
		                   err) < 0)
			return -1;
		at = next;
	}
	return 0;
}

static int punch_ext4(int fd, const char *path, struct stor_err *err)
{
	ext2_filsys fs = NULL;
	int result;

	/* The bitmaps are read, and nothing is written through the library. */
	if (ext2fs_open2(path, NULL, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs) ||
	    ext2fs_read_block_bitmap(fs)) {
		if (fs)
			ext2fs_close_free(&fs);
		host->fail(err, STOR_FAILED, 0, "compact %s: its block bitmap cannot be read",
		           path);
		host->hint(err, "stor volume check");
		return -1;
	}
	result = punch_free_blocks(fs, fd, path, err);
	ext2fs_close_free(&fs);
	return result;
}

/* Only what is known to be consistent is believed about its free blocks. */
static int compact_unmounted(const struct stor_volume *volume, int fd, const char *path,
                             struct stor_err *err)
{
	struct stor_superblock sb;

	if (loop_lock_image(volume, fd, LOCK_EX, 0, err) < 0)
		return -1;
	if (stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "compact %s: read its superblock", path);
	if (!sb.fs_type || strncmp(sb.fs_type, "ext", 3) != 0 || sb.needs_recovery ||
	    sb.has_external_journal) {
		host->fail(err, STOR_UNSUPPORTED, 0, "compact %s: %s while it is not mounted", path,
		           sb.fs_type && sb.needs_recovery ? "its journal was not replayed"
		                                           : "cannot read its free space");
		host->hint(err, "stor volume mount, then stor volume compact");
		return -1;
	}
	return punch_ext4(fd, path, err);
}

int loop_compact(const struct stor_volume *volume, struct stor_compact_req *req,
                 struct stor_err *err)
{
	cleanup_close int fd = loop_open_image(volume, O_RDWR, err);
	struct stat before, after;
	char path[PATH_MAX];
	int result;

	if (fd < 0)
		return -1;
	loop_image_path(volume, path, sizeof(path));
	if (fstat(fd, &before) < 0)
		return host->fail(err, STOR_FAILED, errno, "compact %s", path);
	result = req->root_fd >= 0 ? trim_mounted(req->root_fd, path, err)
	                           : compact_unmounted(volume, fd, path, err);
	if (result < 0)
		return -1;
	if (fstat(fd, &after) < 0)
		return host->fail(err, STOR_FAILED, errno, "compact %s", path);
	req->freed_bytes = before.st_blocks > after.st_blocks
	                           ? (uint64_t)(before.st_blocks - after.st_blocks) * 512
	                           : 0;
	return 0;
}
