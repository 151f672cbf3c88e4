/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container is called, and how that is changed. The new name leads to it before the record
 * says so, and the old one goes last: a kill leaves it with a name. A run that is just made, or
 * ends, writes its whole record, or takes its name away: nobody changes it then.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/container_store.h"
#include "core/event.h"

#define SETTLE_MS 10000
#define LOOK_AGAIN_MS 5

const char *container_linked_name(const char *id, const struct record *record)
{
	const char *name = record_get(record, "name");

	return name && strcmp(name, id) != 0 ? name : NULL;
}

int container_check_name(struct store *store, const char *name, struct stor_err *err)
{
	char path[64];

	if (!str_is_name(name)) {
		err_fail(err, STOR_USAGE, 0, "\"%s\" cannot be the name of a container", name);
		err_hint(err, "letters, digits, '_', '.' and '-', at most 128, the first a letter "
		              "or digit");
		return -1;
	}
	if (store_is_id(name)) {
		snprintf(path, sizeof(path), "containers/%s", name);
		if (faccessat(store->fd, path, F_OK, 0) == 0)
			return err_fail(err, STOR_BUSY, 0,
			                "the name %s is the id of another container", name);
	}
	return 0;
}

static bool has_status(const struct record *record, const char *status)
{
	return !strcmp(record_get(record, "status"), status);
}

static int fail_foreground(const char *id, struct stor_err *err)
{
	err_fail(err, STOR_BUSY, 0, "container %s runs in the foreground", id);
	err_hint(err, "its name can be changed when it has ended");
	return -1;
}

/* Reads the record when the container neither begins nor ends. The lock, which keeps both away; or
 * -1 with err filled. */
static int lock_settled(struct store *store, const char *id, struct record *record,
                        struct stor_err *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN_MS * 1000000L };

	for (int waited_ms = 0; waited_ms < SETTLE_MS; waited_ms += LOOK_AGAIN_MS) {
		cleanup_close int lock_fd = container_lock(store, id, err);

		record_free(record);
		*record = (struct record)RECORD_INIT;
		if (lock_fd < 0 || container_load(store, id, record, err) < 0)
			return -1;
		if (!store_is_live(store, id, NULL))
			return steal_fd(&lock_fd);
		if (has_status(record, "running"))
			return record_get(record, "detached") ? steal_fd(&lock_fd)
			                                      : fail_foreground(id, err);
		close_fd(&lock_fd);
		nanosleep(&pause, NULL);
	}
	return err_fail(err, STOR_BUSY, 0, "container %s is just starting or ending", id);
}

/* One with --rm that ends meanwhile says so before it reads which name it is to take away. */
static bool is_going(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err gone = STOR_ERR_INIT;

	if (container_load(store, id, &record, &gone) < 0)
		return gone.status == STOR_NOT_FOUND;
	return container_is_rm(&record) && has_status(&record, "exited");
}

static int change_name(struct store *store, const char *id, const struct record *record,
                       const char *name, struct stor_err *err)
{
	const char *old = container_linked_name(id, record);
	cleanup_free char *holder = store_find_name(store, name);
	cleanup_record struct record present = RECORD_INIT, changes = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if ((!holder || strcmp(holder, id) != 0) && store_claim_name(store, name, id, err) < 0)
		return -1;
	kill_point("container-named");
	record_set(&changes, "name", name);
	if (container_note(store, id, &present, &changes, err) < 0) {
		store_drop_name(store, name, id, false, &ignored);
		return -1;
	}
	kill_point("container-renamed");
	if (old && store_drop_name(store, old, id, false, err) < 0)
		return -1;
	if (!is_going(store, id))
		return 0;
	store_drop_name(store, name, id, false, &ignored);
	return container_fail_not_found(id, err);
}

int container_rename(struct store *store, const char *id, const char *name, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_close int lock_fd = -1;
	cleanup_free char *detail = NULL;
	const char *old;

	if (container_check_name(store, name, err) < 0)
		return -1;
	lock_fd = lock_settled(store, id, &record, err);
	if (lock_fd < 0)
		return -1;
	old = record_get(&record, "name");
	if ((!old || strcmp(old, name) != 0) && change_name(store, id, &record, name, err) < 0)
		return -1;
	detail = xasprintf("old_name=%s", old);
	event_container(store, "rename", id, NULL, detail);
	return 0;
}
