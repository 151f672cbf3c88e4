/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /dev: six devices and what terminals need, on a tmpfs. It is the one mount on which devices work;
 * who can make more of them there, by MKNOD, has a device filter (core/container/cgroup.c).
 */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct {
	const char *name, *to;
} links[] = {
	{ "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "ptmx", "pts/ptmx" },
};

static int make_nodes(void)
{
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++)
		if (mknod(devices[i].name, S_IFCHR | 0666,
		          makedev(devices[i].major, devices[i].minor)) < 0)
			return -1;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		if (symlink(links[i].to, links[i].name) < 0)
			return -1;
	return mkdir("pts", 0755) < 0 || mkdir("shm", 01777) < 0 || mkdir("mqueue", 01777) < 0 ? -1
	                                                                                       : 0;
}

int child_mount_dev(struct child *child)
{
	const unsigned long flags = MS_NOSUID | MS_NOEXEC;

	if (child_enter_system_dir(child, "dev") < 0)
		return -1;
	if (mount("tmpfs", ".", "tmpfs", flags, "mode=755,size=64m") < 0 || chdir("/dev") < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/dev");
	if (make_nodes() < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/dev");
	if (mount("devpts", "pts", "devpts", flags, "newinstance,ptmxmode=0666,mode=0620,gid=5") <
	    0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/dev/pts");
	if (mount("shm", "shm", "tmpfs", flags | MS_NODEV, child->plan->shm_options) < 0)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/dev/shm");
	/* A kernel without message queues has no such filesystem. */
	if (mount("mqueue", "mqueue", "mqueue", flags | MS_NODEV, NULL) < 0 && errno != ENODEV)
		return child_fail(child, STEP_SYSTEM_MOUNT, errno, "/dev/mqueue");
	return 0;
}
