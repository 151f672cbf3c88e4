/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Containers on disk: see container_store.h. The order of steps is what makes a kill at any point
 * harmless: the live marker is there before the folder and goes last, so that a sweep finds
 * whatever was begun; the record is there before the name that leads to it, and goes after it.
 */
#include "core/container_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/cgroup/cgroup.h"
#include "core/container_log.h"
#include "core/container_spare.h"
#include "core/container_updates.h"
#include "core/event.h"
#include "core/volume.h"

#define CONTAINER_KEY_BOOT "boot"
#define CONTAINER_PATH_MAX 64
#define REMOVE_WAIT_MS 10000

static void container_path(const char *id, const char *leaf, char *buf)
{
	snprintf(buf, CONTAINER_PATH_MAX, "containers/%s%s", id, leaf);
}

int container_save(struct store *store, const char *id, const struct record *record,
                   struct stor_err *err)
{
	char path[CONTAINER_PATH_MAX];

	container_path(id, "/record", path);
	if (record_save(record, store->fd, path, false, err) < 0)
		return err_context(err, "container %s", id);
	return 0;
}

dev_t container_recorded_disk(const struct record *record)
{
	const char *text = record_get(record, "root-device");
	unsigned disk_major, disk_minor;

	return text && sscanf(text, "%u:%u", &disk_major, &disk_minor) == 2
	               ? makedev(disk_major, disk_minor)
	               : 0;
}

int container_fail_not_found(const char *name, struct stor_err *err)
{
	err_clear(err);
	err_fail(err, STOR_NOT_FOUND, 0, "no container %s", name);
	err_hint(err, "stor ps -a lists them");
	return -1;
}

/* What could not be read or added to: it was removed, perhaps a moment ago. */
static int fail_record(const char *id, struct stor_err *err)
{
	if (err->status == STOR_NOT_FOUND)
		return container_fail_not_found(id, err);
	return err_context(err, "container %s", id);
}

int container_note(struct store *store, const char *id, struct record *record,
                   const struct record *changes, struct stor_err *err)
{
	char path[CONTAINER_PATH_MAX];

	for (size_t i = 0; i < changes->keys.count; i++)
		record_set(record, changes->keys.items[i], changes->values.items[i]);
	container_path(id, "/record", path);
	return record_append(changes, store->fd, path, err) < 0 ? fail_record(id, err) : 0;
}

