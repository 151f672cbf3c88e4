/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor pause and resume. */
#include <stor/util.h>

#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/container_cgroup.h"
#include "core/event.h"

static int set_frozen(struct store *store, const char *name, bool on, struct stor_err *err)
{
	cleanup_cgroup struct cgroup cgroup = CGROUP_INIT;
	cleanup_free char *id = NULL;
	bool is_new;

	if (container_open_cgroup(store, name, &id, &cgroup, &is_new, err) < 0)
		return -1;
	if (cgroup_is_frozen(&cgroup) == on)
		return err_fail(err, STOR_FAILED, 0, "container %s is %spaused", name,
		                on ? "already " : "not ");
	if (cgroup_freeze(&cgroup, on, err) < 0)
		return err_context(err, "container %s", name);
	event_container(store, on ? "pause" : "unpause", id, NULL, NULL);
	return 0;
}

static int pause_one(struct store *store, const char *name, struct stor_err *err)
{
	return set_frozen(store, name, true, err);
}

static int resume_one(struct store *store, const char *name, struct stor_err *err)
{
	return set_frozen(store, name, false, err);
}

static int for_all(struct store *store, const struct opt_command *command,
                   int (*handle)(struct store *store, const char *name, struct stor_err *err),
                   int argc, char **argv, struct stor_err *err)
{
	char **operands;
	int count, result = opts_parse(command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	return for_each_operand(store, count, operands, handle, err);
}

static const struct opt options[] = { { 0 } };

int cmd_pause(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt_command command = {
		"pause", "NAME|ID...", "Stop all processes of running containers", NULL, options, 1,
		-1,      false,
	};

	return for_all(store, &command, pause_one, argc, argv, err);
}

int cmd_resume(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt_command command = {
		"resume", "NAME|ID...", "Let the processes of paused containers go on",
		NULL,     options,      1,
		-1,       false,
	};

	return for_all(store, &command, resume_one, argc, argv, err);
}
