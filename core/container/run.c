/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container from beginning to end: see run.h. */
#include "core/container/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/base/undo.h"
#include "core/container/netns.h"
#include "core/container/output.h"
#include "core/container/plan.h"
#include "core/container/start.h"
#include "core/container_cgroup.h"
#include "core/container_store.h"
#include "core/container_updates.h"
#include "core/disk_io.h"
#include "core/event.h"
#include "core/host.h"
#include "core/image.h"
#include "core/later.h"

#define STATUS_FAILED 125

struct run {
	struct store *store;
	struct container_config *config;
	struct record record;
	char *id;
	struct image image; /* what the root is made of; held until it is made */
	struct root root;
	struct plan_volumes volumes;
	struct netns netns; /* made beforehand, unless it is the host's or another's */
	struct process process;
	struct cgroup cgroup;
	struct container_net net;
	const struct run_opts *opts;
	struct record before;   /* of a container that existed: as it was */
	struct output output;   /* of a detached one */
	char *names;            /* for hosts files */
	struct undo undo;       /* what goes again when the start fails */
	bool has_disk;          /* the root's own */
	struct disk_io disk_io; /* what that had counted before the start */
};

/* Taking back: what fails here is only worth a trace, the first failure is what is reported. */
static void undo_container(void *arg)
{
	struct run *run = arg;
	struct stor_err err = STOR_ERR_INIT;

	if (run->opts->id)
		container_unclaim(run->store, run->id, &run->before);
	else if (container_end(run->store, run->id, &run->record, STATUS_FAILED, true, &err) < 0)
		log_warn("%s", err.text);
}

static void undo_root(void *arg)
{
	struct run *run = arg;
	struct stor_err err = STOR_ERR_INIT;

	if (root_release(&run->root, !run->opts->id, &err) < 0)
		log_warn("%s", err.text);
}

static void undo_volumes(void *arg)
{
	struct run *run = arg;
	struct stor_err err = STOR_ERR_INIT;

	if (plan_release_volumes(&run->volumes, &err) < 0)
		log_warn("%s", err.text);
}

static void undo_net(void *arg)
{
	struct run *run = arg;
	struct stor_err err = STOR_ERR_INIT;

	if (container_net_end(&run->net, &err) < 0)
		log_warn("%s", err.text);
}

/* --- what must exist before a process can start --------------------------------------------- */

static int apply_image(struct run *run, struct stor_err *err)
{
	struct container_config *config = run->config;

	if (config->root) {
		config_apply_image(config, NULL);
		return 0;
	}
	if (image_open(run->store, config->image ? config->image : IMAGE_BUILTIN, &run->image,
	               err) < 0)
		return -1;
	config_apply_image(config, &run->image.record);
	record_set(&run->record, "image", run->image.name);
	return 0;
}

static void describe_list(struct run *run, const char *key, const struct strv *values)
{
	for (size_t i = 0; i < values->count; i++)
		record_add(&run->record, key, values->items[i]);
}

/* What config_restore() reads is all here, with what came from the image. */
static void describe(struct run *run)
{
	const struct container_config *config = run->config;
	char stop_s[24];

	record_set(&run->record, "rm", config->remove ? "yes" : "no");
	/* Already here, so that root_prepare() need not write the record again for it. */
	if (!config->root)
		record_set(&run->record, "backend", root_backend_name(config->backend));
	if (config->is_detached)
		record_set(&run->record, "detached", "yes");
	if (config->user)
		record_set(&run->record, "user", config->user);
	if (config->workdir)
		record_set(&run->record, "workdir", config->workdir);
	if (config->stop_signal)
		record_set(&run->record, "stop-signal", config->stop_signal);
	snprintf(stop_s, sizeof(stop_s), "%lld", (long long)config->stop_s);
	if (config->stop_s != CONFIG_STOP_S)
		record_set(&run->record, "stop-timeout", stop_s);
	describe_list(run, "command", &config->args);
	describe_list(run, "label", &config->labels);
	describe_list(run, "env", &config->env);
	describe_list(run, "option", &config->given);
}

