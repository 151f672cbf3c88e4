/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor run and create. */
#include "core/cmd_run.h"

#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cmd_run_options.h"
#include "core/container/detach.h"
#include "core/container/run.h"
#include "core/container/seal.h"

static int set_detach(void *target, const char *value, struct stor_err *err)
{
	struct container_config *config = target;

	return str_to_bool(value, &config->is_detached) < 0
	               ? opts_fail_value("--detach", value, "yes or no", err)
	               : 0;
}

static const struct opt only_run[] = {
	{ 'd', "detach", NULL, "Return when it runs; print its id", set_detach },
	{ 0 },
};

static const struct opt_command run_command = {
	.name = "run",
	.synopsis = "[OPTIONS] [--] [COMMAND [ARG...]]",
	.summary = "Run a command in a new container",
	.details = "Without a command, the image's own is run, or sh. The exit status is the\n"
		   "command's; 125: stor failed, 126: it cannot be executed, 127: not found,\n"
		   "128+N: killed by signal N. With --detach it is 0 once the command runs.",
	.more = only_run,
	.options = run_options,
	.max_operands = -1,
	.stops_at_operand = true,
	.later = run_later,
	.note = run_note_option,
};

static const struct opt_command create_command = {
	.name = "create",
	.synopsis = "[OPTIONS] [--] [COMMAND [ARG...]]",
	.summary = "Make a container that stor start runs, and print its id",
	.options = run_options,
	.max_operands = -1,
	.stops_at_operand = true,
	.later = run_later,
	.note = run_note_option,
};

/* User 0 of an ordinary container lacks what making containers needs. */
int run_check_privileges(const char *command, struct stor_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (geteuid() != 0) {
		err_fail(err, STOR_FAILED, 0, "%s needs root privileges", command);
		err_hint(err, "run it as root: sudo stor %s …", command);
		return -1;
	}
	if (syscall(SYS_capget, &header, caps) < 0 || !(caps[0].effective & 1u << CAP_SYS_ADMIN)) {
		err_fail(err, STOR_FAILED, 0, "%s needs the capability CAP_SYS_ADMIN", command);
		err_hint(err, "this root is a container's, or was stripped of it: run stor on the "
		              "host, or give the container around it --privileged");
		return -1;
	}
	return 0;
}

int run_get_ready(const char *command, const struct container_config *config, struct stor_err *err)
{
	if (run_check_privileges(command, err) < 0 || seal_program(config, err) < 0)
		return -1;
	/* Nobody looks into stor while it holds descriptors of the host beside a container. */
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int run_detached(struct store *store, struct container_config *config, struct stor_err *err)
{
	cleanup_free char *id = NULL;
	int status = container_detach(store, config, NULL, &id, NULL, err);

	if (status == 0)
		puts(id);
	return status;
}

static int run_configured(struct store *store, struct container_config *config,
                          struct stor_err *err)
{
	static const struct run_opts foreground = { .id = NULL };

	if (config_validate(config, err) < 0 || run_get_ready("run", config, err) < 0 ||
	    store_open(store, err) < 0)
		return -1;
	return config->is_detached ? run_detached(store, config, err)
	                           : container_run(store, config, &foreground, err);
}

/* Options and operands. As opts_parse(). */
static int parse(const struct opt_command *command, struct container_config *config, int argc,
                 char **argv, struct stor_err *err)
{
	char **operands;
	int count, result = opts_parse(command, config, argc, argv, &operands, &count, err);

	config->restore = run_restore_config;
	for (int i = 0; !result && i < count; i++)
		strv_add(&config->args, operands[i]);
	return result;
}

int cmd_run(struct store *store, int argc, char **argv, struct stor_err *err)
{
	cleanup_config struct container_config config;
	int result;

	store->adopts_in_sweep = true;
	config_init(&config);
	result = parse(&run_command, &config, argc, argv, err);
	if (result)
		return result < 0 ? -1 : 0;
	result = run_configured(store, &config, err);
	/* The command's own statuses, 126 and 127, are not main's to know. */
	if (result >= 0 && err->status != STOR_OK)
		err_print(err);
	return result;
}

int cmd_create(struct store *store, int argc, char **argv, struct stor_err *err)
{
	cleanup_config struct container_config config;
	cleanup_free char *id = NULL;
	int result;

	config_init(&config);
	result = parse(&create_command, &config, argc, argv, err);
	if (result)
		return result < 0 ? -1 : 0;
	config.is_detached = true;
	if (config_validate(&config, err) < 0 || run_get_ready("create", &config, err) < 0 ||
	    store_open(store, err) < 0 || container_create(store, &config, &id, err) < 0)
		return -1;
	puts(id);
	return 0;
}
