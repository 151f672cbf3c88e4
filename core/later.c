/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See later.h. */
#include "core/later.h"

#include <linux/io_uring.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"

bool later_is_unnoticed(int fd)
{
	static const char *const mounted_for_ever[] = { "/", "/run", "/dev/shm" };
	struct stat st, there;

	if (fstat(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof(mounted_for_ever) / sizeof(*mounted_for_ever); i++)
		if (stat(mounted_for_ever[i], &there) == 0 && st.st_dev == there.st_dev)
			return true;
	return false;
}

/*
 * A ring that holds the descriptor's file: what is registered with a ring is let go by a worker of
 * the kernel, once the ring's own descriptor is closed. -1: io_uring is not there, or forbidden.
 */
static int make_keeper(int fd)
{
	struct io_uring_params params;
	cleanup_close int ring_fd = -1;

	memset(&params, 0, sizeof(params));
	ring_fd = (int)syscall(SYS_io_uring_setup, 1, &params);
	if (ring_fd < 0 ||
	    syscall(SYS_io_uring_register, ring_fd, IORING_REGISTER_FILES, &fd, 1) < 0)
		return -1;
	return steal_fd(&ring_fd);
}

void later_close(int *fd)
{
	cleanup_close int keeper_fd = *fd < 0 ? -1 : make_keeper(*fd);

	if (*fd >= 0 && keeper_fd < 0)
		log_debug("the kernel frees nothing in the background: %m");
	/* The keeper's is the last one only if it is closed last. */
	close_fd(fd);
}
