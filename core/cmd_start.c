/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor start. */
#include "core/cmd_start.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/cmd_attach.h"
#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/cmd_run.h"
#include "core/cmd_run_options.h"
#include "core/container/detach.h"
#include "core/container_store.h"

static int get_ready(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_config struct container_config config;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;

	config_init(&config);
	if (container_find(store, name, &id, &record, err) < 0 ||
	    run_restore_config(&config, &record, err) < 0)
		return -1;
	return run_get_ready("start", &config, err);
}

/* hold_fd: as of container_detach(). */
static int start_and_hold(struct store *store, const char *name, int *hold_fd, struct stor_err *err)
{
	cleanup_config struct container_config config;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL, *started = NULL;

	config_init(&config);
	if (container_find(store, name, &id, &record, err) < 0 ||
	    run_restore_config(&config, &record, err) < 0)
		return -1;
	return container_detach(store, &config, id, &started, hold_fd, err) ? -1 : 0;
}

int start_container(struct store *store, const char *name, struct stor_err *err)
{
	return start_and_hold(store, name, NULL, err);
}

int start_each_operand(struct store *store, int count, char **operands,
                       int (*handle)(struct store *store, const char *name, struct stor_err *err),
                       struct stor_err *err)
{
	for (int i = 0; i < count; i++) {
		struct stor_err later = STOR_ERR_INIT;

		/* One that is not there does not keep the others from being started. */
		if (get_ready(store, operands[i], &later) < 0 && later.status != STOR_NOT_FOUND) {
			*err = later;
			return -1;
		}
	}
	return for_each_operand(store, count, operands, handle, err);
}

static int start_one(struct store *store, const char *name, struct stor_err *err)
{
	if (start_container(store, name, err) < 0)
		return -1;
	puts(name);
	return 0;
}

/* --- at boot ------------------------------------------------------------------------------ */

/* One that was only made, and never started, is not for a boot to start. */
static bool is_due(struct store *store, const struct container_item *item)
{
	cleanup_config struct container_config config;
	struct stor_err why = STOR_ERR_INIT;

	config_init(&config);
	if (item->is_damaged || strcmp(record_get(&item->record, "status"), "exited") != 0 ||
	    store_is_live(store, item->id, NULL))
		return false;
	if (run_restore_config(&config, &item->record, &why) < 0) {
		log_warn("container %s: %s", item->id, why.text);
		return false;
	}
	return config.restart == CONFIG_RESTART_ALWAYS ||
	       (config.restart == CONFIG_RESTART_UNLESS_STOPPED &&
	        !record_get(&item->record, "stopped"));
}

/* What the machine's end left is put in order first: then the records say who ran. */
static int start_at_boot(struct store *store, struct stor_err *err)
{
	static const struct sweep_opts thorough = { .is_thorough = true };
	cleanup_container_set struct container_set set = CONTAINER_SET_INIT;
	cleanup_strv struct strv ids = STRV_INIT;
	struct stor_err why = STOR_ERR_INIT;

	if (store_open(store, err) < 0)
		return -1;
	if (store_collect(store, &thorough, &why) < 0)
		log_warn("%s", why.text);
	if (container_load_all(store, &set, err) < 0)
		return -1;
	for (size_t i = 0; i < set.count; i++)
		if (is_due(store, &set.items[i]))
			strv_add(&ids, set.items[i].id);
	return start_each_operand(store, (int)ids.count, ids.items, start_one, err);
}

/* Of the command that runs: for_each_operand() hands nothing on. */
struct options {
	bool is_boot;
	bool is_attached, is_interactive;
	struct attach attach;
};

static int set_attach(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_attached, "--attach", value, err);
}

static int set_boot(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_boot, "--boot", value, err);
}

static int set_interactive(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct options *)target)->is_interactive, "--interactive", value,
	                     err);
}

static int set_keys(void *target, const char *value, struct stor_err *err)
{
	return detach_keys_parse(&((struct options *)target)->attach.keys, value, err);
}

/* Watched from before it starts, so that nothing is missed. */
static int start_attached(struct store *store, const char *name, struct options *options,
                          struct stor_err *err)
{
	cleanup_free char *id = NULL;
	int result = -1, hold_fd = -1;

	options->attach.no_input = !options->is_interactive;
	if (container_find(store, name, &id, NULL, err) == 0 &&
	    attach_begin(&options->attach, store, id, err) == 0 &&
	    start_and_hold(store, name, &hold_fd, err) == 0) {
		/* From now on its record stays readable, also if it removes itself. */
		if (container_watch_look(&options->attach.watch, err) >= 0) {
			close_fd(&hold_fd);
			result = attach_serve(&options->attach, err);
		}
	}
	close_fd(&hold_fd);
	attach_end(&options->attach);
	return result;
}

int cmd_start(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 'a', "attach", NULL, "Follow its output until it ends, as stor attach",
		  set_attach },
		{ 0, "boot", NULL,
		  "Start those that a restart policy keeps up, when the machine has started",
		  set_boot },
		{ 0, "detach-keys", "KEYS", "Typed, they leave the container; ctrl-p,ctrl-q",
		  set_keys },
		{ 'i', "interactive", NULL, "Give it standard input, too", set_interactive },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "start",
		.synopsis = "[OPTIONS] NAME|ID... | --boot",
		.summary = "Start containers that do not run",
		.options = options,
		.max_operands = -1,
	};
	struct options opts = { .attach = ATTACH_INIT };
	char **operands;
	int count, result = opts_parse(&command, &opts, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (opts.is_boot && (count || opts.is_attached || opts.is_interactive))
		return err_fail(err, STOR_USAGE, 0, "start: --boot chooses the containers itself");
	if (opts.is_boot)
		return start_at_boot(store, err);
	if (!count)
		return err_fail(err, STOR_USAGE, 0, "start: no container given");
	if (!opts.is_attached && !opts.is_interactive)
		return start_each_operand(store, count, operands, start_one, err);
	if (count > 1)
		return err_fail(err, STOR_USAGE, 0,
		                "start: --attach and --interactive are for one container");
	return get_ready(store, operands[0], err) < 0
	               ? -1
	               : start_attached(store, operands[0], &opts, err);
}
