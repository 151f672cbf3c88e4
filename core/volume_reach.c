/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reaching a volume in use: its mount through the process that holds it, whose descriptors of the
 * root directory and of the server's control socket are duplicated into this one; or through its
 * place on the host and its server.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/volume_users.h"

static int unreachable(const struct volume *volume, const struct volume_user *user,
                       struct stor_err *err)
{
	char name[512];

	return err_fail(err, STOR_BUSY, errno, "volume %s: reach its mount in %s", volume->name,
	                volume_user_name(user, name, sizeof(name)));
}

/* Descriptor `key` of the user's process; -1: it has none, or with errno. */
static int take_fd(const struct volume_user *user, int pidfd, const char *key)
{
	uint64_t number = record_get_u64(&user->record, key, UINT64_MAX);

	errno = ENOENT;
	return number > INT32_MAX ? -1 : sys_pidfd_getfd(pidfd, (int)number);
}

/* Is it what the record says? The process may have closed and reused the number. */
static bool is_root_of(int fd, const struct volume_user *user)
{
	struct stat st;

	errno = ESTALE;
	return fstat(fd, &st) == 0 && st.st_dev == record_get_u64(&user->record, "device", 0) &&
	       st.st_ino == record_get_u64(&user->record, "inode", 0);
}

/* The server of a mount on the host has nobody else's end of its control socket but its own. */
static int reach_server(const struct volume_user *user)
{
	uint64_t pid = record_get_u64(&user->record, "server", 0);
	uint64_t start_time = record_get_u64(&user->record, "server-start", 0);
	cleanup_close int pidfd = pid ? sys_pidfd_open((pid_t)pid) : -1;
	cleanup_close int fd = -1;
	struct stat st;

	if (pidfd < 0 || !proc_is_alive((pid_t)pid, start_time))
		return -1;
	fd = sys_pidfd_getfd(pidfd, STOR_SERVER_PEER_FD);
	return fd >= 0 && !fstat(fd, &st) && S_ISSOCK(st.st_mode) ? steal_fd(&fd) : -1;
}

static int reach_mount(const struct volume *volume, const struct volume_user *user, int *root_fd,
                       int *control_fd, struct stor_err *err)
{
	*root_fd = open(record_get(&user->record, "mount-point"),
	                O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*root_fd < 0 || !is_root_of(*root_fd, user))
		return unreachable(volume, user, err);
	*control_fd = reach_server(user);
	return 0;
}

int volume_user_reach(const struct volume *volume, const struct volume_user *user, int *root_fd,
                      int *control_fd, struct stor_err *err)
{
	cleanup_close int pidfd = -1;

	*control_fd = -1;
	if (!user->pid)
		return reach_mount(volume, user, root_fd, control_fd, err);
	pidfd = sys_pidfd_open(user->pid);
	/* With the start time checked after the pidfd is open, it is no other process. */
	if (pidfd < 0 || !proc_is_alive(user->pid, user->start_time))
		return unreachable(volume, user, err);
	*root_fd = take_fd(user, pidfd, "root-fd");
	if (*root_fd < 0 || !is_root_of(*root_fd, user))
		return unreachable(volume, user, err);
	*control_fd = take_fd(user, pidfd, "control-fd");
	return 0;
}
