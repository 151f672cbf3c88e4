/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a container's cgroup: where, with which controllers, and its limits. See cgroup.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/record.h"
#include "core/cgroup/internal.h"
#include "core/module.h"

#define SYSTEMD_MARK "/run/systemd/system"
#define SYSTEMD_SLICE "stor.slice"

/* Used wherever they are there, for readings, freezing and the device filter; the others when they
 * are needed. */
#define WANTED                                                                                     \
	(CGROUP_CPU | CGROUP_CPUACCT | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO | CGROUP_DEVICES |  \
	 CGROUP_FREEZER)

/* One making. */
struct making {
	const char *id;
	const struct cgroup_wish *wish;
	struct cgroup *cgroup;
	struct record record; /* of what is above, until the places are there, too */
	struct cgroup_machine machine;
};

static int fail_missing(const struct making *m, uint32_t controller, struct stor_err *err)
{
	const char *name = cgroup_controller_name(controller);

	err_fail(err, STOR_UNSUPPORTED, 0, "%s: this machine has no cgroup controller \"%s\"",
	         m->wish->reason(m->wish->ctx, controller), name);
	if (!m->machine.count)
		err_hint(err, "no cgroups are mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	else if (controller == CGROUP_MEMORY)
		err_hint(err, "boot the kernel with cgroup_enable=memory, or mount the controller");
	else if (controller == CGROUP_SYSTEMD)
		err_hint(err, "mkdir -p " CGROUP_SYSTEMD_MOUNT " && " CGROUP_SYSTEMD_REMEDY);
	else
		err_hint(err, "mount the controller, or use a kernel that was built with it");
	return -1;
}

static int check_needed(const struct making *m, struct stor_err *err)
{
	for (uint32_t one = 1; one <= CGROUP_LAST; one <<= 1)
		if (m->wish->needed & one && !cgroup_machine_home(&m->machine, one))
			return fail_missing(m, one, err);
	return 0;
}

static bool is_there(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

/* Below the mount, without a slash in front; "": the root of the hierarchy. */
static int find_parent(const struct making *m, const struct cgroup_hierarchy *h,
                       const char **parent, struct stor_err *err)
{
	cleanup_free char *slice = xasprintf("%s/" SYSTEMD_SLICE, h->mount);

	*parent = m->wish->parent;
	if (*parent)
		return 0;
	*parent = "";
	if (!is_there(SYSTEMD_MARK))
		return 0;
	*parent = SYSTEMD_SLICE;
	if (!h->is_v2 || is_there(slice))
		return 0;
	err_fail(err, STOR_UNSUPPORTED, 0, "systemd owns the cgroups, and there is no %s", slice);
	err_hint(err, "make install ships " SYSTEMD_SLICE ": systemctl daemon-reload && systemctl "
	              "start " SYSTEMD_SLICE "; or name a delegated cgroup with --cgroup-parent");
	return -1;
}

/* --- directories ---------------------------------------------------------------------------- */

/* Hands on what is needed, and what is only wanted as far as it goes. */
static int hand_on(const struct making *m, const struct cgroup_place *place, const char *path,
                   bool is_ours, struct stor_err *err)
{
	uint32_t all = place->controllers & place->module->handed_on;
	cleanup_close int fd = all ? cgroup_open_dir(path) : -1;
	struct cgroup_dir dir = { fd, path, all & m->wish->needed };

	if (!all)
		return 0;
	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open cgroup %s", path);
	if (place->module->hand_on(&dir, is_ours, err) < 0)
		return -1;
	for (uint32_t one = 1; one <= CGROUP_LAST; one <<= 1) {
		struct stor_err ignored = STOR_ERR_INIT;

		dir.controllers = all & ~m->wish->needed & one;
		if (dir.controllers)
			place->module->hand_on(&dir, is_ours, &ignored);
	}
	return 0;
}

/* Returns 1 if it was there. */
static int make_dir(const char *path, struct stor_err *err)
{
	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno == EEXIST)
		return 1;
	err_fail(err, errno == EROFS ? STOR_UNSUPPORTED : STOR_FAILED, errno, "make cgroup %s",
	         path);
	if (errno == EROFS)
		err_hint(err, "cgroups are mounted read-only here, as in a container");
	return -1;
}

/* Walks from the hierarchy's root to stor-ID, making what is missing, as find_missing() recorded.
 */
static int make_path(struct making *m, struct cgroup_place *place, size_t mount_length,
                     struct stor_err *err)
{
	cleanup_free char *path = xstrdup(place->path);
	size_t at = mount_length;

	for (;;) {
		int found = 1;
		size_t next;

		path[at] = '\0';
		if (at > mount_length)
			found = make_dir(path, err);
		if (found < 0 || hand_on(m, place, path, !found, err) < 0)
			return -1;
		if (at == strlen(place->path))
			return 0;
		path[at] = '/';
		next = at + 1 + strcspn(path + at + 1, "/");
		at = next;
	}
}

/* What was only wanted may not have reached here. */
static void drop_unreached(struct cgroup_place *place)
{
	cleanup_free char *path = xasprintf("%s/cgroup.controllers", place->path);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = NULL;

	if (!place->is_v2 || !(place->controllers & place->module->handed_on))
		return;
	text = fs_read_file(AT_FDCWD, path, 4096, NULL, &ignored);
	if (text)
		place->controllers &= cgroup_controllers_of(text) | CGROUP_DEVICES |
		                      CGROUP_FREEZER | CGROUP_SYSTEMD;
}

int cgroup_make_leaf(struct cgroup_place *place, enum cgroup_leaf leaf, struct stor_err *err)
{
	cleanup_free char *path = cgroup_leaf_path(place, leaf);
	struct cgroup_dir dir;

	if (cgroup_has_leaves(place) && make_dir(path, err) < 0)
		return -1;
	close_fd(&place->leaf_fds[leaf]);
	place->leaf_fds[leaf] = cgroup_open_dir(path);
	if (place->leaf_fds[leaf] < 0)
		return err_fail(err, STOR_FAILED, errno, "open cgroup %s", path);
	if (place->is_v2 || !cgroup_has_leaves(place))
		return 0;
	dir = (struct cgroup_dir){ place->leaf_fds[leaf], path, place->controllers };
	return place->module->hand_on(&dir, true, err);
}

static int make_place(struct making *m, struct cgroup_place *place, size_t mount_length,
                      struct stor_err *err)
{
	if (make_path(m, place, mount_length, err) < 0)
		return -1;
	drop_unreached(place);
	if (cgroup_make_leaf(place, CGROUP_PAYLOAD, err) < 0)
		return -1;
	kill_point("cgroup-made");
	return cgroup_apply_limits(place, m->wish->limits, NULL, NULL, err);
}

/* --- choosing and recording ----------------------------------------------------------------- */

/* Directories above stor-ID that do not exist: they go again with the last container in them. */
static void record_missing(struct making *m, const char *path, size_t mount_length)
{
	cleanup_free char *above = xstrdup(path);
	char *slash;

	while ((slash = strrchr(above, '/')) && (size_t)(slash - above) > mount_length) {
		*slash = '\0';
		if (!is_there(above))
			record_add(&m->record, "made", above);
	}
}

/* The place that it has in a hierarchy already, or NULL. */
static struct cgroup_place *find_place(const struct making *m, const struct cgroup_hierarchy *h)
{
	size_t length = strlen(h->mount);

	for (size_t i = 0; i < m->cgroup->count; i++) {
		struct cgroup_place *place = &m->cgroup->places[i];

		if (place->is_v2 == h->is_v2 && !strncmp(place->path, h->mount, length) &&
		    place->path[length] == '/')
			return place;
	}
	return NULL;
}

static struct cgroup_place *add_place(struct making *m, const struct cgroup_hierarchy *h,
                                      struct stor_err *err)
{
	cleanup_free char *path = NULL;
	const char *parent;

	if (find_parent(m, h, &parent, err) < 0)
		return NULL;
	path = xasprintf("%s%s%s/stor-%s", h->mount, *parent ? "/" : "", parent, m->id);
	record_missing(m, path, strlen(h->mount));
	return cgroup_add_place(m->cgroup, h->is_v2, 0, path, err);
}

/* The container's place in a hierarchy, if it has something to do there. */
static int choose_place(struct making *m, const struct cgroup_hierarchy *h, size_t *mount_lengths,
                        struct stor_err *err)
{
	uint32_t wanted = m->wish->filter_only ? CGROUP_DEVICES : WANTED;
	uint32_t use = h->controllers & (wanted | m->wish->needed);
	struct cgroup_place *place;

	if (!use)
		return 0;
	/* In version 2 it costs nothing, and when it is mounted together with another controller,
	 * it must be filled for that one's sake. */
	use |= h->controllers & (h->is_v2 ? CGROUP_FREEZER : CGROUP_CPUSET);
	place = find_place(m, h) ?: add_place(m, h, err);
	if (!place)
		return -1;
	place->controllers |= use;
	mount_lengths[place - m->cgroup->places] = strlen(h->mount);
	return 0;
}

static int save_record(struct store *store, struct making *m, struct stor_err *err)
{
	cleanup_free char *path = cgroup_record_path(m->id);

	for (size_t i = 0; i < m->cgroup->count; i++) {
		const struct cgroup_place *place = &m->cgroup->places[i];
		cleanup_free char *text = xasprintf("%s %u %s", place->is_v2 ? "v2" : "v1",
		                                    place->controllers, place->path);

		record_add(&m->record, "place", text);
	}
	if (m->wish->filter_only)
		record_add(&m->record, CGROUP_KEY_FILTER_ONLY, "yes");
	if (store_make_dir(store->state_fd, "cgroups", err) < 0 ||
	    record_save(&m->record, store->state_fd, path, false, err) < 0)
		return -1;
	kill_point("cgroup-recorded");
	return 0;
}

static int make(struct store *store, struct making *m, struct stor_err *err)
{
	size_t mount_lengths[CGROUP_HIERARCHIES_MAX] = { 0 };

	m->cgroup->is_filter_only = m->wish->filter_only;
	if (cgroup_machine_find(&m->machine, m->wish->filter_only, err) < 0 ||
	    check_needed(m, err) < 0)
		return -1;
	for (size_t i = 0; i < m->machine.count; i++)
		if (choose_place(m, &m->machine.items[i], mount_lengths, err) < 0)
			return -1;
	if (save_record(store, m, err) < 0)
		return -1;
	for (size_t i = 0; i < m->cgroup->count; i++)
		if (mount_lengths[i] &&
		    make_place(m, &m->cgroup->places[i], mount_lengths[i], err) < 0)
			return -1;
	return 0;
}

int cgroup_make(struct store *store, const char *id, const struct cgroup_wish *wish,
                struct cgroup *cgroup, struct stor_err *err)
{
	struct making m = { .id = id, .wish = wish, .cgroup = cgroup };
	int result = make(store, &m, err);

	record_free(&m.record);
	cgroup_machine_free(&m.machine);
	return result;
}

/* What its record names: directories above, and places, of which the leaves are opened. */
static int take_over(struct store *store, struct making *m, struct stor_err *err)
{
	cleanup_record struct record old = RECORD_INIT;
	cleanup_free char *path = cgroup_record_path(m->id);
	const char *text;

	if (record_load(&old, store->state_fd, path, err) < 0)
		return -1;
	for (size_t at = 0; (text = record_next(&old, "made", &at));)
		record_add(&m->record, "made", text);
	for (size_t at = 0; (text = record_next(&old, "place", &at));)
		if (!cgroup_open_place(m->cgroup, text, err))
			return -1;
	return 0;
}

int cgroup_extend(struct store *store, const char *id, const struct cgroup_wish *wish,
                  struct cgroup *cgroup, struct stor_err *err)
{
	struct making m = { .id = id, .wish = wish, .cgroup = cgroup };
	int result = take_over(store, &m, err);

	if (result == 0)
		result = make(store, &m, err);
	record_free(&m.record);
	cgroup_machine_free(&m.machine);
	return result;
}
