/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's cgroup once it is there: see cgroup.h. make.c makes it, and remove.c takes it away.
 */
#include "core/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/record.h"
#include "core/cgroup/internal.h"
#include "core/module.h"

#define ADOPT_PASSES 1000
#define CHILDREN_LIMIT_BYTES (4u << 20)

const char *const cgroup_leaf_names[CGROUP_LEAVES] = { "payload", "server" };

void cgroup_close(struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->count; i++) {
		free(cgroup->places[i].path);
		for (int leaf = 0; leaf < CGROUP_LEAVES; leaf++)
			close_fd(&cgroup->places[i].leaf_fds[leaf]);
	}
	*cgroup = (struct cgroup)CGROUP_INIT;
}

struct cgroup_place *cgroup_add_place(struct cgroup *cgroup, bool is_v2, uint32_t controllers,
                                      const char *path, struct stor_err *err)
{
	struct cgroup_place *place = &cgroup->places[cgroup->count];
	const struct cgroup_module *module = NULL;

	/* Loading it once more would look at all of its path once more. */
	for (size_t i = 0; i < cgroup->count && !module; i++)
		if (cgroup->places[i].is_v2 == is_v2)
			module = cgroup->places[i].module;
	if (!module)
		module = module_load("cgroup", is_v2 ? "v2" : "v1", err);
	if (!module)
		return NULL;
	*place = (struct cgroup_place){ module, is_v2, controllers, xstrdup(path), { -1, -1 } };
	cgroup->count++;
	return place;
}

bool cgroup_has_leaves(const struct cgroup_place *place)
{
	return place->is_v2 ||
	       place->controllers & ~(uint32_t)(CGROUP_DEVICES | CGROUP_FREEZER | CGROUP_SYSTEMD);
}

char *cgroup_leaf_path(const struct cgroup_place *place, enum cgroup_leaf leaf)
{
	if (leaf == CGROUP_PAYLOAD && !cgroup_has_leaves(place))
		return xstrdup(place->path);
	return xasprintf("%s/%s", place->path, cgroup_leaf_names[leaf]);
}

int cgroup_open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* "v1 128 /sys/fs/cgroup/devices/stor-1" */
struct cgroup_place *cgroup_open_place(struct cgroup *cgroup, const char *text,
                                       struct stor_err *err)
{
	char version[3], path[PATH_MAX];
	struct cgroup_place *place;
	unsigned controllers;

	if (cgroup->count == CGROUP_HIERARCHIES_MAX ||
	    sscanf(text, "%2s %u %4095s", version, &controllers, path) != 3) {
		err_fail(err, STOR_FAILED, 0, "damaged record of a cgroup: \"%s\"", text);
		return NULL;
	}
	place = cgroup_add_place(cgroup, !strcmp(version, "v2"), controllers, path, err);
	for (int leaf = 0; place && leaf < CGROUP_LEAVES; leaf++) {
		cleanup_free char *leaf_path = cgroup_leaf_path(place, leaf);

		place->leaf_fds[leaf] = cgroup_open_dir(leaf_path);
	}
	return place;
}

static int open_used_place(struct cgroup *cgroup, const char *text, struct stor_err *err)
{
	const struct cgroup_place *place = cgroup_open_place(cgroup, text, err);

	if (!place || place->leaf_fds[CGROUP_PAYLOAD] >= 0)
		return place ? 0 : -1;
	return err_fail(err, STOR_NOT_FOUND, 0, "there is no payload in cgroup %s", place->path);
}

int cgroup_open(struct store *store, const char *id, struct cgroup *cgroup, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = cgroup_record_path(id);
	const char *text;

	if (record_load(&record, store->state_fd, path, err) < 0)
		return -1;
	cgroup->is_filter_only = record_get(&record, CGROUP_KEY_FILTER_ONLY) != NULL;
	for (size_t at = 0; (text = record_next(&record, "place", &at));) {
		if (open_used_place(cgroup, text, err) == 0)
			continue;
		cgroup_close(cgroup);
		return -1;
	}
	return 0;
}

/* --- processes ------------------------------------------------------------------------------ */

static struct cgroup_dir dir_of(const struct cgroup_place *place, enum cgroup_leaf leaf)
{
	return (struct cgroup_dir){ place->leaf_fds[leaf], place->path, place->controllers };
}

/* Returns 0; 1: there is no such process any more; -1 with errno. */
static int move_process(const struct cgroup_place *place, enum cgroup_leaf leaf, pid_t pid)
{
	cleanup_close int fd = openat(place->leaf_fds[leaf], "cgroup.procs", O_WRONLY | O_CLOEXEC);
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", (int)pid);

	if (fd < 0)
		return -1;
	if (write(fd, text, (size_t)length) == length)
		return 0;
	return errno == ESRCH ? 1 : -1;
}

/* Is it in this leaf? Its own view of the hierarchy tells: the path ends with the leaf's. */
static bool is_inside(const struct cgroup_place *place, enum cgroup_leaf leaf, pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/cgroup", (int)pid);
	cleanup_free char *leaf_path = cgroup_leaf_path(place, leaf);
	cleanup_free char *end =
		xasprintf("%s\n", leaf_path + (strrchr(place->path, '/') - place->path));
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, 65536, NULL, &ignored);
	const char *line = text;

	while (line && *line) {
		size_t length = strcspn(line, "\n");
		cleanup_free char *one = xasprintf("%.*s\n", (int)length, line);
		const char *names = strchr(one, ':');
		cleanup_free char *words =
			names ? xstrndup(names + 1, strcspn(names + 1, ":")) : xstrdup("");

		if ((place->is_v2 ? str_starts(one, "0::")
		                  : (cgroup_controllers_of(words) & place->controllers) != 0) &&
		    str_ends(one, end))
			return true;
		line += length + (line[length] == '\n');
	}
	return !text; /* it has ended */
}

