/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loop devices: see loopdev.h. */
#include "common/loopdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/host.h"

#define LOOP_MAJOR 7

/* Processes that start together are told of the same free device, and all but one then find it
 * busy. Each round one of them succeeds, so this is enough for thousands; it is a bound in time,
 * for a machine where something else goes wrong. */
#define RACE_LIMIT_MS 10000

static int open_control(const char *path, struct stor_err *err)
{
	int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	host->fail(err,
	           errno == ENOENT || errno == ENODEV || errno == ENXIO ? STOR_UNSUPPORTED
	                                                                : STOR_FAILED,
	           errno, "attach %s: open /dev/loop-control", path);
	if (errno == EACCES || errno == EPERM)
		host->hint(err, "loop devices need root");
	else
		host->hint(err, "modprobe loop gives the kernel its loop devices; in a container, "
		                "/dev/loop-control must be passed in");
	return -1;
}

/* Makes the missing node of a device that the kernel has; -1 with errno. */
static int make_node(const char *node, int number)
{
	char path[64], text[32] = "";
	cleanup_close int fd = -1;
	unsigned major_number, minor_number;

	snprintf(path, sizeof(path), "/sys/block/loop%d/dev", number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -1;
	if (sscanf(text, "%u:%u", &major_number, &minor_number) != 2) {
		errno = ENODEV;
		return -1;
	}
	if (mknod(node, S_IFBLK | 0600, makedev(major_number, minor_number)) < 0 && errno != EEXIST)
		return -1;
	return 0;
}

static int open_device(int number, int flags)
{
	char node[32];
	int fd;

	snprintf(node, sizeof(node), "/dev/loop%d", number);
	fd = open(node, flags | O_CLOEXEC);
	/* /dev may be no devtmpfs, or udev has not come round to it. */
	if (fd < 0 && errno == ENOENT && !make_node(node, number))
		fd = open(node, flags | O_CLOEXEC);
	return fd;
}

/* Waits a moment before the next try, longer and more scattered the more there were. */
static void back_off(unsigned tries)
{
	unsigned range_us = tries < 8 ? 50u << tries : 10000u;
	struct timespec now, pause = { 0 };
	unsigned dice;

	clock_gettime(CLOCK_MONOTONIC, &now);
	dice = ((unsigned)now.tv_nsec ^ (unsigned)getpid() << 16) * 2654435761u;
	pause.tv_nsec = 1000L * (long)((dice >> 8) % range_us);
	nanosleep(&pause, NULL);
}

/* Did the kernel take the request for direct I/O? It falls back silently. */
static int check_direct(int loop_fd, const char *path, struct stor_err *err)
{
	struct loop_info64 info = { 0 };

	if (ioctl(loop_fd, LOOP_GET_STATUS64, &info) < 0)
		return host->fail(err, STOR_FAILED, errno, "attach %s: read loop status", path);
	if (info.lo_flags & LO_FLAGS_DIRECT_IO)
		return 0;
	host->fail(err, STOR_UNSUPPORTED, 0,
	           "attach %s: its filesystem cannot do direct I/O with this block size", path);
	host->hint(err, "direct-io=no goes through the page cache");
	return -1;
}

static int configure_failed(int number, const char *path, struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, errno, "attach %s: configure /dev/loop%d", path,
	                  number);
}

static int open_failed(int number, const char *path, struct stor_err *err)
{
	host->fail(err, STOR_FAILED, errno, "attach %s: open /dev/loop%d", path, number);
	host->hint(err, "/dev must hold /dev/loop%d, or be writable, so that it can be made",
	           number);
	return -1;
}

static int no_free_device(const char *path, struct stor_err *err)
{
	host->fail(err, STOR_FAILED, errno, "attach %s: no free loop device", path);
	host->hint(err, "losetup lists the devices in use; the kernel option loop.max_part and the "
	                "devices passed to a container limit their number");
	return -1;
}

