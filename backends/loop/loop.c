/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The `loop` backend: its table, and attaching. A volume is a filesystem in the file "image" in the
 * volume's folder, or in whatever file the user named. Attached, it is a loop device with
 * AUTOCLEAR, which core mounts; the device holds the image's descriptor, and with it the volume's
 * lock.
 */
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/superblock.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/examine.h"
#include "common/host.h"
#include "common/loopdev.h"
#include "common/shutdown.h"

static const struct stor_param loop_params[] = {
	[LOOP_INODE_RATIO] = { "inode-ratio", STOR_PARAM_SIZE, STOR_PARAM_CREATE, "16K", NULL,
	                       "one inode for as many bytes of the filesystem" },
	[LOOP_JOURNAL] = { "journal", STOR_PARAM_BOOL, STOR_PARAM_CREATE, "yes", NULL,
	                   "keep a journal, so that a crash needs no check" },
	[LOOP_BLOCK_SIZE] = { "block-size", STOR_PARAM_ENUM, STOR_PARAM_CREATE, "4096",
	                      "1024|2048|4096", "bytes in a block of the filesystem" },
	[LOOP_DIRECT_IO] = { "direct-io", STOR_PARAM_ENUM, STOR_PARAM_ATTACH, "auto", "auto|yes|no",
	                     "go round the host's page cache" },
	[LOOP_DISCARD] = { "discard", STOR_PARAM_BOOL, STOR_PARAM_ATTACH, "no", NULL,
	                   "give space that files free back to the host at once" },
	{ .key = NULL },
};

const char *loop_image_path(const struct stor_volume *volume, char *buf, size_t size)
{
	bool is_foreign = volume->flags & STOR_VOLUME_FOREIGN;

	snprintf(buf, size, "%s%s", volume->path, is_foreign ? "" : "/image");
	return buf;
}

int loop_open_image(const struct stor_volume *volume, int flags, struct stor_err *err)
{
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	struct stat st;

	loop_image_path(volume, path, sizeof(path));
	if (!(volume->flags & STOR_VOLUME_FOREIGN))
		flags |= O_NOFOLLOW;
	/* O_NONBLOCK: the user may have named a fifo. */
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == EISDIR)
		return host->fail(err, STOR_UNSUPPORTED, 0, "open image %s: is a directory", path);
	if (fd < 0)
		return host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                  "open image %s", path);
	if (fstat(fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "open image %s", path);
	if (!S_ISREG(st.st_mode)) {
		host->fail(err, STOR_UNSUPPORTED, 0, "open image %s: not a regular file", path);
		if (S_ISBLK(st.st_mode))
			host->hint(err, "a block device needs no loop device: mount it, and give "
			                "its mount point to --root with --backend dir");
		return -1;
	}
	return steal_fd(&fd);
}

int loop_lock_image(const struct stor_volume *volume, int image_fd, int operation, uint32_t wait_ms,
                    struct stor_err *err)
{
	char path[PATH_MAX];

	if (!copyfile_lock(image_fd, operation, wait_ms))
		return 0;
	loop_image_path(volume, path, sizeof(path));
	if (errno != EWOULDBLOCK)
		return host->fail(err, STOR_FAILED, errno, "lock image %s", path);
	return host->fail(err, STOR_BUSY, 0, "image %s is in use", path);
}

static int loop_probe(const struct stor_probe_req *req)
{
	struct stor_superblock sb;
	struct stat st;

	if (fstat(req->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    stor_superblock_read(req->fd, &sb) < 0)
		return 0;
	return sb.fs_type ? 80 : 0;
}

static int loop_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                       struct stor_attachment *attachment, struct stor_err *err)
{
	bool read_only = req->flags & STOR_ATTACH_READ_ONLY;
	const struct stor_value *direct_io = &volume->values[LOOP_DIRECT_IO];
	struct loopdev_opts opts = { .read_only = read_only };
	cleanup_close int image_fd = -1;
	struct stor_superblock sb;
	char path[PATH_MAX];

	if (req->snapshot)
		return host->fail(err, STOR_UNSUPPORTED, 0, "loop: an image file has no snapshots");
	image_fd = loop_open_image(volume, read_only ? O_RDONLY : O_RDWR, err);
	if (image_fd < 0 || loop_lock_image(volume, image_fd, read_only ? LOCK_SH : LOCK_EX,
	                                    req->busy_wait_ms, err) < 0)
		return -1;
	kill_point("loop-locked");
	loop_image_path(volume, path, sizeof(path));
	if (stor_superblock_read(image_fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "read image %s", path);
	/* A larger one than the filesystem's own would keep it from mounting. */
	opts.block_bytes = sb.block_bytes;
	/* auto: a filesystem that was just mounted reads what the host still has in its cache,
	 * which makes the start of a container three times as fast as direct I/O does. */
	if (direct_io->is_set && direct_io->number == LOOP_DIRECT_YES)
		opts.io = LOOPDEV_DIRECT;
	attachment->fd = loopdev_attach(image_fd, path, &opts, err);
	if (attachment->fd < 0)
		return -1;
	attachment->kind = STOR_ATTACHED_BLOCK;
	attachment->lock_fd = -1;
	attachment->control_fd = -1;
	attachment->server_pidfd = -1;
	attachment->how = opts.io == LOOPDEV_DIRECT ? "loop, direct I/O" : "loop, buffered";
	if (volume->values[LOOP_DISCARD].number && !read_only)
		attachment->flags |= STOR_ATTACHED_DISCARD;
	return 0;
}

static int loop_release(const struct stor_volume *volume, const struct stor_release_req *req,
                        struct stor_err *err)
{
	(void)volume;
	(void)err;
	shutdown_discarded(req, "loop");
	return 0;
}

static int loop_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                        struct stor_err *err)
{
	cleanup_close int fd = -1;
	char path[PATH_MAX];

	(void)req;
	loop_image_path(volume, path, sizeof(path));
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && loop_lock_image(volume, fd, LOCK_EX, 0, err) < 0)
		return -1;
	if (unlink(path) < 0 && errno != ENOENT)
		return host->fail(err, STOR_FAILED, errno, "remove %s", path);
	return 0;
}

static int loop_examine(const struct stor_examine_req *req, struct stor_err *err)
{
	(void)err;
	if (examine_loop_devices(req))
		return -1;
	return examine_program("e2fsck", "e2fsprogs", "stor volume check", req);
}

static struct stor_backend loop_backend = {
	.name = "loop",
	.version = STOR_VERSION,
	.summary = "ext4 in a sparse file, on a loop device",
	.params = loop_params,
	.fs_types = "ext4",
	.load = host_load,
	.probe = loop_probe,
	.create = loop_create,
	.attach = loop_attach,
	.release = loop_release,
	.info = loop_info,
	.destroy = loop_destroy,
	.clone = loop_clone,
	.resize = loop_resize,
	.check = loop_check,
	.compact = loop_compact,
	.examine = loop_examine,
};

STOR_REGISTER_BACKEND(loop_backend)