/* Moves a process, and what descends from it. Returns how many were outside, or -1. */
static int adopt_tree(struct cgroup *cgroup, enum cgroup_leaf leaf, pid_t pid, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("/proc/%d/task/%d/children", (int)pid, (int)pid);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *children = NULL;
	int moved = 0, below;
	char *at;

	for (size_t i = 0; i < cgroup->count; i++) {
		struct cgroup_place *place = &cgroup->places[i];

		if (place->leaf_fds[leaf] < 0 || is_inside(place, leaf, pid))
			continue;
		if (move_process(place, leaf, pid) < 0)
			return err_fail(err, STOR_FAILED, errno, "move process %d to the %s of %s",
			                (int)pid, cgroup_leaf_names[leaf], place->path);
		moved = 1;
	}
	/* Read afterwards: what is forked from now on is inside. */
	children = fs_read_file(AT_FDCWD, path, CHILDREN_LIMIT_BYTES, NULL, &ignored);
	at = children;
	while (at && *at) {
		long child = strtol(at, &at, 10);

		at += strspn(at, " \n");
		if (child <= 0)
			break;
		below = adopt_tree(cgroup, leaf, (pid_t)child, err);
		if (below < 0)
			return -1;
		moved += below;
	}
	return moved;
}

int cgroup_adopt_into(struct cgroup *cgroup, enum cgroup_leaf leaf, pid_t pid, struct stor_err *err)
{
	for (int pass = 0; pass < ADOPT_PASSES; pass++) {
		int moved = adopt_tree(cgroup, leaf, pid, err);

		if (moved <= 0)
			return moved;
	}
	return err_fail(err, STOR_BUSY, 0, "the processes below %d fork too fast to be moved",
	                (int)pid);
}

int cgroup_adopt(struct cgroup *cgroup, pid_t pid, struct stor_err *err)
{
	return cgroup_adopt_into(cgroup, CGROUP_PAYLOAD, pid, err);
}

/* --- acting on it --------------------------------------------------------------------------- */

static const struct cgroup_place *place_with(const struct cgroup *cgroup, uint32_t controller)
{
	for (size_t i = 0; i < cgroup->count; i++)
		if (cgroup->places[i].controllers & controller)
			return &cgroup->places[i];
	return NULL;
}

int cgroup_freeze(struct cgroup *cgroup, bool on, struct stor_err *err)
{
	const struct cgroup_place *place = place_with(cgroup, CGROUP_FREEZER);
	struct cgroup_dir dir;

	if (!place) {
		err_fail(err, STOR_UNSUPPORTED, 0, "this machine has no freezer of cgroups");
		err_hint(err, "mount the controller freezer, or version 2 of cgroups");
		return -1;
	}
	dir = dir_of(place, CGROUP_PAYLOAD);
	return place->module->freeze(&dir, on, err);
}

static int kill_in(const struct cgroup_place *place, enum cgroup_leaf leaf, struct stor_err *err)
{
	struct cgroup_dir dir = dir_of(place, leaf);

	return dir.fd >= 0 ? place->module->kill_all(&dir, err) : 0;
}

int cgroup_kill(const struct cgroup *cgroup, enum cgroup_leaf leaf, struct stor_err *err)
{
	const struct cgroup_place *freezer = place_with(cgroup, CGROUP_FREEZER);

	/* First where they are frozen: elsewhere they would not die. */
	if (freezer && kill_in(freezer, leaf, err) < 0)
		return -1;
	for (size_t i = 0; i < cgroup->count; i++)
		if (&cgroup->places[i] != freezer && kill_in(&cgroup->places[i], leaf, err) < 0)
			return -1;
	return 0;
}

bool cgroup_is_frozen(const struct cgroup *cgroup)
{
	const struct cgroup_place *place = place_with(cgroup, CGROUP_FREEZER);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = NULL;

	if (!place)
		return false;
	text = fs_read_file(place->leaf_fds[CGROUP_PAYLOAD],
	                    place->is_v2 ? "cgroup.freeze" : "freezer.state", 64, NULL, &ignored);
	return text && (*text == '1' || str_starts(text, "FR"));
}

bool cgroup_read_stats(const struct cgroup *cgroup, enum cgroup_leaf leaf,
                       struct cgroup_stats *stats)
{
	bool is_there = false;

	memset(stats, 0xff, sizeof(*stats)); /* every number CGROUP_UNKNOWN */
	stats->cpu_pressure.some_avg10 = -1;
	stats->memory_pressure.some_avg10 = -1;
	stats->io_pressure.some_avg10 = -1;
	for (size_t i = 0; i < cgroup->count; i++) {
		const struct cgroup_place *place = &cgroup->places[i];
		struct cgroup_dir dir = dir_of(place, leaf);

		if (dir.fd < 0)
			continue;
		is_there = true;
		place->module->read(&dir, stats);
	}
	return is_there;
}

uint64_t cgroup_oom_kills(const struct cgroup *cgroup)
{
	const struct cgroup_place *place = place_with(cgroup, CGROUP_MEMORY);
	struct cgroup_dir dir;

	if (!place)
		return CGROUP_UNKNOWN;
	dir = dir_of(place, CGROUP_PAYLOAD);
	return place->module->oom_kills(&dir);
}
