/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of containers: symbolic links, since making one is atomic. A free name costs one system
 * call and no lock. Links are replaced, and taken away by others than their owner, only under the
 * lock "names", and after looking again.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/container_store.h"
#include "core/store.h"

#define NAMES_WAIT_MS 5000

static char *link_path(const char *name)
{
	return xasprintf("names/%s", name);
}

char *store_find_name(struct store *store, const char *name)
{
	cleanup_free char *path = link_path(name);
	char id[64];

	fs_read_link(store->fd, path, id, sizeof(id));
	return store_is_id(id) ? xstrdup(id) : NULL;
}

/* Takes the link of a holder that is gone away, unless somebody else did. */
static int remove_stale(struct store *store, const char *name, const char *holder,
                        struct stor_err *err)
{
	cleanup_close int lock_fd = store_lock(store, "names", true, NAMES_WAIT_MS, err);
	cleanup_free char *path = link_path(name), *now = NULL;

	if (lock_fd < 0)
		return err_context(err, "name %s", name);
	now = store_find_name(store, name);
	if (!now || strcmp(now, holder) != 0)
		return 0;
	kill_point("name-stale");
	if (unlinkat(store->fd, path, 0) < 0 && errno != ENOENT)
		return err_fail(err, STOR_FAILED, errno, "remove %s/%s", store->path, path);
	return 0;
}

/* The name is held by `holder`: fails when it has a right to it, and else takes it away. */
static int evict(struct store *store, const char *name, const char *holder, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err gone = STOR_ERR_INIT;
	enum store_life life;

	if (container_load(store, holder, &record, &gone) < 0)
		return gone.status == STOR_NOT_FOUND ? remove_stale(store, name, holder, err)
		                                     : (*err = gone, -1);
	life = store_life(store, holder, NULL);
	if (container_is_rm(&record) && container_has_died(&record, life))
		return container_reap(store, holder, err);
	err_fail(err, STOR_BUSY, 0, "the name %s is taken by container %s", name, holder);
	err_hint(err, "choose another --name, or remove it: stor rm %s", name);
	return -1;
}

int store_claim_name(struct store *store, const char *name, const char *id, struct stor_err *err)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	cleanup_free char *path = link_path(name);

	/* Some 2 s: how long another command may take to remove what a dead one left. */
	for (int attempt = 0; attempt < 1000; attempt++) {
		cleanup_free char *holder = NULL;

		if (symlinkat(id, store->fd, path) == 0)
			return 0;
		if (errno == ENOENT && store_make_dir(store->fd, "names", err) == 0)
			continue;
		if (errno != EEXIST)
			return err_fail(err, STOR_FAILED, errno, "write %s/%s", store->path, path);
		holder = store_find_name(store, name);
		if (holder && evict(store, name, holder, err) < 0)
			return -1;
		if (attempt > 8)
			nanosleep(&pause, NULL);
	}
	return err_fail(err, STOR_BUSY, 0, "the name %s is being freed by another stor command",
	                name);
}

int store_drop_name(struct store *store, const char *name, const char *id, bool own,
                    struct stor_err *err)
{
	cleanup_free char *path = link_path(name);

	if (!own)
		return remove_stale(store, name, id, err);
	if (unlinkat(store->fd, path, 0) < 0 && errno != ENOENT)
		return err_fail(err, STOR_FAILED, errno, "remove %s/%s", store->path, path);
	return 0;
}
