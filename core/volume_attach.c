/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching a volume and letting it go. The backend's lock decides who may have it; around it, core
 * says who the user is, and knows of mounts on the host that hold no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/sys.h"
#include "core/fsmount.h"
#include "core/volume.h"
#include "core/volume_users.h"

#define BUSY_WAIT_MS 5000
#define RELEASE_WAIT_MS 10000
#define RELEASE_MESSAGE_MS 1000

/* One attach in progress. */
struct attaching {
	struct store *store;
	const struct volume *volume;
	const struct attach_opts *opts;
	struct attached *out;
	char *user_path; /* below STATE; made with a token, or at the end */
	struct record user;
};

static bool is_tracked(const struct volume *volume)
{
	return volume->kind == VOLUME_NAMED || volume->kind == VOLUME_FOREIGN;
}

/* Writes who uses the volume, so far as it is known. */
static int save_user(struct attaching *a, struct stor_err *err)
{
	if (!a->user_path) {
		a->user_path = volume_user_path(a->store, a->volume, 0);
		record_set(&a->user, "volume", a->volume->name);
		record_set(&a->user, "access", a->opts->read_only ? "ro" : "rw");
		if (a->opts->snapshot)
			record_set(&a->user, "snapshot", a->opts->snapshot);
		if (a->opts->user)
			record_set(&a->user, "user", a->opts->user);
	}
	if (record_save(&a->user, a->store->state_fd, a->user_path, false, err) < 0)
		return err_context(err, "volume %s: record its user", a->volume->name);
	return 0;
}

static int record_token(void *ctx, const char *token, struct stor_err *err)
{
	struct attaching *a = ctx;

	record_set(&a->user, "token", token);
	if (save_user(a, err) < 0)
		return -1;
	free(a->out->token);
	a->out->token = xstrdup(token);
	return 0;
}

