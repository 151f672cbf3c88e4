/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls that glibc 2.36 does not wrap. Each returns -1 with errno. */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* So often it is tried to walk a path below a directory while names and mounts change elsewhere. */
#define SYS_OPENAT2_TRIES 100000

/* openat2(2), close-on-exec. resolve: RESOLVE_* of <linux/openat2.h>. Where ".." is to stay below a
 * directory, the kernel gives up with EAGAIN when anybody on the machine renames or mounts
 * something meanwhile. */
static inline int sys_openat2(int dir_fd, const char *path, int flags, mode_t mode,
                              uint64_t resolve)
{
	struct open_how how;
	int fd, tries = 0;

	memset(&how, 0, sizeof(how));
	how.flags = (uint64_t)(flags | O_CLOEXEC);
	how.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0;
	how.resolve = resolve;
	do
		fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN && ++tries < SYS_OPENAT2_TRIES);
	return fd;
}

static inline int sys_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int sys_pidfd_send_signal(int pidfd, int signal_number)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

/* Duplicates descriptor target_fd of another process into this one, close-on-exec. */
static inline int sys_pidfd_getfd(int pidfd, int target_fd)
{
	return (int)syscall(SYS_pidfd_getfd, pidfd, target_fd, 0);
}

#endif
