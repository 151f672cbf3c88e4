/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The leaf for processes that serve a container's volumes: see cgroup.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/cgroup/internal.h"

/* Enough for the servers of any backend at the largest image, so that a leak in one is its end and
 * not the machine's. */
static int bound_server(const struct cgroup_place *place, struct stor_err *err)
{
	static const struct cgroup_limits bound = { .memory_bytes = UINT64_C(512) << 20,
		                                    .pids_max = 256 };
	const struct cgroup_dir dir = { place->leaf_fds[CGROUP_SERVER], place->path,
		                        place->controllers };

	return place->module->limit(&dir, &bound, err);
}

static int make_server_leaf(struct cgroup_place *place, struct stor_err *err)
{
	cleanup_free char *path = cgroup_leaf_path(place, CGROUP_SERVER);

	if (place->leaf_fds[CGROUP_SERVER] >= 0 || !cgroup_has_leaves(place))
		return 0;
	if (cgroup_make_leaf(place, CGROUP_SERVER, err) < 0)
		return -1;
	return bound_server(place, err);
}

static int make_leaves(struct cgroup *cgroup, struct stor_err *err)
{
	for (size_t i = 0; i < cgroup->count; i++)
		if (make_server_leaf(&cgroup->places[i], err) < 0)
			return -1;
	return 0;
}

/* --- being born there ----------------------------------------------------------------------- */

static int open_entry(const struct cgroup_place *place, struct cgroup_entry *entry,
                      struct stor_err *err)
{
	int leaf_fd = place->leaf_fds[CGROUP_SERVER];
	int fd;

	if (leaf_fd < 0)
		return 0;
	/* "tasks" takes a thread that moves itself without holding up anybody; cgroup.procs would
	 * not. */
	fd = place->is_v2 ? fcntl(leaf_fd, F_DUPFD_CLOEXEC, 0)
	                  : openat(leaf_fd, "tasks", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open the server's leaf of %s",
		                place->path);
	if (place->is_v2)
		entry->into_fd = fd;
	else
		entry->join_fds[entry->join_count++] = fd;
	return 0;
}

int cgroup_open_servers(struct cgroup *cgroup, struct cgroup_entry *entry, struct stor_err *err)
{
	if (make_leaves(cgroup, err) < 0)
		return -1;
	for (size_t i = 0; i < cgroup->count; i++)
		if (open_entry(&cgroup->places[i], entry, err) < 0)
			return -1;
	return 0;
}

int cgroup_enter(const struct cgroup_entry *entry)
{
	for (size_t i = 0; i < entry->join_count; i++)
		if (write(entry->join_fds[i], "0", 1) != 1)
			return -1;
	return 0;
}

void cgroup_entry_close(struct cgroup_entry *entry)
{
	close_fd(&entry->into_fd);
	for (size_t i = 0; i < entry->join_count; i++)
		close_fd(&entry->join_fds[i]);
	entry->join_count = 0;
}

/* --- being moved there ---------------------------------------------------------------------- */

/* The number of a process that a pidfd stands for; 0: it has ended. */
static pid_t pid_of(int pidfd)
{
	cleanup_free char *path = xasprintf("/proc/self/fdinfo/%d", pidfd);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, 4096, NULL, &ignored);
	const char *line = text ? strstr(text, "Pid:") : NULL;
	long pid = line ? strtol(line + 4, NULL, 10) : 0;

	return pid > 0 ? (pid_t)pid : 0;
}

int cgroup_add_server(struct cgroup *cgroup, int pidfd, struct stor_err *err)
{
	pid_t pid = pid_of(pidfd);

	if (make_leaves(cgroup, err) < 0)
		return -1;
	return pid ? cgroup_adopt_into(cgroup, CGROUP_SERVER, pid, err) : 0;
}
