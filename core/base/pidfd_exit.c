/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pidfd_exit.h. */
#include "core/base/pidfd_exit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/base/str.h"

/* As <linux/pidfd.h> has it since Linux 6.15. */
struct exit_info {
	uint64_t mask, cgroupid;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};

#define INFO_EXIT (UINT64_C(1) << 3)
#define GET_INFO _IOWR(0xFF, 11, struct exit_info)

/* Until its parent takes notice, /proc has it, in the last field of its stat. */
static bool read_zombie(int pidfd, int *wait_status)
{
	pid_t pid = proc_pidfd_pid(pidfd);
	char path[40], text[1024];
	cleanup_close int fd = -1;
	const char *last, *name_end;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	name_end = strrchr(text, ')');
	last = strrchr(text, ' ');
	/* The number is still this process's. */
	if (!name_end || !str_starts(name_end, ") Z ") || proc_pidfd_pid(pidfd) != pid)
		return false;
	*wait_status = atoi(last + 1);
	return true;
}

/* Afterwards, the kernel tells. False: not yet, or never. */
static bool ask_kernel(int pidfd, int *wait_status)
{
	struct exit_info info;

	memset(&info, 0, sizeof(info));
	info.mask = INFO_EXIT;
	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return false;
	*wait_status = info.exit_code;
	return true;
}

int pidfd_exit_status(int pidfd, int *wait_status)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	/* It may just be reaped, and be neither. */
	for (int tries = 0; tries < 20; tries++) {
		if (read_zombie(pidfd, wait_status) || ask_kernel(pidfd, wait_status))
			return 0;
		nanosleep(&pause, NULL);
	}
	return -1;
}
