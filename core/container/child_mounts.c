/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user's mounts, onto places in a root that an enemy may have filled: every path is resolved
 * within the root, and magic links of /proc, which could lead out of it, are refused.
 */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/fs.h"

/* Makes one missing component. 0, or -1 with errno. */
static int make_component(int parent_fd, const char *name, bool is_file)
{
	int fd;

	if (!is_file)
		return mkdirat(parent_fd, name, 0755);
	fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/*
 * Opens a place in the root, making what is missing: as fs_make_in_root(), without memory from the
 * heap. Returns an O_PATH descriptor, or -1 with errno.
 */
static int make_place(int root_fd, const char *path, bool is_file)
{
	char walked[PATH_MAX];
	size_t length = strlen(path), at = 0;
	int parent_fd = root_fd, fd = fs_open_in_root(root_fd, path, O_PATH), errnum;

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (length >= sizeof(walked)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(walked, path, length + 1);
	for (;;) {
		size_t start = at + strspn(walked + at, "/");
		size_t end = start + strcspn(walked + start, "/");
		bool last = !walked[end + strspn(walked + end, "/")];

		walked[end] = '\0';
		fd = fs_open_in_root(root_fd, walked, O_PATH);
		if (fd < 0 && errno == ENOENT &&
		    make_component(parent_fd, walked + start, last && is_file) == 0)
			fd = fs_open_in_root(root_fd, walked, O_PATH);
		errnum = errno;
		if (parent_fd != root_fd)
			close(parent_fd);
		errno = errnum;
		if (fd < 0 || last)
			return fd;
		parent_fd = fd;
		memcpy(walked, path, length + 1);
		at = end;
	}
}

static int mount_one(struct child *child, unsigned index)
{
	const struct plan_mount *m = &child->plan->mounts[index];
	int fd = make_place(child->root_fd, m->target, m->is_file), result;

	child->report->index = index;
	if (fd < 0)
		return m->is_optional ? 0 : child_fail(child, STEP_MOUNT_POINT, errno, NULL);
	result = move_mount(m->fd, "", fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
	if (result < 0)
		child_fail(child, STEP_MOUNT, errno, NULL);
	close(fd);
	return result;
}

int child_mount_all(struct child *child)
{
	for (unsigned i = 0; i < child->plan->mount_count; i++)
		if (mount_one(child, i) < 0)
			return -1;
	return 0;
}

/* Made for the container's own command; one that joins it changes nothing there. */
int child_enter_workdir(struct child *child)
{
	const char *workdir = child->plan->config->workdir;
	bool joins = child->plan->join_pidfd >= 0;
	int fd, result;

	if (!workdir)
		return 0;
	fd = joins ? fs_open_in_root(child->root_fd, workdir, O_PATH)
	           : make_place(child->root_fd, workdir, false);
	result = fd < 0 ? -1 : fchdir(fd);
	if (result < 0)
		child_fail(child, STEP_WORKDIR, errno, NULL);
	close_fd(&fd);
	return result;
}
