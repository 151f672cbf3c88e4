/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See room.h. */
#include "bench/measure/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/room_cgroup.h"
#include "core/base/fs.h"

#define FOLDERS_MAX 4

/* --- the namespace --------------------------------------------------------------------------- */

/* A folder as it was before something was mounted above it. */
static int show_again(int folder_fd, const char *path, struct stor_err *err)
{
	char source[32];

	snprintf(source, sizeof(source), "/proc/self/fd/%d", folder_fd);
	if (fs_mkdirs(path, 0700, err) < 0)
		return -1;
	return mount(source, path, NULL, MS_BIND, NULL) < 0
	               ? err_fail(err, STOR_FAILED, errno, "bind %s", path)
	               : 0;
}

static int mount_empty(const char *path, struct stor_err *err)
{
	return mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0
	               ? err_fail(err, STOR_FAILED, errno, "cover %s", path)
	               : 0;
}

/* What is in it can be read, and what is written there is nowhere else. */
static int mount_layer(const char *path, struct stor_err *err)
{
	cleanup_free char *upper = xasprintf("/run/.covers%s/upper", path);
	cleanup_free char *work = xasprintf("/run/.covers%s/work", path);
	cleanup_free char *options =
		xasprintf("lowerdir=%s,upperdir=%s,workdir=%s", path, upper, work);

	if (fs_mkdirs(upper, 0755, err) < 0 || fs_mkdirs(work, 0700, err) < 0)
		return -1;
	return mount("overlay", path, "overlay", 0, options) < 0
	               ? err_fail(err, STOR_FAILED, errno, "cover %s", path)
	               : 0;
}

/* Mount over a folder, but not over those of the experiment that lie below it. */
static int cover(const char *path, int (*mount_it)(const char *path, struct stor_err *err),
                 const char *const *folders, struct stor_err *err)
{
	int fds[FOLDERS_MAX], result;
	size_t count = 0;

	if (access(path, F_OK) != 0)
		return 0;
	for (; folders[count] && count < FOLDERS_MAX; count++)
		fds[count] = str_starts(folders[count], path) && folders[count][strlen(path)] == '/'
		                     ? open(folders[count], O_PATH | O_DIRECTORY | O_CLOEXEC)
		                     : -1;
	result = mount_it(path, err);
	for (size_t i = 0; i < count; i++) {
		if (!result && fds[i] >= 0)
			result = show_again(fds[i], folders[i], err);
		close_fd(&fds[i]);
	}
	return result;
}

static int furnish(const char *const *folders, struct stor_err *err)
{
	/* Keys of Docker in /etc and its empty folders in /opt, Podman's cache in /var/lib. */
	static const char *const layers[] = { "/etc", "/opt", "/var/lib" };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_fail(err, STOR_FAILED, errno, "make mounts private");
	if (cover("/run", mount_empty, folders, err) < 0 ||
	    cover("/dev/shm", mount_empty, folders, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		if (cover(layers[i], mount_layer, folders, err) < 0)
			return -1;
	return 0;
}

int room_make(struct room *room, const char *name, const char *const *folders, struct stor_err *err)
{
	int result;

	room->cgroup = xasprintf("peers.%s", name);
	room->folder_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	room->home_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (room->home_fd < 0 || unshare(CLONE_NEWNS) < 0)
		return err_fail(err, STOR_FAILED, errno, "make a mount namespace for peers");
	result = furnish(folders, err);
	room->mounts_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (!result && room->mounts_fd < 0)
		result = err_fail(err, STOR_FAILED, errno, "open a mount namespace");
	return room_leave(room, err) < 0 ? -1 : result;
}

int room_enter(const struct room *room, struct stor_err *err)
{
	return setns(room->mounts_fd, CLONE_NEWNS) < 0
	               ? err_fail(err, STOR_FAILED, errno, "enter the mount namespace of peers")
	               : 0;
}

int room_leave(const struct room *room, struct stor_err *err)
{
	/* Who changes namespaces is at the root. */
	return setns(room->home_fd, CLONE_NEWNS) < 0 || fchdir(room->folder_fd) < 0
	               ? err_fail(err, STOR_FAILED, errno, "leave the mount namespace of peers")
	               : 0;
}

void room_end(struct room *room)
{
	if (room->cgroup)
		room_cgroups_end(room);
	close_fd(&room->mounts_fd);
	close_fd(&room->home_fd);
	close_fd(&room->folder_fd);
	free(room->cgroup);
	room->cgroup = NULL;
}
