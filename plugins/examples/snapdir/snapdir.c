/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapdir: a complete backend to learn from. A volume is a plain directory that can be cloned and
 * snapshotted; snapshots are copies, which share their blocks on xfs and btrfs.
 *
 * In the volume's own directory:
 *	live/             the root that containers see
 *	snap/ID/root/     a snapshot
 *	snap/ID/meta      "CREATED PARENT": seconds, and a snapshot's id or "-"
 *	current           the id of the live state's parent; absent: none
 *	+*             work in progress; left by a killed command, removed by check --repair
 *
 * A foreign volume is the directory that the user named, as it is, without snapshots.
 *
 * The lock is a flock on the volume's directory. No kernel object keeps that one open while a bind
 * mount of it lives, so attach hands it to stor as lock_fd, which holds it as long as the volume is
 * in use. A snapshot that is attached is locked likewise by its own directory.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <stor/backend.h>
#include <stor/util.h>

#include "snapshots.h"
#include "tree.h"

const struct stor_host *host;

static const struct stor_param snapdir_params[] = {
	[SNAPDIR_COPY] = { .key = "copy",
	                   .type = STOR_PARAM_ENUM,
	                   .scope = STOR_PARAM_CREATE,
	                   .default_value = "auto",
	                   .choices = "auto|reflink|full",
	                   .help = "How files are copied: sharing blocks where possible, always or "
	                           "never" },
	[SNAPDIR_ATIME] = { .key = "atime",
	                    .type = STOR_PARAM_BOOL,
	                    .scope = STOR_PARAM_ATTACH,
	                    .default_value = "no",
	                    .help = "Record when files are read" },
	{ .key = NULL },
};

static int snapdir_load(const struct stor_host *services, struct stor_err *err)
{
	(void)err;
	host = services;
	return 0;
}

int snapdir_open(const struct stor_volume *volume, const char *below, struct stor_err *err)
{
	cleanup_free char *path = NULL;
	int fd;

	if (asprintf(&path, "%s%s%s", volume->path, *below ? "/" : "", below) < 0) {
		path = NULL;
		return host->fail(err, STOR_FAILED, errno, "snapdir: open %s", volume->path);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		           "snapdir: open %s", path);
	return fd;
}

int snapdir_lock(int fd, int operation, uint32_t wait_ms, const char *path, struct stor_err *err)
{
	const struct timespec pause_time = { .tv_nsec = 1000000 };

	for (uint32_t waited = 0; flock(fd, operation | LOCK_NB) < 0; waited++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return host->fail(err, STOR_FAILED, errno, "snapdir: lock %s", path);
		if (waited >= wait_ms)
			return host->fail(err, STOR_BUSY, 0, "snapdir: %s is in use", path);
		nanosleep(&pause_time, NULL);
	}
	return 0;
}

enum tree_copy_mode snapdir_copy_mode(const struct stor_volume *volume)
{
	return (enum tree_copy_mode)volume->values[SNAPDIR_COPY].number;
}

/* --- create, clone, destroy ---------------------------------------------------------------- */

/* Make live/ and fill it from source_fd. */
static int make_live(const struct stor_volume *volume, int source_fd, enum tree_copy_mode mode,
                     struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);
	cleanup_close int live_fd = -1;

	if (volume_fd < 0)
		return -1;
	if (mkdirat(volume_fd, "live", 0755) < 0 || mkdirat(volume_fd, "snap", 0700) < 0)
		return host->fail(err, STOR_FAILED, errno, "snapdir: create %s", volume->path);
	live_fd = snapdir_open(volume, "live", err);
	if (live_fd < 0)
		return -1;
	if (source_fd >= 0)
		return tree_copy(source_fd, live_fd, mode, err);
	/* The umask had a say in mkdirat(). */
	if (fchmod(live_fd, 0755) < 0 || fsync(live_fd) < 0 || fsync(volume_fd) < 0)
		return host->fail(err, STOR_FAILED, errno, "snapdir: create %s", volume->path);
	return 0;
}

static int snapdir_create(const struct stor_volume *volume, const struct stor_create_req *req,
                          struct stor_err *err)
{
	return make_live(volume, req->source_fd, snapdir_copy_mode(volume), err);
}

static int snapdir_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
                         struct stor_err *err)
{
	bool is_foreign = req->source->flags & STOR_VOLUME_FOREIGN;
	cleanup_close int source_fd = snapdir_open(req->source, is_foreign ? "" : "live", err);
	cleanup_close int lock_fd = source_fd < 0 ? -1 : snapdir_open(req->source, "", err);
	enum tree_copy_mode mode = snapdir_copy_mode(volume);

	if (lock_fd < 0 || snapdir_lock(lock_fd, LOCK_SH, 0, req->source->path, err) < 0)
		return -1;
	switch (req->mode) {
	case STOR_CLONE_AUTO:
		break;
	case STOR_CLONE_REFLINK:
		mode = TREE_COPY_REFLINK;
		break;
	case STOR_CLONE_COPY:
		mode = TREE_COPY_FULL;
		break;
	case STOR_CLONE_DELTA:
		return host->fail(err, STOR_UNSUPPORTED, 0, "snapdir: it has no deltas");
	}
	return make_live(volume, source_fd, mode, err);
}

static int snapdir_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                           struct stor_err *err)
{
	cleanup_close int volume_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)req;
	if (volume_fd < 0 && errno == ENOENT)
		return 0;
	if (volume_fd < 0)
		return host->fail(err, STOR_FAILED, errno, "snapdir: open %s", volume->path);
	if (snapdir_lock(volume_fd, LOCK_EX, 0, volume->path, err) < 0)
		return -1;
	if (tree_empty(volume_fd) < 0)
		return host->fail(err, STOR_FAILED, errno, "snapdir: remove %s", volume->path);
	return 0;
}

