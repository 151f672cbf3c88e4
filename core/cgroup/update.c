/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changing the limits of a container's cgroup while it runs: see cgroup.h. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/cgroup/internal.h"

void cgroup_undo_free(struct cgroup_undo *undo)
{
	for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
		strv_free(&undo->written[i]);
}

/* One "FILE TEXT". */
static void write_back(int dir_fd, const char *written)
{
	size_t length = strcspn(written, " ");
	cleanup_free char *name = xstrndup(written, length);
	cleanup_close int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
	const char *text = written + length + 1;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		log_debug("put a limit back: %s: %m", written);
}

void cgroup_update_undo(struct cgroup *cgroup, struct cgroup_undo *undo)
{
	for (size_t i = 0; i < cgroup->count; i++)
		for (size_t n = undo->written[i].count; n > 0; n--)
			write_back(cgroup->places[i].leaf_fds[CGROUP_PAYLOAD],
			           undo->written[i].items[n - 1]);
}

int cgroup_update(struct cgroup *cgroup, const struct cgroup_limits *limits,
                  struct cgroup_undo *undo, struct stor_err *err)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct cgroup_place *place = &cgroup->places[i];
		cleanup_free char *path = cgroup_leaf_path(place, CGROUP_PAYLOAD);
		struct cgroup_dir dir = { .fd = place->leaf_fds[CGROUP_PAYLOAD],
			                  .path = path,
			                  .controllers = place->controllers,
			                  .undo = undo ? &undo->written[i] : NULL };

		if (place->module->limit(&dir, limits, err) == 0)
			continue;
		if (undo)
			cgroup_update_undo(cgroup, undo);
		return -1;
	}
	return 0;
}

uint32_t cgroup_controllers(const struct cgroup *cgroup)
{
	uint32_t all = 0;

	for (size_t i = 0; i < cgroup->count; i++)
		all |= cgroup->places[i].controllers;
	return all;
}
