/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removing what dead stor processes left. The quick sweep looks at three folders whose entries name
 * their makers, and asks the kernel whether each maker is there; the thorough one also reads start
 * times and looks at every container, name and golden volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/container_store.h"
#include "core/golden.h"
#include "core/net/clean.h"
#include "core/store.h"
#include "core/volume_users.h"

struct sweep {
	struct store *store;
	const struct sweep_opts *opts;
	struct stor_err *err; /* of the last failure */
	bool has_failed;
};

static void report(const struct sweep *sweep, const char *kind, const char *name, const char *why)
{
	log_debug("sweep: %s %s: %s", kind, name, why);
	if (sweep->opts->report)
		sweep->opts->report(sweep->opts->ctx, kind, name, why);
}

/* Keeps the failure of one thing, and lets the sweep go on. */
static void keep_failure(struct sweep *sweep, const struct stor_err *why)
{
	log_debug("sweep: %s", why->text);
	*sweep->err = *why;
	sweep->has_failed = true;
}

/* The process that ran the container is dead. */
static void sweep_container(struct sweep *sweep, const char *id, const char *why)
{
	struct stor_err failure = STOR_ERR_INIT;

	report(sweep, "container", id, why);
	if (!sweep->opts->dry_run && container_reap(sweep->store, id, &failure) < 0)
		keep_failure(sweep, &failure);
}

/* Its monitor alone is dead: somebody else's work (core/cmd_adopt.h). */
static bool outlives(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	return container_load(store, id, &record, &ignored) == 0 &&
	       container_outlives(store, &record);
}

/* has_outlived: the list of the living has one whose monitor alone is dead. */
static void adopt(const struct sweep *sweep, bool has_outlived)
{
	cleanup_strv struct strv waiting = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	struct store *store = sweep->store;

	if (!store->adopt || !store->adopts_in_sweep || sweep->opts->dry_run)
		return;
	if (!has_outlived)
		store_list_dead(store, store->state_fd, "keep", false, &waiting, &ignored);
	if (has_outlived || waiting.count)
		store->adopt(store, NULL);
}

static void sweep_live(struct sweep *sweep)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err failure = STOR_ERR_INIT;
	struct store *store = sweep->store;
	bool has_outlived = false;
	struct store_mark mark;

	if (store_list_dead(store, store->state_fd, "live", sweep->opts->is_thorough, &names,
	                    &failure) < 0)
		keep_failure(sweep, &failure);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = NULL;

		if (!store_mark_parse(names.items[i], &mark))
			continue;
		if (outlives(store, mark.rest)) {
			has_outlived = true;
			continue;
		}
		sweep->has_failed = false;
		sweep_container(sweep, mark.rest, "its stor process is dead");
		/* The marker stays when something is left, for the next sweep. */
		path = xasprintf("live/%s", names.items[i]);
		if (!sweep->has_failed && !sweep->opts->dry_run)
			unlinkat(store->state_fd, path, 0);
	}
	adopt(sweep, has_outlived);
}

static void sweep_goldens(struct sweep *sweep)
{
	struct stor_err failure = STOR_ERR_INIT;

	if (golden_sweep(sweep->store, sweep->opts, &failure) < 0)
		keep_failure(sweep, &failure);
}

/* An image in tmp/ may have been replaced, and still have golden volumes. */
static bool has_image(struct store *store, const struct strv *names)
{
	for (size_t i = 0; i < names->count; i++) {
		cleanup_free char *path = xasprintf("tmp/%s/image", names->items[i]);

		if (faccessat(store->fd, path, F_OK, 0) == 0)
			return true;
	}
	return false;
}

static void sweep_temp(struct sweep *sweep)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err failure = STOR_ERR_INIT;
	struct store *store = sweep->store;

	if (store_list_dead(store, store->fd, "tmp", sweep->opts->is_thorough, &names, &failure) <
	    0)
		keep_failure(sweep, &failure);
	if (has_image(store, &names))
		sweep_goldens(sweep);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf("tmp/%s", names.items[i]);

		report(sweep, "unfinished work", path, "its stor process is dead");
		err_clear(&failure);
		if (!sweep->opts->dry_run && (volume_sweep_temp(store, path, &failure) < 0 ||
		                              fs_remove_tree(store->fd, path, &failure) < 0))
			keep_failure(sweep, &failure);
	}
}

/* Containers without a live marker: recorded as running before a boot, or without a record. */
static void sweep_containers(struct sweep *sweep)
{
	cleanup_strv struct strv ids = STRV_INIT, live = STRV_INIT;
	struct stor_err failure = STOR_ERR_INIT;

	if (store_list(sweep->store->fd, "containers", &ids, &failure) < 0 ||
	    store_list_live(sweep->store, &live, &failure) < 0) {
		keep_failure(sweep, &failure);
		return;
	}
	for (size_t i = 0; i < ids.count; i++) {
		cleanup_record struct record record = RECORD_INIT;

		err_clear(&failure);
		if (!store_is_id(ids.items[i]) || strv_has(&live, ids.items[i]))
			continue;
		if (container_load(sweep->store, ids.items[i], &record, &failure) < 0) {
			if (failure.status == STOR_NOT_FOUND)
				sweep_container(sweep, ids.items[i], "it has no record");
			else
				keep_failure(sweep, &failure);
		} else if (container_has_died(&record, STORE_NOT_RUN) &&
		           !container_outlives(sweep->store, &record)) {
			sweep_container(sweep, ids.items[i], "nobody runs it");
		}
	}
}

