/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loop devices that live exactly as long as they are used: configured in one step, with
 * AUTOCLEAR, on a file whose descriptor the kernel keeps, and with it any flock() on that
 * descriptor.
 */
#ifndef COMMON_LOOPDEV_H
#define COMMON_LOOPDEV_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

enum loopdev_io {
	LOOPDEV_BUFFERED,
	LOOPDEV_DIRECT, /* STOR_UNSUPPORTED where the file cannot be read so */
};

struct loopdev_opts {
	bool read_only;
	enum loopdev_io io;
	uint32_t block_bytes;  /* logical block size; 0: 512 */
	uint64_t offset_bytes; /* where the device begins in the file */
	uint64_t size_bytes;   /* 0: to the end of the file */
};

/*
 * Make a loop device on file_fd, which the kernel then holds too: the caller may close its own.
 * Returns the open device (close-on-exec), which vanishes when it and the mounts made of it are
 * gone; or -1 with err filled: STOR_UNSUPPORTED where the kernel has no loop devices, STOR_FAILED
 * when none is free. `path` names the file in messages.
 */
int loopdev_attach(int file_fd, const char *path, const struct loopdev_opts *opts,
                   struct stor_err *err);

/*
 * The loop device under a mounted filesystem: root_fd is its root directory, file_fd the file that
 * the device must be on. Returns the open device, or -1 with err filled.
 */
int loopdev_open_mounted(int root_fd, int file_fd, const char *path, struct stor_err *err);

/* Take note of the file's new size. */
int loopdev_update_size(int loop_fd, const char *path, struct stor_err *err);

#endif
