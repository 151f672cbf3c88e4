/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The identity of btrfs mounts: see fsmount_btrfs.h. */
#include "core/fsmount_btrfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <stor/util.h>

#include "core/base/str.h"

/* "/sys/fs/btrfs/UUID/devices", which exists while the filesystem is mounted. */
static void devices_path(const uint8_t uuid[16], char *path, size_t size)
{
	char text[37];
	size_t at = 0;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[at++] = '-';
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", uuid[i]);
	}
	snprintf(path, size, "/sys/fs/btrfs/%s/devices", text);
}

/* Does devices/NAME/dev say that it is `device`? */
static bool is_device(int devices_fd, const char *name, dev_t device)
{
	cleanup_free char *path = xasprintf("%s/dev", name);
	cleanup_close int fd = openat(devices_fd, path, O_RDONLY | O_CLOEXEC);
	unsigned major_number, minor_number;
	char text[32] = "";

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       sscanf(text, "%u:%u", &major_number, &minor_number) == 2 &&
	       makedev(major_number, minor_number) == device;
}

int fsmount_btrfs_refuse(int block_fd, const char *node, const struct stor_superblock *sb,
                         struct stor_err *err)
{
	struct dirent *entry;
	char path[80];
	struct stat st;
	int result = 0;
	DIR *dir;

	if (sb->device_count != 1) {
		err_fail(err, STOR_UNSUPPORTED, 0, "mount %s: its btrfs spans several devices",
		         node);
		err_hint(err, "btrfs device remove leaves one of them");
		return -1;
	}
	devices_path(sb->uuid, path, sizeof(path));
	dir = opendir(path);
	if (!dir)
		return 0;
	if (fstat(block_fd, &st) < 0)
		result = err_fail(err, STOR_FAILED, errno, "mount %s", node);
	while (!result && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || is_device(dirfd(dir), entry->d_name, st.st_rdev))
			continue;
		result = err_fail(err, STOR_BUSY, 0,
		                  "mount %s: a btrfs with the same UUID is mounted from /dev/%s",
		                  node, entry->d_name);
		err_hint(err, "btrfs cannot tell clones apart; btrfstune -m IMAGE gives one "
		              "another UUID");
	}
	closedir(dir);
	return result;
}

int fsmount_btrfs_verify(int mount_fd, int block_fd, const char *node, struct stor_err *err)
{
	cleanup_close int root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct btrfs_ioctl_dev_info_args device = { .devid = 1 };
	struct btrfs_ioctl_fs_info_args fs = { 0 };
	struct stat wanted, found;

	if (root_fd < 0 || ioctl(root_fd, BTRFS_IOC_FS_INFO, &fs) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount %s: ask btrfs for its devices",
		                node);
	device.devid = fs.max_id;
	if (ioctl(root_fd, BTRFS_IOC_DEV_INFO, &device) < 0 || fstat(block_fd, &wanted) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount %s: ask btrfs for its device",
		                node);
	if (fs.num_devices != 1 || stat((const char *)device.path, &found) < 0 ||
	    found.st_rdev != wanted.st_rdev)
		return err_fail(err, STOR_BUSY, 0, "mount %s: btrfs mounted %s instead", node,
		                (const char *)device.path);
	return 0;
}