/* Id, name and host name, each once. */
static char *net_names(const struct run *run)
{
	const struct container_config *config = run->config;
	const char *name = config->name ? config->name : run->id;
	const char *host = config->hostname ? config->hostname : run->id;
	bool has_name = strcmp(name, run->id) != 0;
	bool has_host = strcmp(host, run->id) != 0 && strcmp(host, name) != 0 &&
	                strcmp(host, "localhost") != 0;

	return xasprintf("%s%s%s%s%s", run->id, has_name ? " " : "", has_name ? name : "",
	                 has_host ? " " : "", has_host ? host : "");
}

/* A new container; or the old one, which nobody else can run from now on. */
static int take_container(struct run *run, struct stor_err *err)
{
	if (!run->opts->id) {
		if (apply_image(run, err) < 0)
			return -1;
		describe(run);
		if (container_begin(run->store, run->config->name, &run->record, &run->id, err) < 0)
			return -1;
	} else {
		if (container_claim(run->store, run->opts->id, run->opts->is_again, &run->record,
		                    &run->before, err) < 0)
			return -1;
		run->id = xstrdup(run->opts->id);
	}
	undo_push(&run->undo, undo_container, run, NULL);
	kill_point("container-begun");
	return 0;
}

/* Adds what the root says of itself: the backend that it has turned out to be, and all beyond the
 * `known` lines. Nothing else is written, for whoever stops the container writes there too. */
static int record_root(struct run *run, size_t known, struct stor_err *err)
{
	cleanup_record struct record changes = RECORD_INIT;

	for (size_t i = known; i < run->record.keys.count; i++)
		record_add(&changes, run->record.keys.items[i], run->record.values.items[i]);
	record_set(&changes, "backend", record_get(&run->record, "backend"));
	return container_note(run->store, run->id, &run->record, &changes, err);
}

static int make_root(struct run *run, struct stor_err *err)
{
	const struct container_config *config = run->config;
	const size_t known = run->record.keys.count;
	const struct root_opts opts = {
		.backend = config->backend,
		.image = config->root || run->opts->id ? NULL : &run->image,
		.root = config->root,
		.params = &config->params,
		.size_bytes = config->size_bytes,
		.fs_type = config->fs_type,
		.read_only = config->read_only,
		.is_throwaway = config->remove,
	};

	if ((run->opts->id ? root_open : root_prepare)(run->store, run->id, &opts, &run->root,
	                                               &run->record, err) < 0)
		return -1;
	image_close(&run->image);
	undo_push(&run->undo, undo_root, run, NULL);
	kill_point("root-prepared");
	/* Somebody else may have to end it, and start it again. */
	return run->opts->id || (config->remove && !config->is_detached)
	               ? 0
	               : record_root(run, known, err);
}

static int attach_all(struct run *run, struct stor_err *err)
{
	if (make_root(run, err) < 0)
		return -1;
	undo_push(&run->undo, undo_volumes, run, NULL);
	return plan_open_volumes(run->store, run->config, &run->volumes, err);
}

/* Servers that are started meanwhile are born in the container's cgroup, if that is more than a
 * filter. */
static int attach_in_cgroup(struct run *run, struct stor_err *err)
{
	int result;

	host_put_servers_into(run->cgroup.is_filter_only ? NULL : &run->cgroup);
	result = attach_all(run, err);
	host_put_servers_into(NULL);
	return result;
}

static int make_container(struct run *run, struct stor_err *err)
{
	const struct container_config *config = run->config;

	if (take_container(run, err) < 0 ||
	    container_make_cgroup(run->store, run->id, config, &run->cgroup, err) < 0 ||
	    attach_in_cgroup(run, err) < 0)
		return -1;
	run->names = net_names(run);
	undo_push(&run->undo, undo_net, run, NULL);
	if (container_net_begin(&run->net, run->store, &config->net, run->id, run->names,
	                        &run->netns, err) < 0)
		return -1;
	return container_complete_cgroup(config, &run->root, &run->volumes, &run->cgroup, err);
}

