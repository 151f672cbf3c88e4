/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor rm: remove containers. */
#include <signal.h>

#include <stor/util.h>

#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/container_life.h"
#include "core/container_store.h"

#define FORCE_TRIES 5

static int remove_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;

	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	return container_remove(store, id, err);
}

/* One that runs is killed; one started with --rm then removes itself. */
static int force_one(struct store *store, const char *name, struct stor_err *err)
{
	struct stor_err gone = STOR_ERR_INIT;
	cleanup_free char *id = NULL;

	if (container_find(store, name, &id, NULL, &gone) < 0)
		return gone.status == STOR_NOT_FOUND ? 0 : (*err = gone, -1);
	for (int i = 0; i < FORCE_TRIES; i++) {
		err_clear(&gone);
		if (container_stop(store, id, SIGKILL, 0, &gone) < 0)
			break;
		if (container_remove(store, id, &gone) == 0)
			return 0;
		/* Somebody may have started it in between. */
		if (gone.status != STOR_BUSY)
			break;
	}
	return gone.status == STOR_NOT_FOUND ? 0 : (*err = gone, -1);
}

static int set_force(void *target, const char *value, struct stor_err *err)
{
	return option_switch(target, "--force", value, err);
}

static int set_volumes(void *target, const char *value, struct stor_err *err)
{
	bool ignored;

	(void)target;
	return option_switch(&ignored, "--volumes", value, err);
}

int cmd_rm(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 'f', "force", NULL, "Kill those that run; one that does not exist is fine",
		  set_force },
		{ 'v', "volumes", NULL, "As always: with the container's own volume", set_volumes },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "rm",
		.synopsis = "[OPTIONS] NAME|ID...",
		.summary = "Remove containers that do not run, with their volumes",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
	};
	bool is_forced = false;
	char **operands;
	int count, result = opts_parse(&command, &is_forced, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	/* What can be removed is removed. */
	return for_each_operand(store, count, operands, is_forced ? force_one : remove_one, err);
}
