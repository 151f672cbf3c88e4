/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One call of a callback, traced; and what an attach may hand over: see backend_call.h. */
#include "core/backend_call.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/log.h"

static bool is_traced(void)
{
	const char *wanted = secure_getenv("STOR_TRACE");

	return log_level() >= STOR_LOG_DEBUG || (wanted && *wanted && strcmp(wanted, "0") != 0);
}

void backend_call_begin(struct backend_call *call, const struct backend *backend, const char *name,
                        const char *path)
{
	*call = (struct backend_call){ .backend = backend, .name = name, .path = path };
	call->began_ns = is_traced() ? monotonic_ns() : 0;
}

int backend_call_end(struct backend_call *call, int result, struct stor_err *err)
{
	const char *name = call->backend->ops.name;
	bool is_reported = call->err.status != STOR_OK;

	if (call->began_ns) {
		double ms = (double)(monotonic_ns() - call->began_ns) / 1e6;

		fprintf(stderr, "stor: trace: %s.%s %s = %d, %.3f ms%s%s\n", name, call->name,
		        call->path, result, ms, is_reported ? ": " : "", call->err.text);
	}
	if (!result && !is_reported)
		return 0;
	if (!is_reported)
		return err_fail(err, STOR_FAILED, 0,
		                result < 0 ? "backend \"%s\": %s failed without saying why"
		                           : "backend \"%s\": %s returned neither 0 nor -1",
		                name, call->name);
	if (call->err.hint[0])
		err_hint(err, "%s", call->err.hint);
	err_fail(err, call->err.status, 0, "%s", call->err.text);
	err->errnum = call->err.errnum;
	if (!result)
		err_context(err, "backend \"%s\": %s reported a failure and went on", name,
		            call->name);
	return -1;
}

void backend_close_attachment(struct stor_attachment *attachment)
{
	close_fd(&attachment->fd);
	close_fd(&attachment->lock_fd);
	close_fd(&attachment->control_fd);
	close_fd(&attachment->server_pidfd);
}

/* Takes one descriptor over: it is open, and does not reach programs. */
static int adopt_fd(const struct backend *b, const char *member, int *fd, bool is_needed,
                    struct stor_err *err)
{
	int flags;

	if (*fd == -1 && !is_needed)
		return 0;
	flags = *fd < 0 ? -1 : fcntl(*fd, F_GETFD);
	if (flags < 0) {
		err_fail(err, STOR_FAILED, 0,
		         "backend \"%s\": attach returned %d as %s, which is no open descriptor",
		         b->ops.name, *fd, member);
		*fd = -1;
		return -1;
	}
	if (!(flags & FD_CLOEXEC) && fcntl(*fd, F_SETFD, flags | FD_CLOEXEC) < 0)
		return err_fail(err, STOR_FAILED, errno, "backend \"%s\": attach: close-on-exec",
		                b->ops.name);
	return 0;
}

static int check_block(const struct backend *b, int fd, struct stor_err *err)
{
	uint64_t size_bytes = 0;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
		return err_fail(err, STOR_FAILED, 0,
		                "backend \"%s\": attach returned a descriptor that is no block "
		                "device",
		                b->ops.name);
	if (ioctl(fd, BLKGETSIZE64, &size_bytes) < 0)
		return err_fail(err, STOR_FAILED, errno,
		                "backend \"%s\": attach: size of the block device", b->ops.name);
	if (!size_bytes || size_bytes % 512)
		return err_fail(err, STOR_FAILED, 0,
		                "backend \"%s\": attach returned a block device of %" PRIu64
		                " bytes",
		                b->ops.name, size_bytes);
	return 0;
}

/* A detached mount is the root of a mount that lies below nothing: its path is "/", and it is not
 * what "/" is. */
static int check_mount(const struct backend *b, int fd, struct stor_err *err)
{
	struct statx found, root;
	char link[32], target[8];
	ssize_t n;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_TYPE, &found) < 0 ||
	    statx(AT_FDCWD, "/", 0, STATX_MNT_ID, &root) < 0)
		return err_fail(err, STOR_FAILED, errno, "backend \"%s\": attach: examine mount",
		                b->ops.name);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target));
	if (!S_ISDIR(found.stx_mode) || !(found.stx_attributes & STATX_ATTR_MOUNT_ROOT) || n != 1 ||
	    target[0] != '/' || found.stx_mnt_id == root.stx_mnt_id)
		return err_fail(err, STOR_FAILED, 0,
		                "backend \"%s\": attach returned a descriptor that is no detached "
		                "mount of a directory",
		                b->ops.name);
	return 0;
}

int backend_check_attachment(const struct backend *b, struct stor_attachment *attachment,
                             struct stor_err *err)
{
	if (adopt_fd(b, "fd", &attachment->fd, true, err) < 0 ||
	    adopt_fd(b, "lock_fd", &attachment->lock_fd, false, err) < 0 ||
	    adopt_fd(b, "control_fd", &attachment->control_fd, false, err) < 0 ||
	    adopt_fd(b, "server_pidfd", &attachment->server_pidfd, false, err) < 0)
		return -1;
	if ((attachment->control_fd < 0) != (attachment->server_pidfd < 0))
		return err_fail(err, STOR_FAILED, 0,
		                "backend \"%s\": attach returned only one of control_fd and "
		                "server_pidfd",
		                b->ops.name);
	if (attachment->flags & ~STOR_ATTACHED_DISCARD)
		return err_fail(
			err, STOR_FAILED, 0,
			"backend \"%s\": attach returned flags 0x%x, which this stor does not "
			"know",
			b->ops.name, attachment->flags);
	switch (attachment->kind) {
	case STOR_ATTACHED_BLOCK:
		return check_block(b, attachment->fd, err);
	case STOR_ATTACHED_MOUNT:
		return check_mount(b, attachment->fd, err);
	}
	return err_fail(err, STOR_FAILED, 0, "backend \"%s\": attach returned unknown kind %d",
	                b->ops.name, (int)attachment->kind);
}