/* --- while it runs, and afterwards ---------------------------------------------------------- */

/* Written when the command already runs, so that it waits for none of this. */
static void note_running(struct run *run)
{
	const pid_t pid = run->process.pid;
	const dev_t disk = container_root_disk(&run->root);
	struct events events = EVENTS_INIT;
	cleanup_record struct record changes = RECORD_INIT;
	struct stor_err err = STOR_ERR_INIT;
	char device[24];

	record_set_u64(&changes, "pid", (uint64_t)pid);
	record_set_u64(&changes, "start-time", proc_start_time(pid));
	record_set_u64(&changes, "started", (uint64_t)time(NULL));
	if (run->process.master_fd >= 0)
		record_set_u64(&changes, "master-fd", (uint64_t)run->process.master_fd);
	container_net_describe(&run->net, &changes);
	if (disk) {
		snprintf(device, sizeof(device), "%u:%u", major(disk), minor(disk));
		record_set(&changes, "root-device", device);
	}
	if (run->has_disk) {
		cleanup_free char *counted = disk_io_text(&run->disk_io);

		record_set(&changes, "root-device-io", counted);
	}
	record_set(&changes, "status", "running");
	if (container_note(run->store, run->id, &run->record, &changes, &err) < 0)
		log_warn("%s", err.text);
	if (!run->opts->id)
		events_add_container(&events, "create", run->id, &run->record, NULL);
	events_add_container(&events, "start", run->id, &run->record, NULL);
	events_write(run->store, &events);
	kill_point("running");
	err_clear(&err);
	if (store_sweep(run->store, &err) < 0)
		log_warn("%s", err.text);
}

/* One that had no limit may have been given one since. */
static void note_oom(const struct run *run)
{
	bool has_limit = run->config->cgroup.limits.memory_bytes != 0;

	if (has_limit || container_is_updated(run->store, run->id))
		container_note_oom(run->store, run->id, &run->record,
		                   has_limit ? &run->cgroup : NULL);
}

/* Everything is released even when a step fails; the first failure is reported. Mounts that are
 * still there go last: nothing that stands below them has to be synced any more. */
static int finish(struct run *run, int status, struct stor_err *err)
{
	struct stor_err errs[4] = { STOR_ERR_INIT, STOR_ERR_INIT, STOR_ERR_INIT, STOR_ERR_INIT };
	bool remove = run->config->remove;

	undo_commit(&run->undo);
	kill_point("ended");
	note_oom(run);
	plan_release_volumes(&run->volumes, &errs[0]);
	root_release(&run->root, remove, &errs[1]);
	container_net_end(&run->net, &errs[3]);
	kill_point("released");
	if (remove && run->opts->ending)
		run->opts->ending(run->opts->ctx);
	container_end(run->store, run->id, &run->record, status, remove, &errs[2]);
	kill_point("finished");
	later_close(&run->process.mounts_fd);
	for (int i = 0; i < 4; i++) {
		if (errs[i].status == STOR_OK)
			continue;
		*err = errs[i];
		return STATUS_FAILED;
	}
	return status;
}

static int plan_net(struct run *run, struct plan *plan, struct stor_err *err)
{
	plan->net_fd = run->net.ns_fd;
	if (run->config->net.mode != CONFIG_NET_NONE)
		return 0;
	if (netns_take_over(&run->netns)) {
		plan->clone_flags |= CLONE_NEWNET;
		return 0;
	}
	plan->net_fd = netns_finish(&run->netns, err);
	return plan->net_fd < 0 ? -1 : 0;
}

static int plan_detached(struct run *run, struct plan *plan, struct stor_err *err)
{
	if (!run->opts->is_detached)
		return 0;
	plan->outlives = true;
	plan->record_fd = container_open_record(run->store, run->id, err);
	return plan->record_fd < 0 ? -1 : output_make(&run->output, run->store, run->id, plan, err);
}