/* --- attach -------------------------------------------------------------------------------- */

/* Attributes of the detached mount: what was asked for, and the id mapping. */
static int set_mount_attributes(int mount_fd, const struct stor_volume *volume,
                                const struct stor_attach_req *req, struct stor_err *err)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR__ATIME };

	attr.attr_set =
		volume->values[SNAPDIR_ATIME].number ? MOUNT_ATTR_RELATIME : MOUNT_ATTR_NOATIME;
	if (req->flags & STOR_ATTACH_READ_ONLY || req->snapshot)
		attr.attr_set |= MOUNT_ATTR_RDONLY;
	if (req->userns_fd >= 0) {
		attr.attr_set |= MOUNT_ATTR_IDMAP;
		attr.userns_fd = (uint64_t)req->userns_fd;
	}
	if (syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return host->fail(err, STOR_FAILED, errno, "snapdir: mount attributes of %s",
		                  volume->path);
	return 0;
}

/* Which directory is mounted, and which is locked for it. */
static int find_folders(const struct stor_volume *volume, const struct stor_attach_req *req,
                        char *root, char *lock, size_t size, struct stor_err *err)
{
	if (req->snapshot && volume->flags & STOR_VOLUME_FOREIGN)
		return host->fail(err, STOR_UNSUPPORTED, 0, "snapdir: %s has no snapshots",
		                  volume->path);
	if (req->snapshot) {
		snprintf(root, size, "snap/%s/root", req->snapshot);
		snprintf(lock, size, "snap/%s", req->snapshot);
	} else {
		snprintf(root, size, "%s", volume->flags & STOR_VOLUME_FOREIGN ? "" : "live");
		*lock = '\0';
	}
	return 0;
}

static int snapdir_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                          struct stor_attachment *attachment, struct stor_err *err)
{
	bool is_shared = req->flags & STOR_ATTACH_READ_ONLY || req->snapshot;
	cleanup_close int mount_fd = -1, lock_fd = -1, root_fd = -1;
	char root[128] = "", lock[128] = "";

	if (req->mount_label)
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "snapdir: a directory cannot be mounted with a label");
	if (find_folders(volume, req, root, lock, sizeof(root), err) < 0)
		return -1;
	lock_fd = snapdir_open(volume, lock, err);
	if (lock_fd < 0 || snapdir_lock(lock_fd, is_shared ? LOCK_SH : LOCK_EX, req->busy_wait_ms,
	                                volume->path, err) < 0)
		return -1;
	root_fd = snapdir_open(volume, root, err);
	if (root_fd < 0)
		return -1;
	mount_fd = (int)syscall(SYS_open_tree, root_fd, "",
	                        AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount_fd < 0)
		return host->fail(err, STOR_FAILED, errno, "snapdir: mount %s", volume->path);
	if (set_mount_attributes(mount_fd, volume, req, err) < 0)
		return -1;
	attachment->kind = STOR_ATTACHED_MOUNT;
	attachment->fd = steal_fd(&mount_fd);
	attachment->lock_fd = steal_fd(&lock_fd);
	attachment->how = "bind mount of a directory";
	return 0;
}

/* --- info, check --------------------------------------------------------------------------- */

static int snapdir_info(const struct stor_volume *volume, struct stor_info *info,
                        struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);

	if (volume_fd < 0)
		return -1;
	if (flock(volume_fd, LOCK_SH | LOCK_NB) < 0)
		info->in_use = errno == EWOULDBLOCK;
	else
		flock(volume_fd, LOCK_UN);
	if (tree_measure(volume_fd, &info->allocated_bytes, err) < 0)
		return -1;
	/* What is shared with another volume is not known. */
	info->exclusive_bytes =
		snapdir_copy_mode(volume) == TREE_COPY_FULL ? info->allocated_bytes : STOR_UNKNOWN;
	info->format = "directory";
	return info->emit(info->emit_ctx, "copy", volume->values[SNAPDIR_COPY].string);
}

/* 0..100: a directory of somebody else could be a root, and so could be others'. */
static int snapdir_probe(const struct stor_probe_req *req)
{
	struct stat st;

	return !fstat(req->fd, &st) && S_ISDIR(st.st_mode) && !faccessat(req->fd, "usr", F_OK, 0)
	               ? 10
	               : 0;
}

static int snapdir_check(const struct stor_volume *volume, const struct stor_check_req *req,
                         enum stor_verdict *verdict, struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);

	*verdict = STOR_VERDICT_CLEAN;
	if (volume_fd < 0)
		return -1;
	if (volume->flags & STOR_VOLUME_FOREIGN)
		return 0;
	if (snapdir_lock(volume_fd, LOCK_EX, 0, volume->path, err) < 0)
		return -1;
	if (faccessat(volume_fd, "live", F_OK, 0) < 0) {
		*verdict = STOR_VERDICT_DAMAGED;
		return req->emit(req->emit_ctx, "error", "the directory live is missing");
	}
	return snapshots_check(volume, volume_fd, req, verdict, err);
}

static struct stor_backend snapdir_backend = {
	.name = "snapdir",
	.version = "1.0",
	.summary = "Directories with clones and snapshots; an example to learn from",
	.params = snapdir_params,
	.load = snapdir_load,
	.probe = snapdir_probe,
	.create = snapdir_create,
	.attach = snapdir_attach,
	.info = snapdir_info,
	.destroy = snapdir_destroy,
	.clone = snapdir_clone,
	.check = snapdir_check,
	.snapshot = snapshots_take,
	.snapshot_list = snapshots_list,
	.snapshot_delete = snapshots_delete,
	.rollback = snapshots_rollback,
};

STOR_REGISTER_BACKEND(snapdir_backend)
