/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a service manager in a container gets of a hierarchy of version 2. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/cgroup/internal.h"

#define DELEGATED "delegated"
#define TEXT_LIMIT_BYTES 65536

int cgroup_delegate(const struct cgroup_place *place, struct stor_err *err)
{
	cleanup_free char *path = cgroup_leaf_path(place, CGROUP_PAYLOAD);
	struct cgroup_dir dir = { .fd = place->leaf_fds[CGROUP_PAYLOAD],
		                  .path = path,
		                  .controllers = place->controllers & place->module->handed_on };
	int fd;

	if (place->module->hand_on(&dir, true, err) < 0)
		return -1;
	if (mkdirat(dir.fd, DELEGATED, 0755) < 0 && errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "make cgroup %s/" DELEGATED, path);
	fd = openat(dir.fd, DELEGATED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_fail(err, STOR_FAILED, errno, "open cgroup %s/" DELEGATED, path) : fd;
}

int cgroup_open_of(const struct cgroup_place *place, pid_t pid, struct stor_err *err)
{
	cleanup_free char *file = xasprintf("/proc/%d/cgroup", (int)pid);
	cleanup_free char *text = fs_read_file(AT_FDCWD, file, TEXT_LIMIT_BYTES, NULL, err);
	cleanup_free char *payload =
		xasprintf("%s/%s", strrchr(place->path, '/'), cgroup_leaf_names[CGROUP_PAYLOAD]);
	char *line = text ? strstr(text, "0::") : NULL, *below;
	int fd;

	if (!text)
		return -1;
	below = line ? strstr(line, payload) : NULL;
	if (!below)
		return err_fail(err, STOR_FAILED, 0, "process %d is not in cgroup %s", (int)pid,
		                place->path);
	below += strlen(payload);
	below[strcspn(below, "\n")] = '\0';
	below += strspn(below, "/");
	fd = openat(place->leaf_fds[CGROUP_PAYLOAD], *below ? below : ".",
	            O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_fail(err, STOR_FAILED, errno, "open cgroup %s%s/%s", place->path,
	                         payload, below)
	              : fd;
}
