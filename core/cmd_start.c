/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor start. */
#include "core/cmd_start.h"

#include <stdio.h>
#include <stdlib.h>

#include <stor/util.h>

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

int start_container(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_config struct container_config config;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL, *started = NULL;

	config_init(&config);
	if (container_find(store, name, &id, &record, err) < 0 ||
	    run_restore_config(&config, &record, err) < 0)
		return -1;
	return container_detach(store, &config, id, &started, err) ? -1 : 0;
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

int cmd_start(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		.name = "start",
		.synopsis = "NAME|ID...",
		.summary = "Start containers that do not run",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
	};
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	return start_each_operand(store, count, operands, start_one, err);
}
