/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which directory of a container's cgroup gets which of its limits: see internal.h. */
#include <errno.h>

#include <stor/util.h>

#include "core/cgroup/internal.h"

/* What counts among siblings, of which the payload has none but the servers: weights, and in
 * version 2 memory that is left to it, of which a cgroup has no more than the one above. False:
 * nothing. */
static bool take_standing(const struct cgroup_place *place, const struct cgroup_limits *all,
                          struct cgroup_limits *standing)
{
	*standing = (struct cgroup_limits){
		.cpu_weight = all->cpu_weight,
		.cpu_shares = all->cpu_shares,
		.io_weight = all->io_weight,
		.memory_reservation_bytes = place->is_v2 ? all->memory_reservation_bytes : 0,
	};
	return cgroup_has_leaves(place) &&
	       (standing->cpu_weight || standing->cpu_shares || standing->io_weight ||
	        standing->memory_reservation_bytes);
}

static int apply_standing(const struct cgroup_place *place, const struct cgroup_limits *standing,
                          struct strv *undo, struct stor_err *err)
{
	cleanup_close int fd = cgroup_open_dir(place->path);
	const struct cgroup_dir dir = { fd, place->path, place->controllers, undo };

	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open cgroup %s", place->path);
	return place->module->limit(&dir, standing, err);
}

int cgroup_apply_limits(const struct cgroup_place *place, const struct cgroup_limits *limits,
                        struct strv *undo_whole, struct strv *undo_payload, struct stor_err *err)
{
	cleanup_free char *path = cgroup_leaf_path(place, CGROUP_PAYLOAD);
	const struct cgroup_dir payload = { place->leaf_fds[CGROUP_PAYLOAD], path,
		                            place->controllers, undo_payload };
	struct cgroup_limits standing, rest = *limits;

	if (take_standing(place, limits, &standing) &&
	    apply_standing(place, &standing, undo_whole, err) < 0)
		return -1;
	rest.cpu_weight = rest.cpu_shares = rest.io_weight = 0;
	return place->module->limit(&payload, &rest, err);
}
