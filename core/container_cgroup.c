/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cgroup of a running container: see container_cgroup.h. */
#include "core/container_cgroup.h"

#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/container_life.h"
#include "core/container_store.h"
#include "core/event.h"

static const char *reason(void *ctx, uint32_t controller)
{
	(void)ctx;
	(void)controller;
	return "pause and stats";
}

/* Makes a cgroup around a container that has none, or one without what is wished for. Its own end,
 * which waits for the lock, removes it. */
static int surround(struct store *store, const char *id, pid_t pid, const struct cgroup_wish *given,
                    struct cgroup *cgroup, struct stor_err *err)
{
	bool has_one = cgroup->count != 0;
	static const struct cgroup_limits none = { .memory_bytes = 0 };
	struct cgroup_wish wish = *given;
	int result;

	wish.limits = &none;
	cgroup_close(cgroup);
	result = has_one ? cgroup_extend(store, id, &wish, cgroup, err)
	                 : cgroup_make(store, id, &wish, cgroup, err);
	if (result == 0)
		result = cgroup_adopt(cgroup, pid, err);
	if (result == 0 && store_is_live(store, id, NULL))
		return 0;
	cgroup_close(cgroup);
	if (store_is_live(store, id, NULL))
		return -1;
	err_clear(err);
	return container_fail_not_running(store, id, err);
}

/* The container's first process, by its record. 0: it does not run. */
static pid_t first_process(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (!store_is_live(store, id, NULL) || container_load(store, id, &record, &ignored) < 0)
		return 0;
	return container_first_process(store, &record);
}

/* Nobody else may be about to do the same. */
static int open_locked(struct store *store, const char *id, const struct cgroup_wish *wish,
                       struct cgroup *cgroup, bool *is_new, struct stor_err *err)
{
	struct stor_err missing = STOR_ERR_INIT;
	pid_t pid = first_process(store, id);

	if (!pid)
		return container_fail_not_running(store, id, err);
	if (cgroup_open(store, id, cgroup, &missing) < 0 && missing.status != STOR_NOT_FOUND) {
		*err = missing;
		return -1;
	}
	/* What works without the freezer, works without. */
	if (cgroup->count && !cgroup->is_filter_only &&
	    !(wish->needed & ~CGROUP_FREEZER & ~cgroup_controllers(cgroup)))
		return 0;
	*is_new = !cgroup->count || cgroup->is_filter_only;
	if (surround(store, id, pid, wish, cgroup, err) < 0)
		return err_context(err, "container %s", id);
	return 0;
}

int container_open_cgroup_with(struct store *store, const char *id, const struct cgroup_wish *wish,
                               struct cgroup *cgroup, bool *is_new, struct stor_err *err)
{
	cleanup_close int lock_fd = cgroup_lock(store, id, err);

	*is_new = false;
	return lock_fd < 0 ? -1 : open_locked(store, id, wish, cgroup, is_new, err);
}

int container_open_cgroup(struct store *store, const char *name, char **id, struct cgroup *cgroup,
                          bool *is_new, struct stor_err *err)
{
	static const struct cgroup_wish wish = { .needed = CGROUP_FREEZER, .reason = reason };
	cleanup_free char *found = NULL;

	*is_new = false;
	if (container_find(store, name, &found, NULL, err) < 0 ||
	    container_open_cgroup_with(store, found, &wish, cgroup, is_new, err) < 0)
		return -1;
	*id = steal_ptr(&found);
	return 0;
}

void container_note_oom(struct store *store, const char *id, const struct record *record,
                        const struct cgroup *cgroup)
{
	cleanup_cgroup struct cgroup own = CGROUP_INIT;
	struct stor_err missing = STOR_ERR_INIT;
	uint64_t kills;

	if (!cgroup && cgroup_open(store, id, &own, &missing) < 0) {
		log_debug("%s", missing.text);
		return;
	}
	kills = cgroup_oom_kills(cgroup ? cgroup : &own);
	if (kills && kills != CGROUP_UNKNOWN)
		event_container(store, "oom", id, record, NULL);
}
