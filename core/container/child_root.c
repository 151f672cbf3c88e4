/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root: mounted, or composed as an overlay, and made this process's own by pivot_root. */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/sys.h"

static int root_fail(struct child *child, const char *what)
{
	return child_fail(child, STEP_ROOT, errno, what);
}

static int move_here(int mount_fd, const char *target)
{
	return move_mount(mount_fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}

/* A filesystem context tells in words why it refused. */
static int overlay_fail(struct child *child, int fs_fd)
{
	int errnum = errno;
	char said[200];
	ssize_t n = fs_fd < 0 ? -1 : read(fs_fd, said, sizeof(said) - 1);

	if (fs_fd >= 0)
		close(fs_fd);
	said[n > 0 ? n : 0] = '\0';
	return child_fail(child, STEP_OVERLAY, errnum, said);
}

/*
 * The layers are named relative to STATE, where they are mounted in this namespace alone, so the
 * container's mountinfo shows nothing of the host's paths.
 */
static int mount_overlay(struct child *child)
{
	const struct plan *plan = child->plan;
	int fs_fd, mount_fd;

	if (move_here(plan->base_fd, "lower") < 0)
		return root_fail(child, "mount the lower layer");
	if (move_here(plan->upper_fd, "upper") < 0)
		return root_fail(child, "mount the upper layer");
	fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", "lower", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "upperdir", "upper/upper", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "workdir", "upper/work", 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return overlay_fail(child, fs_fd);
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
	if (mount_fd < 0)
		return overlay_fail(child, fs_fd);
	close(fs_fd);
	return mount_fd;
}

int child_enter_root(struct child *child)
{
	const struct plan *plan = child->plan;
	int mount_fd = plan->base_fd;

	/* Nothing that happens here may reach the host's mounts. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return root_fail(child, "make mounts private");
	if (chdir(plan->state_path) < 0)
		return root_fail(child, "enter the state folder");
	if (plan->is_overlay)
		mount_fd = mount_overlay(child);
	if (mount_fd < 0)
		return -1;
	if (move_here(mount_fd, "root") < 0)
		return root_fail(child, "mount the root");
	child->old_fd = open("lower", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (child->old_fd < 0 || fchdir(mount_fd) < 0)
		return root_fail(child, "enter the root");
	/* The old root ends up stacked on the new one; child_leave_host() takes it off. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return root_fail(child, "pivot into the root");
	child->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return child->root_fd < 0 ? root_fail(child, "open the root") : 0;
}

int child_leave_host(struct child *child)
{
	close_fd(&child->old_fd);
	if (fchdir(child->root_fd) < 0 || umount2(".", MNT_DETACH) < 0)
		return root_fail(child, "let go of the host's tree");
	if (chdir("/") < 0)
		return root_fail(child, "enter the root");
	return 0;
}

int child_seal_root(struct child *child)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (!child->plan->config->read_only)
		return 0;
	if (mount_setattr(child->root_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return root_fail(child, "make the root read-only");
	return 0;
}
