/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making images: an ext4 filesystem in a new sparse file, or a copy of another image. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/blockdev.h"
#include "common/copyfile.h"
#include "common/ext4.h"
#include "common/host.h"
#include "loop/loop.h"

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_BYTES (UINT64_C(10) << 30)
#define SMALLEST_BYTES (2 * MIB)

static void params_of(const struct stor_volume *volume, const struct stor_create_req *req,
                      struct ext4_params *params)
{
	const struct stor_value *block_size = &volume->values[LOOP_BLOCK_SIZE];
	const struct stor_value *ratio = &volume->values[LOOP_INODE_RATIO];
	const struct stor_value *journal = &volume->values[LOOP_JOURNAL];
	bool is_ephemeral = req->flags & STOR_CREATE_EPHEMERAL;

	*params = (struct ext4_params){
		.block_bytes = block_size->is_set ? 1024u << block_size->number : 4096,
		.bytes_per_inode = ratio->is_set ? (uint32_t)ratio->number : 0,
		/* What is thrown away is never recovered. */
		.has_journal = is_ephemeral && !journal->is_explicit
		                       ? false
		                       : !journal->is_set || journal->number,
		.label = req->fs_label,
		.sync = !is_ephemeral,
		.is_ephemeral = is_ephemeral,
	};
}

static int check_request(const struct stor_volume *volume, const struct stor_create_req *req,
                         struct stor_err *err)
{
	const struct stor_value *ratio = &volume->values[LOOP_INODE_RATIO];

	if (req->fs_type && strcmp(req->fs_type, "ext4") != 0) {
		host->fail(err, STOR_UNSUPPORTED, 0, "loop: cannot make %s, only ext4",
		           req->fs_type);
		host->hint(err, "an image that already has an xfs or btrfs is attached as it is: "
		                "--root PATH");
		return -1;
	}
	if (ratio->is_set && (ratio->number < 1024 || ratio->number > 64 * MIB))
		return host->fail(err, STOR_USAGE, 0,
		                  "loop: inode-ratio must be between 1K and 64M, not %s",
		                  ratio->string);
	if (req->size_bytes && req->size_bytes < SMALLEST_BYTES)
		return host->fail(err, STOR_USAGE, 0, "loop: a volume needs at least 2M");
	return 0;
}

/* Size of the new filesystem: what was asked for (and then the writer says when it is too small),
 * or the default, but enough for the source. */
static int choose_size(const struct stor_create_req *req, const struct ext4_params *params,
                       uint64_t *size_bytes, struct stor_err *err)
{
	uint64_t needed = 0;

	*size_bytes = req->size_bytes / params->block_bytes * params->block_bytes;
	if (req->size_bytes)
		return 0;
	if (req->source_fd >= 0 &&
	    ext4_estimate(req->source_fd, req->source_path, params, &needed, err) < 0)
		return -1;
	*size_bytes = DEFAULT_BYTES;
	/* Room to work in: a quarter more. */
	if (needed + needed / 4 > *size_bytes)
		*size_bytes = (needed + needed / 4 + MIB - 1) / MIB * MIB;
	return 0;
}

/* The new image file, or -1. Taken away again by drop_image() when what follows fails: a half-made
 * one must not keep the disk full until somebody comes to clean up. */
static int new_image(const struct stor_volume *volume, char *path, size_t size,
                     struct stor_err *err)
{
	int fd;

	loop_image_path(volume, path, size);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return host->fail(err, STOR_FAILED, errno, "create image %s", path);
	kill_point("loop-image-created");
	return fd;
}

static int drop_image(int fd, const char *path, struct stor_err *err)
{
	/* Its blocks are free only when the last descriptor is gone, and the caller has one. */
	if (ftruncate(fd, 0) < 0)
		host->log(STOR_LOG_WARN, "empty %s: %s", path, strerror(errno));
	unlink(path);
	return host->fail(err, STOR_FAILED, 0, "make image %s", path);
}

static int sync_image(int fd, const char *path, struct stor_err *err)
{
	return fsync(fd) < 0 ? host->fail(err, STOR_FAILED, errno, "sync %s", path) : 0;
}

/* Writes the filesystem into the empty file. */
static int fill_image(int fd, const char *path, const struct stor_create_req *req,
                      const struct ext4_params *params, uint64_t size_bytes, struct stor_err *err)
{
	struct blockdev *dev;
	int result;

	if (ftruncate(fd, (off_t)size_bytes) < 0) {
		host->fail(err, STOR_FAILED, errno, "set the size of %s", path);
		if (errno == EFBIG)
			host->hint(err, "the store's filesystem cannot hold so large a file");
		return -1;
	}
	dev = blockdev_open_file(fd);
	if (!dev)
		return host->fail(err, STOR_FAILED, errno, "open %s", path);
	result = ext4_make(dev, params, req->source_fd, req->source_path, err);
	/* The mount that follows at once waits for it on the disk: it had better be on its way. */
	if (!result && params->is_ephemeral)
		blockdev_write_back(dev, 0, size_bytes);
	blockdev_close(dev);
	return result;
}

int loop_create(const struct stor_volume *volume, const struct stor_create_req *req,
                struct stor_err *err)
{
	struct ext4_params params;
	cleanup_close int fd = -1;
	uint64_t size_bytes;
	char path[PATH_MAX];

	if (check_request(volume, req, err) < 0)
		return -1;
	params_of(volume, req, &params);
	if (choose_size(req, &params, &size_bytes, err) < 0)
		return -1;
	fd = new_image(volume, path, sizeof(path), err);
	if (fd < 0)
		return -1;
	if (fill_image(fd, path, req, &params, size_bytes, err) < 0 ||
	    (params.sync && sync_image(fd, path, err) < 0))
		return drop_image(fd, path, err);
	kill_point("loop-image-made");
	return 0;
}

int loop_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
               struct stor_err *err)
{
	struct copyfile copy = { .mode = req->mode };
	cleanup_close int from_fd = -1, fd = -1;
	char path[PATH_MAX], from_path[PATH_MAX];
	struct stat st;

	if (req->mode == STOR_CLONE_DELTA)
		return host->fail(err, STOR_UNSUPPORTED, 0, "loop: an image file has no deltas");
	from_fd = loop_open_image(req->source, O_RDONLY, err);
	if (from_fd < 0 || loop_lock_image(req->source, from_fd, LOCK_SH, 0, err) < 0)
		return -1;
	if (fstat(from_fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "clone %s", req->source->path);
	copy.total_bytes = (uint64_t)st.st_blocks * 512;
	loop_image_path(req->source, from_path, sizeof(from_path));
	fd = new_image(volume, path, sizeof(path), err);
	if (fd < 0)
		return -1;
	if (copyfile_content(&copy, from_fd, fd, (uint64_t)st.st_size, from_path, err) < 0 ||
	    (!(req->flags & STOR_CREATE_EPHEMERAL) && sync_image(fd, path, err) < 0))
		return drop_image(fd, path, err);
	return 0;
}