static int save_attached_user(struct attaching *a, struct stor_err *err)
{
	struct stat st;

	if (fstat(a->out->root_fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "volume %s: look at its root directory",
		                a->volume->name);
	record_set_u64(&a->user, "root-fd", (uint64_t)a->out->root_fd);
	if (a->out->control_fd >= 0)
		record_set_u64(&a->user, "control-fd", (uint64_t)a->out->control_fd);
	record_set_u64(&a->user, "device", st.st_dev);
	record_set_u64(&a->user, "inode", st.st_ino);
	record_set(&a->user, "block", a->out->is_block ? "yes" : "no");
	if (a->out->how)
		record_set(&a->user, "how", a->out->how);
	return save_user(a, err);
}

static bool is_mountable(const struct volume *volume)
{
	return volume->kind == VOLUME_NAMED;
}

/* A mount on the host of a volume whose backend has no lock that lasts as long. */
static const struct volume_user *mounted_user(const struct volume_users *users, bool read_only)
{
	const struct volume_user *user = volume_users_live_conflict(users, read_only);

	return user && !user->pid ? user : NULL;
}

/* Asks the backend. *users: who is known to have the volume; it is looked up again afterwards. */
static int attach_backend(struct attaching *a, struct stor_attachment *attachment,
                          struct stor_err *err)
{
	struct stor_attach_req req = {
		.flags = (a->opts->read_only ? STOR_ATTACH_READ_ONLY : 0) |
		         (a->opts->ephemeral ? STOR_ATTACH_EPHEMERAL : 0),
		.busy_wait_ms = BUSY_WAIT_MS,
		.snapshot = a->opts->snapshot,
		.userns_fd = a->opts->userns_fd,
		.mount_label = a->opts->label,
		.record_token = record_token,
		.record_token_ctx = a,
	};
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	const struct volume_user *user = NULL;

	/* What a snapshot is read from nobody writes to. */
	if (!is_tracked(a->volume) || a->opts->snapshot)
		return backend_attach(a->volume->backend, &a->volume->ref, &req, attachment, err);
	if (volume_users_load(a->store, a->volume, &users, err) < 0)
		return -1;
	user = volume_users_live_conflict(&users, a->opts->read_only);
	if (user)
		req.busy_wait_ms = 0;
	if (is_mountable(a->volume) && mounted_user(&users, a->opts->read_only))
		return volume_fail_busy(a->volume, user, err);
	if (backend_attach(a->volume->backend, &a->volume->ref, &req, attachment, err) == 0)
		return 0;
	if (err->status == STOR_BUSY && user) {
		err_clear(err);
		return volume_fail_busy(a->volume, user, err);
	}
	return -1;
}

static void close_attachment(struct stor_attachment *attachment)
{
	close_fd(&attachment->fd);
	close_fd(&attachment->control_fd);
	close_fd(&attachment->server_pidfd);
	close_fd(&attachment->lock_fd);
}

/* The kernel's message names a loop device, which is gone when somebody reads it. */
static int explain_mount(const struct volume *volume, struct stor_err *err)
{
	if (volume->kind != VOLUME_GOLDEN)
		return err_context(err, "volume %s", volume->name);
	if (err->status != STOR_BUSY && err->errnum != ENODEV) {
		err->hint[0] = '\0';
		err_hint(err, "it may be damaged: stor image rm --golden IMAGE removes it, and the "
		              "next run makes it anew");
	}
	return err_context(err, "the image's copy %s on %s", volume->name,
	                   volume->backend->ops.name);
}

/* Turns what the backend gave into a mount. Takes the descriptors over only on success. */
static int mount_attachment(struct attaching *a, struct stor_attachment *attachment,
                            struct stor_err *err)
{
	struct fsmount_opts opts = { .read_only = a->opts->read_only,
		                     .discard = attachment->flags & STOR_ATTACHED_DISCARD,
		                     .fs_type = a->opts->fs_type,
		                     .userns_fd = a->opts->userns_fd,
		                     .label = a->opts->label };
	struct attached *out = a->out;
	cleanup_close int mount_fd = -1, root_fd = -1;
	uint64_t attributes = MOUNT_ATTR_NODEV | (a->opts->read_only ? MOUNT_ATTR_RDONLY : 0);

	if (attachment->kind == STOR_ATTACHED_BLOCK) {
		mount_fd = fsmount_block(attachment->fd, &opts, &out->fs_type, err);
		if (mount_fd < 0)
			return explain_mount(a->volume, err);
		close_fd(&attachment->fd);
	} else if (a->opts->fs_type) {
		return err_fail(err, STOR_USAGE, 0,
		                "volume %s: it has no filesystem of its own, as %s would be",
		                a->volume->name, a->opts->fs_type);
	} else {
		if (fsmount_set_attr(attachment->fd, attributes, err) < 0)
			return -1;
		mount_fd = steal_fd(&attachment->fd);
	}
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "volume %s: open its root directory",
		                a->volume->name);
	out->mount_fd = steal_fd(&mount_fd);
	out->root_fd = steal_fd(&root_fd);
	out->lock_fd = steal_fd(&attachment->lock_fd);
	out->control_fd = steal_fd(&attachment->control_fd);
	out->server_pidfd = steal_fd(&attachment->server_pidfd);
	out->how = attachment->how;
	out->read_only = a->opts->read_only;
	out->is_block = attachment->kind == STOR_ATTACHED_BLOCK;
	out->is_lock_ours = attachment->kind == STOR_ATTACHED_MOUNT && out->lock_fd >= 0;
	return 0;
}

/*
 * While this one waited for the backend's lock, `stor volume mount` may have had it, and have left
 * a mount behind that holds none.
 */
static int check_mounts(struct attaching *a, struct stor_err *err)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	const struct volume_user *user;

	if (volume_users_load(a->store, a->volume, &users, err) < 0)
		return -1;
	user = mounted_user(&users, a->opts->read_only);
	return user ? volume_fail_busy(a->volume, user, err) : 0;
}

static int attach_and_mount(struct attaching *a, struct stor_err *err)
{
	struct stor_attachment attachment = {
		.fd = -1, .lock_fd = -1, .control_fd = -1, .server_pidfd = -1
	};

	if (attach_backend(a, &attachment, err) < 0)
		return -1;
	kill_point("volume-attached");
	if ((is_mountable(a->volume) && !a->opts->snapshot && check_mounts(a, err) < 0) ||
	    mount_attachment(a, &attachment, err) < 0) {
		close_attachment(&attachment);
		return -1;
	}
	kill_point("volume-mounted");
	if ((a->out->token || is_tracked(a->volume)) && save_attached_user(a, err) < 0)
		return -1;
	kill_point("volume-user");
	return 0;
}

int volume_attach(struct store *store, const struct volume *volume, const struct attach_opts *opts,
                  struct attached *out, struct stor_err *err)
{
	struct attaching a = {
		.store = store, .volume = volume, .opts = opts, .out = out, .user = RECORD_INIT
	};
	cleanup_close int lock_fd = -1;
	int result;

