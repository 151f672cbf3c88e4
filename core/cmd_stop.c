/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor kill, stop, restart and wait. */
#include <signal.h>
#include <stdio.h>

#include <stor/util.h>

#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/cmd_start.h"
#include "core/container_life.h"
#include "core/container_store.h"
#include "core/event.h"
#include "core/signals.h"

/* Of the command that runs: for_each_operand() hands nothing on. */
static struct {
	int signal; /* 0: the default */
	int64_t timeout_s;
} asked = { .timeout_s = LIFE_OWN_TIMEOUT };

static int set_signal(void *target, const char *value, struct stor_err *err)
{
	(void)target;
	asked.signal = signal_parse(value);
	return asked.signal < 0 ? opts_fail_value("--signal", value, "a signal", err) : 0;
}

static int set_timeout(void *target, const char *value, struct stor_err *err)
{
	(void)target;
	return signal_parse_timeout("--time", value, &asked.timeout_s, err);
}

static int for_all(struct store *store, const struct opt_command *command, int argc, char **argv,
                   int (*handle)(struct store *store, const char *name, struct stor_err *err),
                   struct stor_err *err)
{
	char **operands;
	int count, result = opts_parse(command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	return for_each_operand(store, count, operands, handle, err);
}

/* --- kill --------------------------------------------------------------------------------- */

static int kill_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;

	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	return container_signal(store, id, asked.signal ? asked.signal : SIGKILL, err);
}

int cmd_kill(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 's', "signal", "SIGNAL", "Name or number; KILL", set_signal },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "kill",
		.synopsis = "[OPTIONS] NAME|ID...",
		.summary = "Send a signal to the first process of running containers",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
	};

	return for_all(store, &command, argc, argv, kill_one, err);
}

/* --- stop and restart --------------------------------------------------------------------- */

static const struct opt stop_options[] = {
	{ 's', "signal", "SIGNAL", "Instead of the container's stop signal", set_signal },
	{ 't', "time", "SECONDS", "Wait so long before it is killed; -1: for ever", set_timeout },
	{ 0 },
};

static int stop_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;

	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	return container_stop(store, id, asked.signal, asked.timeout_s, err);
}

int cmd_stop(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt_command command = {
		.name = "stop",
		.synopsis = "[OPTIONS] NAME|ID...",
		.summary = "Ask containers to end, and kill them after a time",
		.options = stop_options,
		.min_operands = 1,
		.max_operands = -1,
	};

	return for_all(store, &command, argc, argv, stop_one, err);
}

static int restart_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;

	if (stop_one(store, name, err) < 0 || start_container(store, name, err) < 0)
		return -1;
	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	event_container(store, "restart", id, NULL, NULL);
	return 0;
}

int cmd_restart(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt_command command = {
		.name = "restart",
		.synopsis = "[OPTIONS] NAME|ID...",
		.summary = "Stop containers as stor stop does, and start them again",
		.options = stop_options,
		.min_operands = 1,
		.max_operands = -1,
	};
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	return start_each_operand(store, count, operands, restart_one, err);
}

/* --- wait --------------------------------------------------------------------------------- */

static int wait_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;
	char code[12];

	if (container_find(store, name, &id, NULL, err) < 0 ||
	    container_wait(store, id, LIFE_FOREVER, code, err) < 0)
		return -1;
	puts(code);
	fflush(stdout);
	return 0;
}

int cmd_wait(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		.name = "wait",
		.synopsis = "NAME|ID...",
		.summary = "Wait until containers have ended, and print their exit codes",
		.options = options,
		.min_operands = 1,
		.max_operands = -1,
	};

	return for_all(store, &command, argc, argv, wait_one, err);
}
