/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words for what the container's first process reported. */
#include "core/container/report.h"

#include <errno.h>

#define STATUS_FAILED 125
#define STATUS_CANNOT_EXECUTE 126
#define STATUS_NOT_FOUND 127

static void user_error(const struct report *r, const struct plan *plan, struct stor_err *err)
{
	switch ((enum user_result)r->index) {
	case USER_UNKNOWN_USER:
		err_fail(err, STOR_NOT_FOUND, 0, "user \"%s\" is not in the root's /etc/passwd",
		         plan->user.user);
		break;
	case USER_UNKNOWN_GROUP:
		err_fail(err, STOR_NOT_FOUND, 0, "group \"%s\" is not in the root's /etc/group",
		         plan->user.group);
		break;
	case USER_UNKNOWN_ADDED:
		err_fail(err, STOR_NOT_FOUND, 0,
		         "--group-add: group \"%s\" is not in the root's /etc/group",
		         plan->user.adds->items[r->which]);
		break;
	default:
		err_fail(err, STOR_FAILED, 0, "user \"%s\" is in more than %d groups",
		         plan->user.user ? plan->user.user : "root", USERS_MAX_GROUPS);
	}
}

static void place_error(const struct report *r, struct stor_err *err)
{
	if (r->errnum == ELOOP || r->errnum == ENOTDIR) {
		err_fail(err, STOR_FAILED, 0, "/%s in the root is a symbolic link or no directory",
		         r->detail);
		err_hint(err, "a container needs /proc, /sys and /dev as directories of its root");
		return;
	}
	err_fail(err, STOR_FAILED, r->errnum, "make /%s in the root", r->detail);
	if (r->errnum == EROFS)
		err_hint(err, "a read-only root must have /proc, /sys and /dev already");
}

static void mount_error(const struct report *r, const struct plan *plan, struct stor_err *err)
{
	const char *target = plan->mounts[r->index].target;

	if (r->step == STEP_MOUNT) {
		err_fail(err, STOR_FAILED, r->errnum, "mount on %s", target);
		if (r->errnum == ENOTDIR)
			err_hint(err, "a file goes on a file, and a directory on a directory");
		return;
	}
	err_fail(err, STOR_FAILED, r->errnum, "make a place to mount on at %s", target);
	if (r->errnum == EROFS)
		err_hint(err, "a read-only root must have the place already");
	else if (r->errnum == ELOOP)
		err_hint(err, "links of /proc are not followed");
}

static void workdir_error(const struct report *r, const struct plan *plan, struct stor_err *err)
{
	const char *workdir = plan->config->workdir;

	if (plan->join_pidfd < 0 || r->errnum != ENOENT) {
		err_fail(err, STOR_FAILED, r->errnum, "working directory %s", workdir);
		return;
	}
	err_fail(err, STOR_NOT_FOUND, 0, "working directory %s is not in the container", workdir);
	err_hint(err, "make it there first (mkdir -p), or give another one with --workdir");
}

static void ulimit_error(const struct report *r, const struct plan *plan, struct stor_err *err)
{
	err_fail(err, STOR_FAILED, r->errnum, "--ulimit number %u (limit %d)", r->index + 1,
	         plan->config->ulimits[r->index].resource);
	if (r->errnum == EPERM)
		err_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE, which stor lacks here");
}

static int exec_error(const struct report *r, const struct plan *plan, struct stor_err *err)
{
	const char *command = plan->config->args.items[0];
	const char *path = plan->exec_paths.items[r->index];

	if (r->step == STEP_NOT_FOUND) {
		err_fail(err, STOR_NOT_FOUND, 0, "command \"%s\" not found in the container",
		         command);
		if (plan->exec_paths.count > 1)
			err_hint(err, "PATH is %s", config_get_env(plan->config, "PATH"));
		return STATUS_NOT_FOUND;
	}
	if (r->step == STEP_INTERPRETER) {
		err_fail(err, STOR_FAILED, 0, "cannot execute %s: its interpreter%s%s is missing",
		         path, *r->detail ? " " : "", r->detail);
		return STATUS_CANNOT_EXECUTE;
	}
	if (r->step == STEP_OWN_PROGRAM) {
		err_fail(err, STOR_FAILED, 0, "cannot execute %s: it leads to stor itself", path);
		err_hint(err, "an image that does so tries to get at the host's stor");
		return STATUS_CANNOT_EXECUTE;
	}
	err_fail(err, STOR_FAILED, r->errnum, "cannot execute %s", path);
	if (r->errnum == ENOEXEC)
		err_hint(err, "it is no program for this machine, or a script without #!");
	else if (r->errnum == EACCES)
		err_hint(err, "it is a directory, lacks execute permission, or lies on a noexec "
		              "mount");
	return STATUS_CANNOT_EXECUTE;
}

int report_to_error(const struct report *r, const struct plan *plan, struct stor_err *err)
{
	switch (r->step) {
	case STEP_NONE:
	case STEP_PARENT_GONE:
		err_fail(err, STOR_FAILED, 0, "the container's first process was killed");
		break;
	case STEP_SETUP:
	case STEP_ROOT:
	case STEP_PRIVILEGES:
		err_fail(err, STOR_FAILED, r->errnum, "%s", r->detail);
		if (r->step == STEP_ROOT && r->errnum == EINVAL)
			err_hint(err, "in a chroot / is no mount point: bind its folder on itself, "
			              "and pivot_root into it");
		break;
	case STEP_OVERLAY:
		err_fail(err, STOR_FAILED, r->errnum, "mount the overlay%s%s",
		         *r->detail ? ": " : "", r->detail);
		if (r->errnum == ENODEV)
			err_hint(err, "the kernel has no overlay filesystem: modprobe overlay");
		break;
	case STEP_SYSTEM_DIR:
		place_error(r, err);
		break;
	case STEP_SYSTEM_MOUNT:
		err_fail(err, STOR_FAILED, r->errnum, "mount %s", r->detail);
		break;
	case STEP_MOUNT_POINT:
	case STEP_MOUNT:
		mount_error(r, plan, err);
		break;
	case STEP_TTY:
		err_fail(err, STOR_FAILED, r->errnum, "terminal: %s", r->detail);
		break;
	case STEP_WORKDIR:
		workdir_error(r, plan, err);
		break;
	case STEP_USER:
		user_error(r, plan, err);
		break;
	case STEP_ULIMIT:
		ulimit_error(r, plan, err);
		break;
	case STEP_SECCOMP:
		err_fail(err, STOR_FAILED, r->errnum, "install the seccomp filter");
		break;
	case STEP_INIT:
		err_fail(err, STOR_FAILED, r->errnum, "execute the reaper stor-init");
		break;
	case STEP_NOT_FOUND:
	case STEP_INTERPRETER:
	case STEP_OWN_PROGRAM:
	case STEP_EXEC:
		return exec_error(r, plan, err);
	}
	return STATUS_FAILED;
}