	*out = (struct attached)ATTACHED_INIT;
	out->volume = volume;
	if (is_tracked(volume) && !opts->is_locked) {
		lock_fd = store_lock(store, volume->key, false, BUSY_WAIT_MS, err);
		if (lock_fd < 0)
			return err_context(err, "volume %s", volume->name);
		if (volume_check_there(store, volume, err) < 0)
			return -1;
	}
	result = attach_and_mount(&a, err);
	if (a.user_path)
		out->user_path = xasprintf("%s/%s", store->state_path, a.user_path);
	if (result < 0) {
		struct stor_err ignored = STOR_ERR_INIT;

		volume_release(out, false, &ignored);
	}
	free(a.user_path);
	record_free(&a.user);
	return result;
}

/* --- letting go --------------------------------------------------------------------------- */

static bool is_in_use(const struct volume *volume)
{
	struct stor_err ignored = STOR_ERR_INIT;
	bool in_use = false;

	return backend_is_in_use(volume->backend, &volume->ref, &in_use, &ignored) == 0 && in_use;
}

/* The kernel takes a mount and its device down a moment after its last user; until then the volume
 * is not free. */
int volume_wait_free(const struct volume *volume, struct stor_err *err)
{
	struct timespec pause = { .tv_nsec = 20000 };
	int64_t from = monotonic_ms();
	bool has_told = false;

	while (is_in_use(volume)) {
		int64_t waited = monotonic_ms() - from;

		if (waited >= RELEASE_WAIT_MS) {
			err_fail(err, STOR_BUSY, 0, "volume %s: still in use after %u s",
			         volume->name, RELEASE_WAIT_MS / 1000);
			err_hint(err, "another mount namespace may hold its mount: grep it in "
			              "/proc/*/mountinfo");
			return -1;
		}
		if (waited >= RELEASE_MESSAGE_MS && !has_told) {
			log_warn("waiting for volume %s to be released", volume->name);
			has_told = true;
		}
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < 5000000)
			pause.tv_nsec += pause.tv_nsec / 2;
	}
	return 0;
}

/* The process that served the volume ends by itself once the volume is let go. */
static int wait_for_server(const struct volume *volume, int server_pidfd, struct stor_err *err)
{
	struct pollfd ended = { .fd = server_pidfd, .events = POLLIN };
	int n;

	while ((n = poll(&ended, 1, RELEASE_WAIT_MS)) < 0 && errno == EINTR)
		continue;
	return n > 0 ? 0
	             : err_fail(err, STOR_BUSY, 0, "volume %s: its server did not end within %u s",
	                        volume->name, RELEASE_WAIT_MS / 1000);
}

int volume_release(struct attached *attached, bool discard, struct stor_err *err)
{
	const struct volume *volume = attached->volume;
	bool was_attached = attached->root_fd >= 0;
	struct stor_err ignored = STOR_ERR_INIT;
	int result = 0;

	if (was_attached && backend_release(volume->backend, &volume->ref, attached->root_fd,
	                                    discard ? STOR_RELEASE_DISCARD : 0, err) < 0)
		result = -1;
	/* One that somebody stopped would hang what follows, beyond any signal. */
	if (attached->server_pidfd >= 0)
		sys_pidfd_send_signal(attached->server_pidfd, SIGCONT);
	close_fd(&attached->mount_fd);
	close_fd(&attached->root_fd);
	close_fd(&attached->control_fd);
	close_fd(&attached->lock_fd);
	/* A token's record goes only once its device is gone. */
	if (attached->token && backend_detach(volume->backend, &volume->ref, attached->token,
	                                      result < 0 ? &ignored : err) < 0) {
		free(steal_ptr(&attached->user_path));
		result = -1;
	}
	free(steal_ptr(&attached->token));
	if (attached->server_pidfd >= 0 && result == 0)
		result = wait_for_server(volume, attached->server_pidfd, err);
	close_fd(&attached->server_pidfd);
	/* Others may share it with a reader, so a reader's end cannot be seen this way. */
	if (was_attached && result == 0 && !attached->read_only && !attached->is_lock_ours)
		result = volume_wait_free(volume, err);
	if (attached->user_path)
		unlink(attached->user_path);
	free(steal_ptr(&attached->user_path));
	return result;
}
