/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroup of a running container: see container_cgroup.h. */
#include "core/container_cgroup.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/container_store.h"

#define LOCK_WAIT_MS 10000

static const char *reason(void *ctx, uint32_t controller)
{
	(void)ctx;
	(void)controller;
	return "pause and stats";
}

static int fail_not_running(const char *id, struct stor_err *err)
{
	err_fail(err, STOR_FAILED, 0, "container %s does not run", id);
	err_hint(err, "stor ps lists those that do");
	return -1;
}

/* Makes a cgroup around a container that has none, or one for the device filter alone. Its own end
 * removes it, unless it has ended meanwhile. */
static int surround(struct store *store, const char *id, pid_t pid, struct cgroup *cgroup,
                    struct stor_err *err)
{
	bool has_one = cgroup->is_filter_only;
	static const struct cgroup_limits none = { .memory_bytes = 0 };
	const struct cgroup_wish wish = { .limits = &none,
		                          .needed = CGROUP_FREEZER,
		                          .reason = reason };
	struct stor_err ignored = STOR_ERR_INIT;
	int result;

	cgroup_close(cgroup);
	result = has_one ? cgroup_extend(store, id, &wish, cgroup, err)
	                 : cgroup_make(store, id, &wish, cgroup, err);
	if (result == 0)
		result = cgroup_adopt(cgroup, pid, err);
	if (result == 0 && store_is_live(store, id, NULL))
		return 0;
	cgroup_close(cgroup);
	if (!store_is_live(store, id, NULL)) {
		cgroup_remove(store, id, &ignored);
		err_clear(err);
		return fail_not_running(id, err);
	}
	return -1;
}

/* The container's first process, by its record. 0: it does not run. */
static pid_t first_process(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	pid_t pid;

	if (!store_is_live(store, id, NULL) || container_load(store, id, &record, &ignored) < 0)
		return 0;
	pid = (pid_t)record_get_u64(&record, "pid", 0);
	return pid && proc_is_alive(pid, record_get_u64(&record, "start-time", 0)) ? pid : 0;
}

int container_open_cgroup(struct store *store, const char *name, char **id, struct cgroup *cgroup,
                          bool *is_new, struct stor_err *err)
{
	cleanup_free char *found = NULL, *key = NULL;
	struct stor_err missing = STOR_ERR_INIT;
	cleanup_close int lock_fd = -1;
	pid_t pid;

	*is_new = false;
	if (container_find(store, name, &found, NULL, err) < 0)
		return -1;
	key = xasprintf("g-%s", found);
	lock_fd = store_lock(store, key, true, LOCK_WAIT_MS, err);
	if (lock_fd < 0)
		return -1;
	pid = first_process(store, found);
	if (!pid)
		return fail_not_running(found, err);
	if (cgroup_open(store, found, cgroup, &missing) < 0 && missing.status != STOR_NOT_FOUND) {
		*err = missing;
		return -1;
	}
	if (!cgroup->count || cgroup->is_filter_only) {
		if (surround(store, found, pid, cgroup, err) < 0)
			return err_context(err, "container %s", found);
		*is_new = true;
	}
	*id = steal_ptr(&found);
	return 0;
}
