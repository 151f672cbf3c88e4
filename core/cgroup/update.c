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
	for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++) {
		strv_free(&undo->whole[i]);
		strv_free(&undo->payload[i]);
	}
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

/* The last first. */
static void write_all_back(int dir_fd, const struct strv *written)
{
	for (size_t n = written->count; n > 0; n--)
		write_back(dir_fd, written->items[n - 1]);
}

void cgroup_update_undo(struct cgroup *cgroup, struct cgroup_undo *undo)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct cgroup_place *place = &cgroup->places[i];

		write_all_back(place->leaf_fds[CGROUP_PAYLOAD], &undo->payload[i]);
		if (undo->whole[i].count) {
			cleanup_close int fd = cgroup_open_dir(place->path);

			write_all_back(fd, &undo->whole[i]);
		}
	}
}

int cgroup_update(struct cgroup *cgroup, const struct cgroup_limits *limits,
                  struct cgroup_undo *undo, struct stor_err *err)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		if (cgroup_apply_limits(&cgroup->places[i], limits, undo ? &undo->whole[i] : NULL,
		                        undo ? &undo->payload[i] : NULL, err) == 0)
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
