/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor exec: another command in a container that runs. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cgroup/cgroup.h"
#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/cmd_run.h"
#include "core/cmd_run_options.h"
#include "core/container/caps.h"
#include "core/container/exec.h"
#include "core/container/seal.h"
#include "core/container_cgroup.h"
#include "core/container_life.h"
#include "core/container_store.h"
#include "core/event.h"

/* What the command line says beside the command itself, in a configuration that has nothing else.
 */
static int set_detach(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct container_config *)target)->is_detached, "--detach", value,
	                     err);
}

static int set_interactive(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct container_config *)target)->interactive, "--interactive",
	                     value, err);
}

static int set_tty(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct container_config *)target)->tty, "--tty", value, err);
}

static int set_env(void *target, const char *value, struct stor_err *err)
{
	return config_add_env(target, value, err);
}

static int set_env_file(void *target, const char *value, struct stor_err *err)
{
	return config_add_env_file(target, value, err);
}

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
}

static int set_user(void *target, const char *value, struct stor_err *err)
{
	(void)err;
	set_text(&((struct container_config *)target)->user, value);
	return 0;
}

static int set_workdir(void *target, const char *value, struct stor_err *err)
{
	if (*value != '/')
		return opts_fail_value("--workdir", value, "an absolute path", err);
	set_text(&((struct container_config *)target)->workdir, value);
	return 0;
}

static int set_cap_add(void *target, const char *value, struct stor_err *err)
{
	(void)err;
	strv_add(&((struct container_config *)target)->cap_add, value);
	return 0;
}

static int set_cap_drop(void *target, const char *value, struct stor_err *err)
{
	(void)err;
	strv_add(&((struct container_config *)target)->cap_drop, value);
	return 0;
}

/* --- the container's configuration, with that ----------------------------------------------- */

/* One of a list: ALL, or a capability's name. */
static int caps_of(const char *name, uint64_t *caps, struct stor_err *err)
{
	int cap;

	if (!strcasecmp(name, "ALL")) {
		*caps = CAPS_ALL;
		return 0;
	}
	cap = caps_from_name(name);
	if (cap < 0)
		return err_fail(err, STOR_USAGE, 0, "unknown capability \"%s\"", name);
	*caps = CAPS_BIT(cap);
	return 0;
}

/* What the container has, less what is dropped, and what is added to that. */
static int change_caps(struct container_config *config, const struct container_config *given,
                       struct stor_err *err)
{
	struct strv everything = { (char *[]){ (char *)(uintptr_t) "ALL", NULL }, 1, 1 };
	struct strv nothing = STRV_INIT;
	uint64_t available = 0, caps = 0;

	if (caps_resolve(&everything, &nothing, &available, err) < 0)
		return -1;
	for (size_t i = 0; i < given->cap_drop.count; i++) {
		if (caps_of(given->cap_drop.items[i], &caps, err) < 0)
			return err_context(err, "--cap-drop");
		config->caps &= ~caps;
	}
	for (size_t i = 0; i < given->cap_add.count; i++) {
		if (caps_of(given->cap_add.items[i], &caps, err) < 0)
			return err_context(err, "--cap-add");
		config->caps |= caps & available;
	}
	return 0;
}

static int configure(struct container_config *config, const struct record *record,
                     const struct container_config *given, struct stor_err *err)
{
	if (run_restore_config(config, record, err) < 0)
		return -1;
	config->is_detached = given->is_detached;
	config->interactive = given->interactive;
	config->tty = given->tty;
	strv_free(&config->args);
	strv_add_all(&config->args, &given->args);
	if (given->user)
		set_text(&config->user, given->user);
	if (given->workdir)
		set_text(&config->workdir, given->workdir);
	if (config->tty && !config_get_env(config, "TERM"))
		strv_add(&config->env, "TERM=xterm");
	for (size_t i = 0; i < given->env.count; i++)
		if (config_add_env(config, given->env.items[i], err) < 0)
			return -1;
	return change_caps(config, given, err);
}

/* All of a container that is paused, measured or killed: so one that has a cgroup for its devices
 * alone, or none, gets one that can do that. */
static int open_cgroup(struct store *store, const char *id, const struct container_config *config,
                       struct cgroup *cgroup, struct stor_err *err)
{
	struct stor_err why = STOR_ERR_INIT;
	cleanup_free char *found = NULL;
	bool is_new;

