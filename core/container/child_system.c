/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /proc and /sys, and the parts of them that a container must not read or write. */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/sys.h"

#define SYSTEM_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* As Docker masks. Those that this kernel does not have are passed over. */
static const char *const masked_files[] = {
	"/proc/interrupts",  "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
	"/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats",
};
static const char *const masked_dirs[] = {
	"/proc/acpi",    "/proc/asound", "/proc/scsi", "/sys/devices/virtual/powercap",
	"/sys/firmware",
};
static const char *const read_only_paths[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

/* An empty directory of a read-only mount, that every kernel with cgroups has in a fresh sysfs. */
#define EMPTY_DIR "/sys/fs/cgroup"

int child_enter_system_dir(struct child *child, const char *name)
{
	const uint64_t resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_NO_XDEV;
	int fd = sys_openat2(child->root_fd, name, O_PATH | O_DIRECTORY, 0, resolve), result;

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(child->root_fd, name, 0755) < 0)
			return child_fail(child, STEP_SYSTEM_DIR, errno, name);
		fd = sys_openat2(child->root_fd, name, O_PATH | O_DIRECTORY, 0, resolve);
	}
	if (fd < 0)
		return child_fail(child, STEP_SYSTEM_DIR, errno, name);
	result = fchdir(fd);
	if (result < 0)
		child_fail(child, STEP_SYSTEM_DIR, errno, name);
	close(fd);
	return result;
}

static int mask(struct child *child)
{
	for (size_t i = 0; i < sizeof(masked_files) / sizeof(*masked_files); i++)
		if (mount("/dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			return child_fail(child, STEP_SYSTEM_MOUNT, errno, masked_files[i]);
	for (size_t i = 0; i < sizeof(masked_dirs) / sizeof(*masked_dirs); i++)
		if (mount(EMPTY_DIR, masked_dirs[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			return child_fail(child, STEP_SYSTEM_MOUNT, errno, masked_dirs[i]);
	return 0;
}

/*
 * A bind mount takes the read-only flag of the mount that its source lies on: so one read-only copy
 * of /proc, mounted in the host's tree that is about to go, saves a second call for each path.
 */
static int protect(struct child *child)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int fd = open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(fd, "", child->old_fd, "",
	               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ||
	    fchdir(fd) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/proc, read-only");
	close(fd);
	for (size_t i = 0; i < sizeof(read_only_paths) / sizeof(*read_only_paths); i++) {
		const char *target = read_only_paths[i], *source = target + strlen("/proc/");

		if (mount(source, target, NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			return child_fail(child, STEP_SYSTEM_MOUNT, errno, target);
	}
	return 0;
}

int child_mount_system(struct child *child)
{
	if (child_enter_system_dir(child, "proc") < 0)
		return -1;
	if (mount("proc", ".", "proc", SYSTEM_FLAGS, NULL) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/proc");
	if (child_enter_system_dir(child, "sys") < 0)
		return -1;
	if (mount("sysfs", ".", "sysfs", SYSTEM_FLAGS | MS_RDONLY, NULL) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/sys");
	if (mask(child) < 0)
		return -1;
	return protect(child);
}
