/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor update: other limits, labels and another restart policy for containers that exist. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <stor/util.h>

#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/cmd_run.h"
#include "core/cmd_run_options.h"
#include "core/container/cgroup.h"
#include "core/container_life.h"
#include "core/container_store.h"
#include "core/container_updates.h"
#include "core/event.h"

#define LOCK_WAIT_MS 10000
#define SETTLE_MS 10000
#define LOOK_AGAIN_MS 2

/* Those of run that can be changed. */
static const char *const changeable[] = {
	"blkio-weight",    "cpu-shares",
	"cpu-weight",      "cpus",
	"cpuset-cpus",     "cpuset-mems",
	"device-read-bps", "device-read-iops",
	"hugetlb",         "device-write-iops",
	"io-weight",       "device-write-bps",
	"label",           "memory",
	"memory-swap",     "memory-reservation",
	"pids-limit",      "restart",
};
#define CHANGEABLE (sizeof(changeable) / sizeof(*changeable))

/* What was asked for; for_each_operand() hands nothing on. `given` has all of it as text. */
static struct container_config asked;

static void note_option(void *target, const struct opt *option, const char *value)
{
	strv_take(&((struct container_config *)target)->given,
	          xasprintf("%s=%s", option->long_name, value));
}

/* Waits while the container begins or ends. */
static int settle(struct store *store, const char *id, struct record *record, bool *is_running,
                  struct stor_err *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN_MS * 1000000L };

	for (int waited_ms = 0; waited_ms < SETTLE_MS; waited_ms += LOOK_AGAIN_MS) {
		struct stor_err ignored = STOR_ERR_INIT;
		cleanup_close int pidfd = -1;

		record_free(record);
		*record = (struct record)RECORD_INIT;
		if (container_load_current(store, id, record, err) < 0)
			return -1;
		*is_running = store_is_live(store, id, NULL);
		if (*is_running)
			pidfd = container_open_process(store, id, record, &ignored);
		if (!*is_running || pidfd >= 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	return err_fail(err, STOR_BUSY, 0, "it is just starting or ending");
}

/* All that the container will be asked to be must fit together. */
static int check_all(const struct record *record, struct container_config *whole,
                     struct stor_err *err)
{
	cleanup_record struct record changed = RECORD_INIT;

	record_copy(&changed, record);
	container_fold_options(&changed, &asked.given);
	return run_restore_config(whole, &changed, err);
}

/* What has to be said to the kernel: what was asked for, and what follows from it. */
static struct container_config changes_of(const struct container_config *whole)
{
	struct container_config changes = asked;
	const struct cgroup_limits *all = &whole->cgroup.limits;
	struct cgroup_limits *limits = &changes.cgroup.limits;

	limits->hugetlb = changes.cgroup.hugetlb;
	if (!limits->memory_bytes && !limits->memory_swap_bytes)
		return changes;
	limits->memory_bytes = all->memory_bytes;
	limits->memory_swap_bytes = all->memory_swap_bytes;
	limits->is_swap_implied = all->is_swap_implied;
	return changes;
}

/* First the kernel, which may refuse, and then the record; else neither. */
static int apply(struct store *store, const char *id, const struct record *record, bool is_running,
                 struct stor_err *err)
{
	cleanup_cgroup_undo struct cgroup_undo undo = { .whole = { STRV_INIT } };
	cleanup_cgroup struct cgroup cgroup = CGROUP_INIT;
	cleanup_config struct container_config whole;
	struct container_config changes;

	config_init(&whole);
	if (check_all(record, &whole, err) < 0)
		return -1;
	changes = changes_of(&whole);
	if (is_running &&
	    container_update_cgroup(store, id, &changes, container_recorded_disk(record), &cgroup,
	                            &undo, err) < 0)
		return -1;
	if (container_record_updates(store, id, &asked.given, err) == 0)
		return 0;
	cgroup_update_undo(&cgroup, &undo);
	return -1;
}

/* The process of this life of the container; 0: it does not run. */
static uint64_t life_of(const struct record *record, bool is_running)
{
	return is_running ? record_get_u64(record, "pid", 0) : 0;
}

/* In a life that has begun meanwhile, it may have read the record before; and one that has ended
 * meanwhile had nothing to be changed. */
static int update(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	bool is_running;

	if (settle(store, id, &record, &is_running, err) < 0)
		return -1;
	for (;;) {
		uint64_t life = life_of(&record, is_running), present;
		struct stor_err why = STOR_ERR_INIT;
		int result = apply(store, id, &record, is_running, &why);

		if (settle(store, id, &record, &is_running, err) < 0)
			return -1;
		present = life_of(&record, is_running);
		if (result < 0 && (!life || life == present)) {
			*err = why;
			return -1;
		}
		if (!result && (!present || life == present))
			return 0;
	}
}

static int update_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL, *key = NULL;
	cleanup_close int lock_fd = -1;

	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	key = xasprintf("u-%s", id);
	lock_fd = store_lock(store, key, true, LOCK_WAIT_MS, err);
	if (lock_fd < 0 || update(store, id, err) < 0)
		return err_context(err, "update %s", name);
	event_container(store, "update", id, NULL, NULL);
	return 0;
}

static bool is_changeable(const char *name)
{
	for (size_t i = 0; i < CHANGEABLE; i++)
		if (!strcmp(changeable[i], name))
			return true;
	return false;
}

static void choose_options(struct opt *options)
{
	size_t count = 0;

	for (const struct opt *o = run_options; o->long_name; o++)
		if (is_changeable(o->long_name))
			options[count++] = *o;
	options[count] = (struct opt){ 0 };
}

static int update_all(struct store *store, int count, char **operands, struct stor_err *err)
{
	if (!asked.given.count) {
		err_fail(err, STOR_USAGE, 0, "update: there is nothing to change");
		err_hint(err, "stor update --help lists what can be");
		return -1;
	}
	if (run_check_privileges("update", err) < 0)
		return -1;
	return for_each_operand(store, count, operands, update_one, err);
}

int cmd_update(struct store *store, int argc, char **argv, struct stor_err *err)
{
	struct opt options[CHANGEABLE + 1];
	const struct opt_command command = {
		.name = "update",
		.synopsis = "OPTIONS NAME|ID...",
		.summary = "Change the limits of containers, also while they run",
		.details = "What is not named stays as it is.",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
		.note = note_option,
	};
	char **operands;
	int count, result;

	choose_options(options);
	config_init(&asked);
	result = opts_parse(&command, &asked, argc, argv, &operands, &count, err);
	if (!result)
		result = update_all(store, count, operands, err);
	config_free(&asked);
	return result < 0 ? -1 : 0;
}