	if (config->cgroup.is_disabled) {
		if (cgroup_open(store, id, cgroup, &why) == 0 || why.status == STOR_NOT_FOUND)
			return 0;
	} else if (container_open_cgroup(store, id, &found, cgroup, &is_new, &why) == 0) {
		return 0;
	} else if (why.status == STOR_UNSUPPORTED) {
		/* The machine can do no more than it had when the container started. */
		err_clear(&why);
		if (cgroup_open(store, id, cgroup, &why) == 0 || why.status == STOR_NOT_FOUND)
			return 0;
	}
	*err = why;
	return -1;
}

static int exec_in(struct store *store, const char *name, const struct container_config *given,
                   struct stor_err *err)
{
	cleanup_config struct container_config config;
	cleanup_cgroup struct cgroup cgroup = CGROUP_INIT;
	cleanup_record struct record record = RECORD_INIT;
	cleanup_close int pidfd = -1;
	cleanup_free char *id = NULL;

	config_init(&config);
	if (container_find(store, name, &id, &record, err) < 0 ||
	    configure(&config, &record, given, err) < 0)
		return -1;
	pidfd = container_open_process(store, id, &record, err);
	if (pidfd < 0)
		return -1;
	if (cgroup_is_paused(store, id)) {
		err_fail(err, STOR_BUSY, 0, "container %s is paused", id);
		err_hint(err, "stor resume %s lets it go on", name);
		return -1;
	}
	if (open_cgroup(store, id, &config, &cgroup, err) < 0)
		return -1;
	event_container(store, "exec", id, &record, NULL);
	return container_exec(&config, pidfd, (pid_t)record_get_u64(&record, "pid", 0), &cgroup,
	                      err);
}

static int get_ready(struct stor_err *err)
{
	if (run_check_privileges("exec", err) < 0 || seal_program_always(err) < 0)
		return -1;
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int cmd_exec(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "cap-add", "CAP", "Give a capability beside the container's, or ALL",
		  set_cap_add },
		{ 0, "cap-drop", "CAP", "Take one of the container's away, or ALL", set_cap_drop },
		{ 'd', "detach", NULL, "Return when it runs; its output is lost", set_detach },
		{ 'e', "env", "KEY[=VALUE]", "Set a variable beside the container's", set_env },
		{ 0, "env-file", "FILE", "Set variables from a file of such lines", set_env_file },
		{ 'i', "interactive", NULL, "Give the command stor's standard input",
		  set_interactive },
		{ 't', "tty", NULL, "Give the command a terminal", set_tty },
		{ 'u', "user", "USER[:GROUP]", "Run as this user; that of the container",
		  set_user },
		{ 'w', "workdir", "PATH", "Start in this directory; that of the container",
		  set_workdir },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "exec",
		.synopsis = "[OPTIONS] NAME|ID [--] COMMAND [ARG...]",
		.summary = "Run another command in a container that runs",
		.details = "The exit status is the command's; 125: stor failed, 126: it cannot be\n"
			   "executed, 127: not found, 128+N: killed by signal N.",
		.options = options,
		.min_operands = 2,
		.max_operands = -1,
		.stops_at_operand = true,
	};
	cleanup_config struct container_config given;
	char **operands;
	int count, result;

	config_init(&given);
	result = opts_parse(&command, &given, argc, argv, &operands, &count, err);
	if (result)
		return result < 0 ? -1 : 0;
	/* As kubectl has it, the command may stand behind a "--" of its own. */
	for (int i = count > 2 && !strcmp(operands[1], "--") ? 2 : 1; i < count; i++)
		strv_add(&given.args, operands[i]);
	if (given.is_detached && (given.tty || given.interactive))
		return err_fail(err, STOR_USAGE, 0,
		                "exec: --detach excludes --tty and --interactive");
	if (config_check_terminal(&given, err) < 0)
		return -1;
	if (get_ready(err) < 0)
		return -1;
	result = exec_in(store, operands[0], &given, err);
	/* The command's own statuses, 126 and 127, are not main's to know. */
	if (result >= 0 && err->status != STOR_OK)
		err_print(err);
	return result;
}
