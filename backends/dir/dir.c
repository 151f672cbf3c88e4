/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The `dir` backend: a root filesystem is a plain directory, "rootfs" in the volume's folder, or
 * whatever directory the user named; the ephemeral volume of a container is its folder itself,
 * which is quicker to make. Attached, it is a detached clone of its mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <stor/backend.h>
#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/copytree.h"
#include "common/host.h"

#define ROOT_NAME "rootfs"
#define XFS_MAGIC 0x58465342

static bool is_foreign(const struct stor_volume *volume)
{
	return volume->flags & STOR_VOLUME_FOREIGN;
}

/* Is the content in the folder itself? */
static bool is_bare(const struct stor_volume *volume)
{
	return volume->flags & (STOR_VOLUME_FOREIGN | STOR_VOLUME_EPHEMERAL);
}

/* Opens the content's directory below the volume's folder. -1 with errno. */
static int open_below(const struct stor_volume *volume, int folder_fd)
{
	return openat(folder_fd, is_bare(volume) ? "." : ROOT_NAME,
	              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The directory that holds the content, or -1 with err filled. */
static int open_root(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_close int folder_fd = -1;
	int fd;

	if (is_bare(volume)) {
		fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		folder_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Without the folder errno tells of it. */
		fd = folder_fd < 0 ? -1 : open_below(volume, folder_fd);
	}
	if (fd < 0)
		host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		           "open directory %s%s", volume->path,
		           is_bare(volume) ? "" : "/" ROOT_NAME);
	return fd;
}

/* As open_root(), for the volume that is being made. */
static int make_root(const struct stor_volume *volume, struct stor_err *err)
{
	cleanup_close int folder_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = -1;

	if (folder_fd < 0 || (!is_bare(volume) && mkdirat(folder_fd, ROOT_NAME, 0755) < 0))
		return host->fail(err, STOR_FAILED, errno, "make %s/" ROOT_NAME, volume->path);
	fd = open_below(volume, folder_fd);
	/* Whatever the umask is. */
	if (fd < 0 || fchmod(fd, 0755) < 0)
		return host->fail(err, STOR_FAILED, errno, "open %s/" ROOT_NAME, volume->path);
	return steal_fd(&fd);
}

static int dir_probe(const struct stor_probe_req *req)
{
	static const char *const names[] = { "bin", "sbin", "usr", "etc", "lib", "dev", "var" };
	int found = 0;
	struct stat st;

	if (fstat(req->fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		found += !faccessat(req->fd, names[i], F_OK, AT_SYMLINK_NOFOLLOW);
	/* Formats that keep their images in a directory are surer of theirs. */
	return found ? 30 + 5 * found : 0;
}

static int dir_create(const struct stor_volume *volume, const struct stor_create_req *req,
                      struct stor_err *err)
{
	cleanup_close int root_fd = -1;

	if (req->size_bytes) {
		host->fail(err, STOR_UNSUPPORTED, 0, "dir: a directory cannot have a size");
		host->hint(err, "--backend loop makes volumes of a fixed size");
		return -1;
	}
	if (req->fs_type || req->fs_label) {
		host->fail(err, STOR_UNSUPPORTED, 0,
		           "dir: a directory has no filesystem of its own");
		host->hint(err, "--backend loop makes filesystems");
		return -1;
	}
	root_fd = make_root(volume, err);
	if (root_fd < 0)
		return -1;
	kill_point("dir-made");
	if (req->source_fd >= 0 &&
	    copytree(req->source_fd, req->source_path, root_fd, STOR_CLONE_AUTO, err) < 0)
		return -1;
	kill_point("dir-copied");
	if (req->flags & STOR_CREATE_EPHEMERAL)
		return 0;
	/* An empty one must not wait for all that other programs have written. */
	if ((req->source_fd >= 0 ? syncfs(root_fd) : fsync(root_fd)) < 0)
		return host->fail(err, STOR_FAILED, errno, "sync %s", volume->path);
	return 0;
}

/*
 * A directory that the user named may be the root of several containers at a time, and of other
 * programs, as it always could. One of the store belongs to one writer.
 */
static int lock_root(const struct stor_volume *volume, const struct stor_attach_req *req,
                     int root_fd, struct stor_err *err)
{
	bool is_shared = req->flags & STOR_ATTACH_READ_ONLY || is_foreign(volume);

	if (!copyfile_lock(root_fd, is_shared ? LOCK_SH : LOCK_EX, req->busy_wait_ms))
		return 0;
	return host->fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED,
	                  errno == EWOULDBLOCK ? 0 : errno, "attach %s: %s", volume->path,
	                  errno == EWOULDBLOCK ? "it is in use" : "lock");
}

/* Gives the mount its attributes: one call each, since only one of them has a reason of its own to
 * fail. */
static int restrict_mount(const struct stor_volume *volume, const struct stor_attach_req *req,
                          int mount_fd, struct stor_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NODEV };
	struct mount_attr idmap = { .attr_set = MOUNT_ATTR_IDMAP };

	if (req->flags & STOR_ATTACH_READ_ONLY)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return host->fail(err, STOR_FAILED, errno, "attach %s: set mount attributes",
		                  volume->path);
	if (req->userns_fd < 0)
		return 0;
	idmap.userns_fd = (uint64_t)req->userns_fd;
	if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &idmap, sizeof(idmap)) < 0)
		return host->fail(err, errno == EINVAL ? STOR_UNSUPPORTED : STOR_FAILED, errno,
		                  "attach %s: map its ids by a user namespace", volume->path);
	return 0;
}