int loopdev_attach(int file_fd, const char *path, const struct loopdev_opts *opts,
                   struct stor_err *err)
{
	cleanup_close int control_fd = open_control(path, err);
	int64_t give_up = monotonic_ms() + RACE_LIMIT_MS;
	struct loop_config config = {
		.fd = (__u32)file_fd,
		.block_size = opts->block_bytes,
		.info = {
			.lo_offset = opts->offset_bytes,
			.lo_sizelimit = opts->size_bytes,
			.lo_flags = LO_FLAGS_AUTOCLEAR |
			            (opts->read_only ? LO_FLAGS_READ_ONLY : 0) |
			            (opts->io == LOOPDEV_DIRECT ? LO_FLAGS_DIRECT_IO : 0),
		},
	};

	if (control_fd < 0)
		return -1;
	/* Shown by losetup; the kernel's own record of the path is the one that counts. */
	snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%s", path);
	for (unsigned tries = 0;; tries++) {
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
		cleanup_close int loop_fd = -1;

		if (number < 0)
			return no_free_device(path, err);
		loop_fd = open_device(number, opts->read_only ? O_RDONLY : O_RDWR);
		if (loop_fd < 0 && errno != EBUSY && errno != ENXIO)
			return open_failed(number, path, err);
		kill_point("loopdev-opened");
		if (loop_fd >= 0 && !ioctl(loop_fd, LOOP_CONFIGURE, &config)) {
			kill_point("loopdev-configured");
			if (opts->io == LOOPDEV_DIRECT && check_direct(loop_fd, path, err) < 0)
				return -1;
			return steal_fd(&loop_fd);
		}
		/* ENXIO: the device was removed between. */
		if (errno != EBUSY && errno != ENXIO)
			return configure_failed(number, path, err);
		if (monotonic_ms() >= give_up)
			return no_free_device(path, err);
		back_off(tries);
	}
}

/* The number of the loop device under root_fd's filesystem, or -1 with errno. */
static int mounted_number(int root_fd)
{
	struct btrfs_ioctl_dev_info_args info = { .devid = 1 };
	char link[64], target[256], *name;
	struct stat st;
	ssize_t n;
	int number;

	if (fstat(root_fd, &st) < 0)
		return -1;
	if (major(st.st_dev) == LOOP_MAJOR) {
		/* The minor number is not the device's where partitions are enabled. */
		snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(st.st_dev),
		         minor(st.st_dev));
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0)
			return -1;
		target[n] = '\0';
		name = strrchr(target, '/');
	} else {
		/* btrfs gives its files a device number of its own. */
		if (ioctl(root_fd, BTRFS_IOC_DEV_INFO, &info) < 0)
			return -1;
		name = strrchr((char *)info.path, '/');
	}
	if (!name || sscanf(name, "/loop%d", &number) != 1) {
		errno = ENODEV;
		return -1;
	}
	return number;
}

int loopdev_open_mounted(int root_fd, int file_fd, const char *path, struct stor_err *err)
{
	int number = mounted_number(root_fd);
	cleanup_close int loop_fd = -1;
	struct loop_info64 info = { 0 };
	struct stat st;

	if (number < 0)
		return host->fail(err, STOR_FAILED, errno, "%s: find its loop device", path);
	loop_fd = open_device(number, O_RDWR);
	if (loop_fd < 0 || ioctl(loop_fd, LOOP_GET_STATUS64, &info) < 0 || fstat(file_fd, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "%s: ask /dev/loop%d", path, number);
	if (info.lo_inode != st.st_ino || info.lo_device != st.st_dev)
		return host->fail(err, STOR_FAILED, 0, "%s: /dev/loop%d is on another file", path,
		                  number);
	return steal_fd(&loop_fd);
}

int loopdev_update_size(int loop_fd, const char *path, struct stor_err *err)
{
	if (ioctl(loop_fd, LOOP_SET_CAPACITY, 0) < 0)
		return host->fail(err, STOR_FAILED, errno, "%s: resize its loop device", path);
	return 0;
}