int container_open_record(struct store *store, const char *id, struct stor_err *err)
{
	char path[CONTAINER_PATH_MAX];
	int fd;

	container_path(id, "/record", path);
	fd = openat(store->fd, path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_fail(err, STOR_FAILED, errno, "container %s: open its record", id) : fd;
}

int container_load(struct store *store, const char *id, struct record *record, struct stor_err *err)
{
	char path[CONTAINER_PATH_MAX];

	container_path(id, "/record", path);
	if (record_load(record, store->fd, path, err) < 0)
		return fail_record(id, err);
	if (!record_get(record, "status"))
		return err_fail(err, STOR_FAILED, 0, "container %s: damaged record", id);
	if (container_fold_updates(store, id, record, err) < 0)
		return err_context(err, "container %s", id);
	return 0;
}

bool container_is_rm(const struct record *record)
{
	const char *rm = record_get(record, "rm");

	return rm && !strcmp(rm, "yes");
}

bool container_has_died(const struct record *record, enum store_life life)
{
	return life == STORE_DIED ||
	       (life == STORE_NOT_RUN && !strcmp(record_get(record, "status"), "running"));
}

/* An older stor did not write it down. */
static bool is_of_now(const struct store *store, const struct record *record)
{
	const char *boot = record_get(record, CONTAINER_KEY_BOOT);

	return !boot || !strcmp(boot, store->boot);
}

pid_t container_first_process(const struct store *store, const struct record *record)
{
	const char *status = record_get(record, "status");
	pid_t pid = (pid_t)record_get_u64(record, "pid", 0);

	return status && !strcmp(status, "running") && pid && is_of_now(store, record) &&
	                       proc_is_alive(pid, record_get_u64(record, "start-time", 0))
	               ? pid
	               : 0;
}

bool container_outlives(const struct store *store, const struct record *record)
{
	return record_get(record, "detached") && container_first_process(store, record);
}

void container_remove_io(struct store *store, const char *id)
{
	static const char *const which[] = { "in", "out", "err" };
	char path[CONTAINER_PATH_MAX];

	for (size_t i = 0; i < sizeof(which) / sizeof(*which); i++) {
		snprintf(path, sizeof(path), "io/%s.%s", id, which[i]);
		unlinkat(store->state_fd, path, 0);
	}
}

/* Removes containers/ID, whose volume is gone. Others may do the same. */
static int remove_folder(struct store *store, const char *id, struct stor_err *err)
{
	char path[CONTAINER_PATH_MAX];

	container_path(id, "/record", path);
	unlinkat(store->fd, path, 0);
	kill_point("container-remove-record");
	container_path(id, "", path);
	if (unlinkat(store->fd, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (fs_remove_tree(store->fd, path, err) < 0)
		return err_context(err, "container %s", id);
	return 0;
}

/* Instead of removing it: when root_release() left its volume's folder, it is empty. */
static bool keep_folder(struct store *store, const char *id, const struct record *record)
{
	char path[CONTAINER_PATH_MAX], data[CONTAINER_PATH_MAX];

	container_path(id, "/data", data);
	if (!fs_is_empty(store->fd, data))
		return false;
	container_path(id, "/record", path);
	if (unlinkat(store->fd, path, 0) < 0)
		return false;
	container_forget_updates(store, id, record);
	kill_point("container-spare");
	return container_keep_spare(store, id);
}

/* Removes everything of a container that is not in use any more. */
static int destroy(struct store *store, const char *id, const struct record *record, bool own,
                   struct stor_err *err)
{
	const char *name = container_linked_name(id, record);

	/* That of one with a monitor can be changed, and given to another, at any time. */
	if (name &&
	    store_drop_name(store, name, id, own && !record_get(record, "detached"), err) < 0)
		return -1;
	kill_point("container-remove-name");
	if (record_get(record, "detached")) {
		container_remove_io(store, id);
		container_log_remove(store, id);
	}
	if (own && keep_folder(store, id, record))
		return 0;
	if (root_destroy(store, id, record, err) < 0)
		return err_context(err, "container %s", id);
	kill_point("container-remove-volume");
	return remove_folder(store, id, err);
}

static int make_folder(struct store *store, const char *id, struct stor_err *err)
{
	char path[CONTAINER_PATH_MAX];

	if (container_take_spare(store, id))
		return 0;
	container_path(id, "", path);
	if (mkdirat(store->fd, path, 0700) == 0)
		return 0;
	if (errno == ENOENT && store_make_dir(store->fd, "containers", err) == 0 &&
	    mkdirat(store->fd, path, 0700) == 0)
		return 0;
	return err_fail(err, STOR_FAILED, errno, "make folder %s/%s", store->path, path);
}

static int begin(struct store *store, const char *name, const char *id, struct record *record,
                 struct stor_err *err)
{
	struct timespec now;

	kill_point("container-live");
	if (make_folder(store, id, err) < 0)
		return -1;
	kill_point("container-folder");
	record_set(record, "id", id);
	record_set(record, "name", name ? name : id);
	clock_gettime(CLOCK_REALTIME, &now);
	record_set_u64(record, "created", (uint64_t)now.tv_sec);
	record_set_u64(record, "created-ns", (uint64_t)now.tv_nsec);
	record_set(record, CONTAINER_KEY_BOOT, store->boot);
	record_set(record, "status", "created");
	if (container_save(store, id, record, err) < 0)
		return -1;
	kill_point("container-record");
	if (name && store_claim_name(store, name, id, err) < 0)
		return -1;
	kill_point("container-name");
	return 0;
}

int container_begin(struct store *store, const char *name, struct record *record, char **id,
                    struct stor_err *err)
{
	cleanup_free char *new_id = NULL;

	if (store_open(store, err) < 0 || (name && container_check_name(store, name, err) < 0))
		return -1;
	new_id = store_new_id();
	if (store_mark_live(store, new_id, err) < 0)
		return -1;
	if (begin(store, name, new_id, record, err) < 0) {
		struct stor_err ignored = STOR_ERR_INIT;

		remove_folder(store, new_id, &ignored);
		store_unmark_live(store, new_id);
		return -1;
	}
	*id = steal_ptr(&new_id);
	return 0;
}

static void set_ended(struct record *record, const char *exit_code)
{
	record_set(record, "status", "exited");
	record_set(record, "exit-code", exit_code);
	record_set_u64(record, "finished", (uint64_t)time(NULL));
}

/* Whoever waits for a container that goes away reads this from the record that it holds open. */
static int note_ended(struct store *store, const char *id, struct record *record,
                      const char *exit_code, struct stor_err *err)
{
	cleanup_record struct record changes = RECORD_INIT;

	set_ended(&changes, exit_code);
	return container_note(store, id, record, &changes, err);
}

/* It may have been renamed, updated or stopped. */
static void take_present(struct store *store, const char *id, struct record *record)
{
	static const char *const keys[] = { "name", CONTAINER_KEY_UPDATED, "stopped" };
	cleanup_record struct record present = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (container_load(store, id, &present, &ignored) < 0)
		return;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (record_get(&present, keys[i]))
			record_set(record, keys[i], record_get(&present, keys[i]));
}

/* Says that it has ended, and perhaps is gone. Of one whose start failed nobody has heard. */
static void write_end(struct store *store, const char *id, const struct record *record,
                      const char *exit_code, bool is_gone)
{
	cleanup_free char *code = xasprintf("exit_code=%s", exit_code);
	struct events events = EVENTS_INIT;

	if (!record_get(record, "started"))
		return;

	events_add_container(&events, "die", id, record, code);
	if (is_gone)
		events_add_container(&events, "destroy", id, record, NULL);
	events_write(store, &events);
}

int container_end(struct store *store, const char *id, struct record *record, int exit_code,
                  bool remove, struct stor_err *err)
{
	bool is_detached = record_get(record, "detached") != NULL;
	struct stor_err unsaid = STOR_ERR_INIT;
	char code[12];

	snprintf(code, sizeof(code), "%d", exit_code);
	if (cgroup_remove(store, id, err) < 0)
		return -1;
	if (is_detached)
		container_remove_io(store, id);
	/* Others write to the record of one that is detached: so the end is only added. It is there
	 * before the name is read, for a rename that comes between to see it. */
	if (is_detached && note_ended(store, id, record, code, &unsaid) < 0 && !remove) {
		*err = unsaid;
		return -1;
	}
	if (is_detached || !remove)
		take_present(store, id, record);
	kill_point("container-ending");
	if (remove) {
		/* The marker stays when something is left, for a sweep to find it. */
		if (destroy(store, id, record, true, err) < 0)
			return -1;
	} else if (!is_detached) {
		set_ended(record, code);
		if (container_save(store, id, record, err) < 0)
			return -1;
	}
	kill_point("container-ended");
	write_end(store, id, record, code, remove);
	store_unmark_live(store, id);
	return 0;
}

int container_lock(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_free char *key = xasprintf("c-%s", id);
	int fd = store_lock(store, key, true, REMOVE_WAIT_MS, err);

	return fd < 0 ? err_context(err, "container %s", id) : fd;
}

/* Ends a container whose own stor cannot: --rm takes it away. */
static int end_dead(struct store *store, const char *id, struct record *record,
                    const char *exit_code, struct stor_err *err)
{
	if (cgroup_remove(store, id, err) < 0)
		return -1;
	container_remove_io(store, id);
	if (container_is_rm(record)) {
		struct stor_err ignored = STOR_ERR_INIT;

		if (record_get(record, "detached") &&
		    note_ended(store, id, record, exit_code, &ignored) < 0)
			log_debug("%s", ignored.text);
		if (destroy(store, id, record, false, err) < 0)
			return -1;
		write_end(store, id, record, exit_code, true);
		return 0;
	}
	if (!strcmp(record_get(record, "status"), "exited"))
		return 0;
	set_ended(record, exit_code);
	if (container_save(store, id, record, err) < 0)
		return -1;
	write_end(store, id, record, exit_code, false);
	return 0;
}

int container_reap(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_close int lock_fd = container_lock(store, id, err);
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err unread = STOR_ERR_INIT;
	enum store_life life;

	if (lock_fd < 0)
		return -1;
	life = store_life(store, id, NULL);
	if (life == STORE_ALIVE)
		return 0;
	/* Read only now: the process may have ended in order since somebody saw it alive. */
	if (container_load(store, id, &record, &unread) < 0) {
		if (unread.status != STOR_NOT_FOUND) {
			*err = unread;
			return -1;
		}
		return cgroup_remove(store, id, err) < 0 ? -1 : remove_folder(store, id, err);
	}
	if (container_outlives(store, &record) || !container_has_died(&record, life))
		return 0;
	return end_dead(store, id, &record, "unknown", err);
}

int container_reap_cgroup(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_close int lock_fd = container_lock(store, id, err);
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err unread = STOR_ERR_INIT;

	if (lock_fd < 0)
		return -1;
	/* It may have been started since somebody saw that it does not run. */
	if (store_is_live(store, id, NULL) || (container_load(store, id, &record, &unread) == 0 &&
	                                       container_outlives(store, &record)))
		return 0;
	return cgroup_remove(store, id, err);
}

int container_end_adopted(struct store *store, const char *id, const char *exit_code,
                          struct stor_err *err)
{
	cleanup_close int lock_fd = container_lock(store, id, err);
	cleanup_record struct record record = RECORD_INIT;

	if (lock_fd < 0 || container_load(store, id, &record, err) < 0 ||
	    end_dead(store, id, &record, exit_code, err) < 0)
		return -1;
	store_unmark_live(store, id);
	return 0;
}

/* The same for one that does not run, and cannot begin to meanwhile. */
static int lock_ended(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_close int lock_fd = container_lock(store, id, err);
	pid_t pid;

	if (lock_fd < 0 || !store_is_live(store, id, &pid))
		return steal_fd(&lock_fd);
	err_fail(err, STOR_BUSY, 0, "container %s is running (stor process %ld)", id, (long)pid);
	err_hint(err, "stor stop ends it; of one in the foreground, its stor process passes "
	              "signals on");
	return -1;
}

int container_change(struct store *store, const char *id, const struct record *changes,
                     struct stor_err *err)
{
	cleanup_close int lock_fd = container_lock(store, id, err);
	cleanup_record struct record ignored = RECORD_INIT;

	return lock_fd < 0 ? -1 : container_note(store, id, &ignored, changes, err);
}

int container_claim(struct store *store, const char *id, bool unless_stopped, struct record *record,
                    struct record *before, struct stor_err *err)
{
	cleanup_close int lock_fd = lock_ended(store, id, err);

	if (lock_fd < 0 || container_load(store, id, record, err) < 0)
		return -1;
	/* They are in their places now. */
	record_remove(record, CONTAINER_KEY_UPDATED);
	if (unless_stopped && record_get(record, "stopped"))
		return err_fail(err, STOR_BUSY, 0, "container %s was stopped", id);
	*before = (struct record)RECORD_INIT;
	record_copy(before, record); // NOLINT(readability-suspicious-call-argument)
	record_set(record, "detached", "yes");
	record_set(record, CONTAINER_KEY_BOOT, store->boot);
	record_remove(record, "exit-code");
	record_remove(record, "finished");
	record_remove(record, "stopped");
	kill_point("container-claiming");
	/* Marked first: whoever adds to the record from now on adds to this one. */
	if (store_mark_live(store, id, err) < 0)
		return -1;
	if (container_save(store, id, record, err) == 0)
		return 0;
	store_unmark_live(store, id);
	return -1;
}

void container_unclaim(struct store *store, const char *id, const struct record *before)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_close int lock_fd = container_lock(store, id, &ignored);

	container_remove_io(store, id);
	if (cgroup_remove(store, id, &ignored) < 0)
		log_debug("%s", ignored.text);
	/* What others wrote meanwhile stays. */
	record_copy(&record, before);
	take_present(store, id, &record);
	err_clear(&ignored);
	if (container_save(store, id, &record, &ignored) < 0)
		log_debug("%s", ignored.text);
	store_unmark_live(store, id);
}

int container_remove(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_close int lock_fd = lock_ended(store, id, err);
	cleanup_record struct record record = RECORD_INIT;

	if (lock_fd < 0 || container_load(store, id, &record, err) < 0 ||
	    cgroup_remove(store, id, err) < 0)
		return -1;
	if (destroy(store, id, &record, false, err) < 0)
		return -1;
	event_container(store, "destroy", id, &record, NULL);
	return 0;
}