static int dir_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                      struct stor_attachment *attachment, struct stor_err *err)
{
	cleanup_close int root_fd = -1, mount_fd = -1;

	if (req->snapshot || req->mount_label)
		return host->fail(err, STOR_UNSUPPORTED, 0, "dir: a directory has no %s",
		                  req->snapshot ? "snapshots" : "mount label");
	root_fd = open_root(volume, err);
	if (root_fd < 0 || lock_root(volume, req, root_fd, err) < 0)
		return -1;
	kill_point("dir-locked");
	mount_fd = open_tree(root_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (mount_fd < 0)
		return host->fail(err, STOR_FAILED, errno, "attach %s: clone its mount",
		                  volume->path);
	if (restrict_mount(volume, req, mount_fd, err) < 0)
		return -1;
	kill_point("dir-attached");
	attachment->kind = STOR_ATTACHED_MOUNT;
	attachment->fd = steal_fd(&mount_fd);
	/* No kernel object keeps this one open. */
	attachment->lock_fd = steal_fd(&root_fd);
	attachment->control_fd = -1;
	attachment->server_pidfd = -1;
	attachment->how = "directory";
	return 0;
}

/* Is it attached for writing, as far as the lock tells? */
static bool is_locked(int root_fd)
{
	if (!flock(root_fd, LOCK_SH | LOCK_NB)) {
		flock(root_fd, LOCK_UN);
		return false;
	}
	return errno == EWOULDBLOCK;
}

static int dir_info(const struct stor_volume *volume, struct stor_info *info, struct stor_err *err)
{
	cleanup_close int root_fd = open_root(volume, err);
	struct statfs fs;

	if (root_fd < 0)
		return -1;
	if (copytree_measure(root_fd, volume->path, &info->allocated_bytes, err) < 0)
		return -1;
	if (fstatfs(root_fd, &fs) < 0)
		return host->fail(err, STOR_FAILED, errno, "describe %s", volume->path);
	info->size_bytes = STOR_UNKNOWN;
	/* Where files may share blocks, nobody can say quickly which ones they share. */
	info->exclusive_bytes = fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == XFS_MAGIC
	                                ? STOR_UNKNOWN
	                                : info->allocated_bytes;
	info->fs_type = NULL;
	info->format = "directory";
	info->in_use = is_locked(root_fd);
	return 0;
}

static int dir_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                       struct stor_err *err)
{
	cleanup_close int folder_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int root_fd = -1;

	(void)req;
	if (folder_fd < 0)
		return errno == ENOENT
		               ? 0
		               : host->fail(err, STOR_FAILED, errno, "destroy %s", volume->path);
	root_fd = open_below(volume, folder_fd);
	if (root_fd < 0 && errno == ENOENT)
		return 0;
	if (root_fd >= 0 && copyfile_lock(root_fd, LOCK_EX, 0) < 0)
		return host->fail(err, STOR_BUSY, 0, "destroy %s: it is in use", volume->path);
	return is_bare(volume) ? copytree_empty(folder_fd, volume->path, err)
	                       : copytree_remove(folder_fd, ROOT_NAME, volume->path, err);
}

static int dir_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
                     struct stor_err *err)
{
	cleanup_close int from_fd = -1, root_fd = -1;

	if (req->mode == STOR_CLONE_DELTA)
		return host->fail(err, STOR_UNSUPPORTED, 0, "dir: a directory has no deltas");
	from_fd = open_root(req->source, err);
	if (from_fd < 0)
		return -1;
	if (copyfile_lock(from_fd, LOCK_SH, 0) < 0)
		return host->fail(err, STOR_BUSY, 0, "clone %s: it is in use", req->source->path);
	root_fd = make_root(volume, err);
	if (root_fd < 0 || copytree(from_fd, req->source->path, root_fd, req->mode, err) < 0)
		return -1;
	if (!(req->flags & STOR_CREATE_EPHEMERAL) && syncfs(root_fd) < 0)
		return host->fail(err, STOR_FAILED, errno, "sync %s", volume->path);
	return 0;
}

static struct stor_backend dir_backend = {
	.name = "dir",
	.version = STOR_VERSION,
	.summary = "a plain directory",
	.load = host_load,
	.probe = dir_probe,
	.create = dir_create,
	.attach = dir_attach,
	.info = dir_info,
	.destroy = dir_destroy,
	.clone = dir_clone,
};

STOR_REGISTER_BACKEND(dir_backend)