static int wait_detached(struct run *run, struct stor_err *err)
{
	int status;

	if (output_serve(&run->output, &run->process, err) < 0)
		return -1;
	if (run->opts->is_told_to_end)
		*run->opts->is_told_to_end = run->output.is_told_to_end;
	status = proc_wait(run->process.pid);
	close_fd(&run->process.pidfd);
	close_fd(&run->process.master_fd);
	return proc_exit_code(status);
}

static void look_at_disk(struct run *run)
{
	const struct attached *own = run->root.is_overlay ? &run->root.upper : &run->root.base;

	run->has_disk =
		own->is_block && disk_io_read(container_root_disk(&run->root), &run->disk_io);
}

static int run_planned(struct run *run, struct stor_err *err)
{
	cleanup_plan struct plan plan = PLAN_INIT;
	int status;

	look_at_disk(run);
	if (plan_make(&plan, run->store, run->config, &run->root, &run->volumes, &run->net, run->id,
	              err) < 0)
		return STATUS_FAILED;
	if (plan_net(run, &plan, err) < 0 || plan_use_cgroup(&plan, &run->cgroup, err) < 0 ||
	    plan_detached(run, &plan, err) < 0)
		return STATUS_FAILED;
	kill_point("planned");
	status = start_process(&plan, &run->process, err);
	if (status)
		return status;
	/* The container must not be kept by what only the start needed. */
	plan_free(&plan);
	plan = (struct plan)PLAN_INIT;
	container_net_started(&run->net);
	netns_free(&run->netns);
	note_running(run);
	if (run->opts->started)
		run->opts->started(run->opts->ctx, run->id, run->process.master_fd);
	status = run->opts->is_detached ? wait_detached(run, err)
	                                : monitor_wait(&run->process, run->config, err);
	if (status >= 0)
		return finish(run, status, err);
	close_fd(&run->process.mounts_fd);
	return STATUS_FAILED;
}

static bool has_own_namespace(const struct container_config *config)
{
	return config->net.mode == CONFIG_NET_NONE || config->net.mode == CONFIG_NET_OWN;
}

#define RUN_INIT(the_store, the_config, the_opts)                                                  \
	{                                                                                          \
		.store = (the_store), .config = (the_config), .opts = (the_opts),                  \
		.image = IMAGE_INIT, .netns = NETNS_INIT, .process = PROCESS_INIT,                 \
		.cgroup = CGROUP_INIT, .net = CONTAINER_NET_INIT, .undo = UNDO_INIT,               \
		.record = RECORD_INIT, .before = RECORD_INIT, .output = OUTPUT_INIT                \
	}

static void free_run(struct run *run)
{
	cgroup_close(&run->cgroup);
	undo_unwind(&run->undo);
	netns_free(&run->netns);
	image_close(&run->image);
	output_close(&run->output);
	record_free(&run->record);
	record_free(&run->before);
	free(run->names);
	free(run->id);
}

int container_run(struct store *store, struct container_config *config, const struct run_opts *opts,
                  struct stor_err *err)
{
	struct run run = RUN_INIT(store, config, opts);
	int status = STATUS_FAILED;
	sigset_t old;

	monitor_prepare(&old);
	if ((!has_own_namespace(config) || netns_begin(&run.netns, err) == 0) &&
	    make_container(&run, err) == 0)
		status = run_planned(&run, err);
	free_run(&run);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}

int container_create(struct store *store, struct container_config *config, char **id,
                     struct stor_err *err)
{
	static const struct run_opts opts = { .id = NULL };
	struct run run = RUN_INIT(store, config, &opts);
	int result = take_container(&run, err) < 0 || make_root(&run, err) < 0 ? -1 : 0;

	if (result == 0) {
		undo_commit(&run.undo);
		result = root_release(&run.root, false, err);
		event_container(store, "create", run.id, &run.record, NULL);
		store_unmark_live(store, run.id);
		*id = steal_ptr(&run.id);
	}
	free_run(&run);
	return result;
}
