/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The least that attaching ext4 in a file can cost: a loop device, and a detached mount. */
#ifndef BENCH_RAW_ATTACH_H
#define BENCH_RAW_ATTACH_H

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline long check(const char *what, long result)
{
	if (result < 0) {
		fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
		_exit(125);
	}
	return result;
}

/* The file as a loop device that goes with its last user. */
static inline int attach_loop(const char *file, bool read_only, char *device, size_t size)
{
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC;
	struct loop_config config = { .block_size = 4096 };
	int control, loop;

	config.fd = (uint32_t)check(file, open(file, flags));
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0);
	control = (int)check("loop-control", open("/dev/loop-control", O_RDWR | O_CLOEXEC));
	for (;;) {
		long number = check("LOOP_CTL_GET_FREE", ioctl(control, LOOP_CTL_GET_FREE));

		snprintf(device, size, "/dev/loop%ld", number);
		loop = (int)check(device, open(device, flags));
		if (!ioctl(loop, LOOP_CONFIGURE, &config))
			break;
		if (errno != EBUSY)
			check("LOOP_CONFIGURE", -1);
		close(loop);
	}
	close(control);
	close((int)config.fd);
	return loop;
}

static inline int mount_ext4(const char *device, bool read_only)
{
	int fs = (int)check("fsopen", syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC));
	int tree;

	check("source", syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", device, 0));
	if (read_only)
		check("ro", syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	check("mount ext4", syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	tree = (int)check("fsmount",
	                  syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
	                          MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0)));
	close(fs);
	return tree;
}

/* A detached mount of the ext4 filesystem in the file; the loop device's path goes to `device`. */
static inline int raw_attach(const char *file, bool read_only, char *device, size_t size)
{
	int loop = attach_loop(file, read_only, device, size);
	int tree = mount_ext4(device, read_only);

	close(loop);
	return tree;
}

/* Closes the mount and waits until the kernel has let go of the file. */
static inline void raw_detach(int tree, const char *device)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", device + strlen("/dev/"));
	close(tree);
	for (int i = 0; !access(path, F_OK); i++) {
		errno = ETIMEDOUT;
		check(device, i < 100000 ? 0 : -1);
		usleep(20);
	}
}

#endif