/* Cgroups of containers that ended while somebody made them. */
static void sweep_cgroups(struct sweep *sweep)
{
	cleanup_strv struct strv ids = STRV_INIT, live = STRV_INIT;
	struct stor_err failure = STOR_ERR_INIT;

	if (store_list(sweep->store->state_fd, "cgroups", &ids, &failure) < 0 ||
	    store_list_live(sweep->store, &live, &failure) < 0) {
		keep_failure(sweep, &failure);
		return;
	}
	for (size_t i = 0; i < ids.count; i++) {
		err_clear(&failure);
		if (!store_is_id(ids.items[i]) || strv_has(&live, ids.items[i]) ||
		    outlives(sweep->store, ids.items[i]))
			continue;
		report(sweep, "cgroup", ids.items[i], "nobody runs its container");
		if (!sweep->opts->dry_run &&
		    container_reap_cgroup(sweep->store, ids.items[i], &failure) < 0)
			keep_failure(sweep, &failure);
	}
}

static void sweep_names(struct sweep *sweep)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err failure = STOR_ERR_INIT;

	if (store_list(sweep->store->fd, "names", &names, &failure) < 0)
		keep_failure(sweep, &failure);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *id = store_find_name(sweep->store, names.items[i]);
		cleanup_record struct record record = RECORD_INIT;

		err_clear(&failure);
		if (!id || container_load(sweep->store, id, &record, &failure) == 0 ||
		    failure.status != STOR_NOT_FOUND)
			continue;
		report(sweep, "name", names.items[i], "its container does not exist");
		err_clear(&failure);
		if (!sweep->opts->dry_run &&
		    store_drop_name(sweep->store, names.items[i], id, false, &failure) < 0)
			keep_failure(sweep, &failure);
	}
}

/* The volume that a user's record names; also a container's own, which has its container's id. */
static int find_used(struct store *store, const char *name, struct volume *volume,
                     struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("volumes/%s", name);
	cleanup_record struct record record = RECORD_INIT;

	if (strchr(name, '/') || faccessat(store->fd, dir, F_OK, 0) == 0)
		return volume_find(store, name, NULL, NULL, volume, err);
	if (container_load(store, name, &record, err) < 0)
		return -1;
	return volume_of_container(store, name, &record, volume, err);
}

/* What a dead process's token names is ended by its backend. Where the volume is not found any
 * more, nobody is left to ask; only the thorough sweep forgets the token then. */
static void sweep_token(struct sweep *sweep, const char *path, const struct record *record)
{
	const char *name = record_get(record, "volume");
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct stor_err failure = STOR_ERR_INIT;

	report(sweep, "volume's user", name, "its stor process is dead");
	if (sweep->opts->dry_run)
		return;
	if (find_used(sweep->store, name, &volume, &failure) < 0) {
		if (failure.status == STOR_NOT_FOUND && sweep->opts->is_thorough)
			unlinkat(sweep->store->state_fd, path, 0);
		return;
	}
	if (volume_end_dead_users(sweep->store, &volume, &failure) < 0)
		keep_failure(sweep, &failure);
}

static void sweep_users(struct sweep *sweep)
{
	struct store *store = sweep->store;
	cleanup_strv struct strv tokens = STRV_INIT;
	struct stor_err failure = STOR_ERR_INIT;

	if (volume_users_sweep(store, sweep->opts, &tokens, &failure) < 0)
		keep_failure(sweep, &failure);
	for (size_t i = 0; i < tokens.count; i++) {
		cleanup_record struct record record = RECORD_INIT;

		err_clear(&failure);
		if (record_load(&record, store->state_fd, tokens.items[i], &failure) == 0 &&
		    record_get(&record, "volume"))
			sweep_token(sweep, tokens.items[i], &record);
	}
}

static void sweep_networks(struct sweep *sweep)
{
	struct stor_err failure = STOR_ERR_INIT;

	if (net_sweep(sweep->store, sweep->opts, &failure) < 0)
		keep_failure(sweep, &failure);
}

int store_collect(struct store *store, const struct sweep_opts *opts, struct stor_err *err)
{
	struct stor_err last = STOR_ERR_INIT;
	struct sweep sweep = { .store = store, .opts = opts, .err = &last };
	bool has_failed = false;
	char self[48];

	if (store_open(store, err) < 0)
		return -1;
	store_self(store, self, sizeof(self));
	sweep_live(&sweep);
	sweep_temp(&sweep);
	sweep_users(&sweep);
	sweep_networks(&sweep);
	if (opts->is_thorough || store->is_state_new) {
		sweep_containers(&sweep);
		sweep_names(&sweep);
		sweep_goldens(&sweep);
		sweep_cgroups(&sweep);
		if (!opts->dry_run)
			store->is_state_new = false;
	}
	has_failed = last.status != STOR_OK;
	if (has_failed)
		*err = last;
	return has_failed ? -1 : 0;
}

int store_sweep(struct store *store, struct stor_err *err)
{
	static const struct sweep_opts quick = { .is_thorough = false };

	return store_collect(store, &quick, err);
}
