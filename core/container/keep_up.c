/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See keep_up.h. */
#include "core/container/keep_up.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/container/run.h"
#include "core/container_store.h"

/* The first wait, and how long one becomes: each is twice the one before. A run of RUN_WELL_MS
 * begins anew. */
#define WAIT_MS 100
#define WAIT_MAX_MS 60000
#define RUN_WELL_MS 10000

static bool wants_again(const struct container_config *config, int exit_code, unsigned count)
{
	switch (config->restart) {
	case CONFIG_RESTART_ALWAYS:
	case CONFIG_RESTART_UNLESS_STOPPED:
		return true;
	case CONFIG_RESTART_ON_FAILURE:
		return exit_code && (!config->restart_max || count < config->restart_max);
	case CONFIG_RESTART_NO:
		break;
	}
	return false;
}

/* The policy, and all that it shall be at its next start, may be others by now. False: it is gone.
 */
static bool read_again(struct store *store, struct container_config *config, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;
	struct container_config present;

	if (container_load(store, id, &record, &err) < 0)
		return false;
	config_init(&present);
	if (config->restore(&present, &record, &err) < 0) {
		log_debug("container %s: %s", id, err.text);
		config_free(&present);
		return false;
	}
	config_free(config);
	*config = present;
	return true;
}

/* Is it still as it was left: there, ended, and not stopped by somebody? */
static bool is_left_alone(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err gone = STOR_ERR_INIT;

	return container_load(store, id, &record, &gone) == 0 &&
	       !strcmp(record_get(&record, "status"), "exited") && !record_get(&record, "stopped");
}

/* False: somebody did something to it meanwhile. */
static bool wait_alone(struct store *store, const char *id, int64_t wait_ms)
{
	cleanup_free char *path = xasprintf("%s/containers/%s", store->path, id);
	cleanup_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd change = { .fd = fd, .events = POLLIN };
	int64_t until_ms = monotonic_ms() + wait_ms;
	char events[4096];

	if (fd >= 0)
		inotify_add_watch(fd, path, IN_MODIFY | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF);
	while (is_left_alone(store, id)) {
		int64_t left_ms = until_ms - monotonic_ms();

		if (left_ms <= 0)
			return true;
		poll(&change, 1, (int)left_ms);
		while (read(fd, events, sizeof(events)) > 0)
			continue;
	}
	return false;
}

/* STATE/keep/PID.START.ID of this process. */
static char *mark_path(struct store *store, const char *id, const char *prefix)
{
	char self[48];

	return xasprintf("keep/%s%s.%s", prefix, store_self(store, self, sizeof(self)), id);
}

/* The text of the link is what somebody else needs to go on. */
static void mark(struct store *store, const char *id, unsigned count, int64_t wait_ms)
{
	cleanup_free char *path = mark_path(store, id, ""), *fresh = mark_path(store, id, ".");
	struct stor_err err = STOR_ERR_INIT;
	char text[48];

	snprintf(text, sizeof(text), "%u %lld", count, (long long)wait_ms);
	if (store_make_dir(store->state_fd, "keep", &err) < 0 ||
	    symlinkat(text, store->state_fd, fresh) < 0 ||
	    renameat(store->state_fd, fresh, store->state_fd, path) < 0)
		log_debug("%s: %m", path);
}

static void unmark(struct store *store, const char *id)
{
	cleanup_free char *path = mark_path(store, id, "");

	unlinkat(store->state_fd, path, 0);
}

void container_keep_mark(struct store *store, const struct container_config *config, const char *id)
{
	if (config->restart != CONFIG_RESTART_NO)
		mark(store, id, 0, WAIT_MS);
}

/* False: this process was told to end. */
static bool keep_up(struct store *store, struct container_config *config, const char *id,
                    int exit_code, int64_t run_ms, unsigned count, int64_t wait_ms)
{
	bool is_told_to_end = false;
	struct run_opts opts = {
		.id = id, .is_detached = true, .is_again = true, .is_told_to_end = &is_told_to_end
	};

	for (;; count++) {
		struct stor_err err = STOR_ERR_INIT;
		int64_t from_ms;

		if (!read_again(store, config, id) || !wants_again(config, exit_code, count))
			return true;
		if (run_ms >= RUN_WELL_MS) {
			wait_ms = WAIT_MS;
			count = 0;
		}
		mark(store, id, count, wait_ms);
		if (!wait_alone(store, id, wait_ms) || !read_again(store, config, id) ||
		    !wants_again(config, exit_code, count))
			return true;
		wait_ms = wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : wait_ms * 2;
		mark(store, id, count + 1, wait_ms);
		from_ms = monotonic_ms();
		exit_code = container_run(store, config, &opts, &err);
		run_ms = monotonic_ms() - from_ms;
		/* Somebody else was quicker, or has removed it. */
		if (err.status == STOR_BUSY || err.status == STOR_NOT_FOUND)
			return true;
		if (err.status != STOR_OK)
			log_debug("container %s: %s", id, err.text);
		if (is_told_to_end)
			return false;
	}
}

void container_keep_up(struct store *store, struct container_config *config, const char *id,
                       int exit_code, int64_t run_ms)
{
	if (keep_up(store, config, id, exit_code, run_ms, 0, WAIT_MS))
		unmark(store, id);
}

void container_keep_up_again(struct store *store, struct container_config *config, const char *id,
                             int exit_code, const char *text)
{
	long long wait_ms = WAIT_MS;
	unsigned count = 0;

	if (sscanf(text, "%u %lld", &count, &wait_ms) != 2 || wait_ms < WAIT_MS ||
	    wait_ms > WAIT_MAX_MS)
		wait_ms = WAIT_MS;
	if (keep_up(store, config, id, exit_code, 0, count, wait_ms))
		unmark(store, id);
}

int container_recorded_code(const struct record *record)
{
	uint64_t code = record_get_u64(record, "exit-code", UINT64_MAX);

	return code > 255 ? -1 : (int)code;
}

bool container_is_kept(const struct container_config *config, const struct record *record)
{
	return !strcmp(record_get(record, "status"), "exited") && !record_get(record, "stopped") &&
	       wants_again(config, container_recorded_code(record), 0);
}

int container_list_kept(struct store *store, struct strv *ids, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct store_mark mark;

	if (store_list(store->state_fd, "keep", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (store_mark_parse(names.items[i], &mark) && store_mark_is_alive(store, &mark))
			strv_add(ids, mark.rest);
	return 0;
}
