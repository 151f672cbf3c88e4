/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mount of an export, as its maker sees it: see export.h. */
#include "common/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/export_fuse.h"
#include "common/host.h"

static int open_fuse(const char *name, struct stor_err *err)
{
	/* Reads that find nothing come back at once; the ring polls instead. */
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	host->fail(err,
	           errno == ENOENT || errno == ENODEV || errno == ENXIO ? STOR_UNSUPPORTED
	                                                                : STOR_FAILED,
	           errno, "serve %s: open /dev/fuse", name);
	if (errno == EACCES || errno == EPERM)
		host->hint(err, "serving a disk needs root");
	else
		host->hint(err, "modprobe fuse gives the kernel FUSE; in a container, /dev/fuse "
		                "must be passed in");
	return -1;
}

static int set_number(int fs_fd, const char *key, unsigned value, bool is_octal)
{
	char text[32];

	snprintf(text, sizeof(text), is_octal ? "%o" : "%u", value);
	return fsconfig(fs_fd, FSCONFIG_SET_STRING, key, text, 0);
}

int export_mount_create(const char *name, struct export_mount *mount, struct stor_err *err)
{
	cleanup_close int fuse_fd = open_fuse(name, err), fs_fd = -1, mount_fd = -1;

	if (fuse_fd < 0)
		return -1;
	fs_fd = fsopen("fuse", FSOPEN_CLOEXEC);
	if (fs_fd < 0)
		return host->fail(err, errno == ENODEV ? STOR_UNSUPPORTED : STOR_FAILED, errno,
		                  "serve %s: open FUSE", name);
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "stor", 0) < 0 ||
	    set_number(fs_fd, "fd", (unsigned)fuse_fd, false) < 0 ||
	    set_number(fs_fd, "rootmode", EXPORT_ROOT_MODE, true) < 0 ||
	    set_number(fs_fd, "user_id", geteuid(), false) < 0 ||
	    set_number(fs_fd, "group_id", getegid(), false) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return host->fail(err, STOR_FAILED, errno, "serve %s: make FUSE filesystem", name);
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC,
	                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mount_fd < 0)
		return host->fail(err, STOR_FAILED, errno, "serve %s: mount FUSE filesystem", name);
	mount->fuse_fd = steal_fd(&fuse_fd);
	mount->mount_fd = steal_fd(&mount_fd);
	return 0;
}

int export_mount_open(const struct export_mount *mount, const char *name, bool read_only,
                      struct stor_err *err)
{
	int fd = openat(mount->mount_fd, EXPORT_FILE_NAME,
	                (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return host->fail(err, STOR_FAILED, errno, "serve %s: open its file", name);
	return fd;
}
