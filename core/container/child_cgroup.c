/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The container's cgroup as its first process sees it, and the devices that were asked for. */
#include "core/container/child.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/container/child_kill.h"

#define PLACE "/sys/fs/cgroup"
#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

int child_join_cgroup(struct child *child)
{
	const struct plan_cgroup *plan = &child->plan->cgroup;

	if (!plan->is_used)
		return 0;
	if (cgroup_enter(&plan->entry) < 0)
		return child_fail(child, STEP_SETUP, errno, "join the container's cgroup");
	child_kill_point(child, "child-joined");
	if (plan->is_ns_private && unshare(CLONE_NEWCGROUP) < 0)
		return child_fail(child, STEP_SETUP, errno, "make a cgroup namespace");
	return 0;
}

/* Each hierarchy of version 1 in a folder of its own, named by its controllers. */
static int mount_v1(struct child *child)
{
	const struct plan_cgroup *plan = &child->plan->cgroup;

	if (mount("tmpfs", PLACE, "tmpfs", MOUNT_FLAGS, "mode=755,size=4k") < 0 || chdir(PLACE) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, PLACE);
	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct plan_cgroup_mount *m = &plan->mounts[i];

		if (mkdir(m->folder, 0755) < 0 ||
		    mount("cgroup", m->folder, "cgroup",
		          MOUNT_FLAGS | (m->is_writable ? 0 : MS_RDONLY), m->name) < 0)
			return child_fail(child, STEP_SYSTEM_MOUNT, errno, m->name);
	}
	if (mount(NULL, PLACE, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MOUNT_FLAGS, NULL) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, PLACE);
	return 0;
}

int child_mount_cgroup(struct child *child)
{
	const struct plan_cgroup *plan = &child->plan->cgroup;

	if (!plan->is_shown)
		return 0;
	if (!plan->mounts_v2)
		return mount_v1(child);
	if (mount("cgroup2", PLACE, "cgroup2", MOUNT_FLAGS | (plan->is_delegated ? 0 : MS_RDONLY),
	          NULL) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, PLACE);
	return 0;
}

/* The folders on the way to a node, below the current one. */
static int make_folders(const char *path)
{
	char folder[256];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t length = (size_t)(slash - path);

		if (length >= sizeof(folder)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(folder, path, length);
		folder[length] = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* In /dev, which child_mount_dev() has just made the current folder. */
int child_make_devices(struct child *child)
{
	const struct plan_cgroup *plan = &child->plan->cgroup;

	for (size_t i = 0; i < plan->device_count; i++) {
		const struct plan_device *device = &plan->devices[i];

		if (make_folders(device->path) < 0 ||
		    mknod(device->path, device->mode, device->number) < 0 ||
		    chown(device->path, device->uid, device->gid) < 0)
			return child_fail(child, STEP_SYSTEM_MOUNT, errno, device->path);
	}
	return 0;
}
