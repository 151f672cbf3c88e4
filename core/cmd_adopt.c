/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The new monitor finds the pipes by their names, and learns of the end by a pidfd, which tells the
 * exit status too where the kernel can. What the dead one had as its records of use goes over to
 * it; what it held open is gone: a volume is then held by the container alone.
 */
#include "core/cmd_adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/pidfd_exit.h"
#include "core/base/proc.h"
#include "core/cmd_run_options.h"
#include "core/container/keep_up.h"
#include "core/container/output.h"
#include "core/container_cgroup.h"
#include "core/container_life.h"
#include "core/container_store.h"
#include "core/host.h"
#include "core/net/take_over.h"

#define LOCK_WAIT_MS 10000

struct adoption {
	struct store *store;
	const char *id;
	char *kept; /* text of the mark of one that waited; NULL: it runs */
	int exit_code;
	char dead[48], own[48]; /* "PID.START" */
	struct container_config config;
	struct process process;
	struct output output;
};

/* STATE/users/FROM.… becomes TO.…; the descriptors that they tell of are gone with their process.
 */
static void move_users(struct store *store, const char *from, const char *to)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	store_list(store->state_fd, "users", &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_record struct record record = RECORD_INIT;
		cleanup_free char *old = NULL, *fresh = NULL;

		if (!str_starts(names.items[i], from) || names.items[i][strlen(from)] != '.')
			continue;
		old = xasprintf("users/%s", names.items[i]);
		fresh = xasprintf("users/%s%s", to, names.items[i] + strlen(from));
		if (record_load(&record, store->state_fd, old, &ignored) < 0)
			continue;
		record_remove(&record, "root-fd");
		record_remove(&record, "control-fd");
		if (record_save(&record, store->state_fd, fresh, false, &ignored) == 0)
			unlinkat(store->state_fd, old, 0);
	}
}

static void take_network(struct adoption *a)
{
	cleanup_net_state struct net_state state = NET_STATE_INIT;
	struct stor_err none = STOR_ERR_INIT;

	if (net_state_open(&state, a->store, false, &none) == 0)
		net_user_take_over(&state, a->dead, a->own);
}

/* What every process had that ran the container before: one may have been killed while it took
 * over. Its marker goes last. */
static void take_from_all(struct adoption *a)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	struct store_mark mark;

	store_list(a->store->state_fd, "live", &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf("live/%s", names.items[i]);

		if (!store_mark_parse(names.items[i], &mark) || strcmp(mark.rest, a->id) != 0 ||
		    mark.pid == getpid())
			continue;
		snprintf(a->dead, sizeof(a->dead), "%.*s", (int)(mark.rest - names.items[i] - 1),
		         names.items[i]);
		move_users(a->store, a->dead, a->own);
		take_network(a);
		unlinkat(a->store->state_fd, path, 0);
	}
}

/* A record of an older stor may lack something; then the log is cut as it is by default. */
static void restore_config(struct adoption *a, const struct record *record)
{
	struct stor_err why = STOR_ERR_INIT;

	config_free(&a->config);
	config_init(&a->config);
	if (run_restore_config(&a->config, record, &why) < 0)
		log_debug("%s", why.text);
}

static int take_over(struct adoption *a, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;

	if (container_load(a->store, a->id, &record, err) < 0)
		return -1;
	restore_config(a, &record);
	a->process.pid = (pid_t)record_get_u64(&record, "pid", 0);
	a->process.pidfd = container_open_process(a->store, a->id, &record, err);
	if (a->process.pidfd < 0 || output_find(&a->output, a->store, a->id, &a->config, err) < 0 ||
	    store_mark_live(a->store, a->id, err) < 0)
		return -1;
	kill_point("adopt-marked");
	store_self(a->store, a->own, sizeof(a->own));
	take_from_all(a);
	return 0;
}

static void note_oom(const struct adoption *a)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err gone = STOR_ERR_INIT;

	if (container_load(a->store, a->id, &record, &gone) == 0)
		container_note_oom(a->store, a->id, &record, NULL);
}

/* Until its end, and what is to be done then. */
static void stay(struct adoption *a)
{
	struct stor_err err = STOR_ERR_INIT;
	int64_t from_ms = monotonic_ms();
	char code[12] = "unknown";
	int status = 0;

	if (output_serve(&a->output, &a->process, &err) < 0)
		return;
	if (pidfd_exit_status(a->process.pidfd, &status) == 0)
		snprintf(code, sizeof(code), "%d", proc_exit_code(status));
	output_close(&a->output);
	note_oom(a);
	/* A token that the dead one left is ended as those of the dead are. */
	move_users(a->store, a->own, a->dead);
	if (container_end_adopted(a->store, a->id, code, &err) == 0 && !a->output.is_told_to_end)
		container_keep_up(a->store, &a->config, a->id,
		                  *code == 'u' ? -1 : proc_exit_code(status),
		                  monotonic_ms() - from_ms);
}

/* The container had ended, and the dead one waited to start it again. */
static void go_on(struct adoption *a)
{
	container_keep_up_again(a->store, &a->config, a->id, a->exit_code, a->kept);
}

/* The new monitor. Does not return. */
static void monitor(struct adoption *a, int word_fd)
{
	int kept[] = { a->store->fd, a->store->state_fd, word_fd };
	struct stor_err err = STOR_ERR_INIT;
	cleanup_free char *title = xasprintf("stor-monitor %s", a->id);
	sigset_t old;

	if (setsid() < 0 || proc_leave_terminal() < 0)
		_exit(1);
	proc_close_others(kept, 3);
	signal(SIGPIPE, SIG_IGN);
	monitor_prepare(&old);
	host_set_title(title);
	if (!a->kept && take_over(a, &err) < 0)
		_exit(1);
	container_keep_mark(a->store, &a->config, a->id);
	if (write(word_fd, "", 1) < 0)
		log_debug("nobody waits: %m");
	close(word_fd);
	(a->kept ? go_on : stay)(a);
	_exit(0);
}

/* Forks twice, so that it is nobody's child. True: it has taken over. */
static bool start_monitor(struct adoption *a)
{
	cleanup_close int read_fd = -1, write_fd = -1;
	int ends[2];
	char byte;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	read_fd = ends[0];
	write_fd = ends[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return false;
	if (!pid) {
		pid = fork();
		if (pid == 0)
			monitor(a, write_fd);
		_exit(pid < 0);
	}
	close_fd(&write_fd);
	proc_wait(pid);
	return read(read_fd, &byte, 1) == 1;
}

/* The process of this marker is dead. */
static void adopt_marked(struct store *store, const struct store_mark *mark)
{
	struct adoption a = {
		.store = store, .id = mark->rest, .process = PROCESS_INIT, .output = OUTPUT_INIT
	};
	cleanup_free char *key = xasprintf("m-%s", mark->rest);
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_close int lock_fd = -1;

	if (container_load(store, a.id, &record, &ignored) < 0 ||
	    !container_outlives(store, &record))
		return;
	lock_fd = store_lock(store, key, true, LOCK_WAIT_MS, &ignored);
	/* Somebody else may have been quicker. */
	if (lock_fd < 0 || store_is_live(store, a.id, NULL))
		return;
	if (!start_monitor(&a))
		return;
	log_warn("container %s: its monitor was killed; a new one has taken over", a.id);
}

/* The container has ended, unseen or not: is it to be started again? */
static bool is_owed(struct adoption *a)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (store_is_live(a->store, a->id, NULL) ||
	    container_load_current(a->store, a->id, &record, &ignored) < 0)
		return false;
	restore_config(a, &record);
	a->exit_code = container_recorded_code(&record);
	return container_is_kept(&a->config, &record);
}

/* The process of the mark, STATE/keep/NAME, is dead. One whose container runs is taken over by its
 * live marker. */
static void adopt_kept(struct store *store, const char *name, const char *id)
{
	struct adoption a = {
		.store = store, .id = id, .process = PROCESS_INIT, .output = OUTPUT_INIT
	};
	cleanup_free char *key = xasprintf("m-%s", id), *path = xasprintf("keep/%s", name);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_close int lock_fd = store_lock(store, key, true, LOCK_WAIT_MS, &ignored);
	char text[48];

	/* Somebody else may have been quicker. */
	if (lock_fd < 0 || !fs_read_link(store->state_fd, path, text, sizeof(text)))
		return;
	a.kept = text;
	config_init(&a.config);
	if (is_owed(&a)) {
		if (!start_monitor(&a))
			return;
		log_warn("container %s: its monitor was killed while it waited to start it again; "
		         "a new one has taken over",
		         id);
	}
	config_free(&a.config);
	unlinkat(store->state_fd, path, 0);
}

static void adopt_all_kept(struct store *store)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	struct store_mark mark;

	store_list_dead(store, store->state_fd, "keep", false, &names, &ignored);
	for (size_t i = 0; i < names.count; i++)
		if (store_mark_parse(names.items[i], &mark) && store_is_id(mark.rest))
			adopt_kept(store, names.items[i], mark.rest);
}

void adopt_containers(struct store *store, const char *id)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	struct store_mark mark;

	store_list_dead(store, store->state_fd, "live", id != NULL, &names, &ignored);
	for (size_t i = 0; i < names.count; i++)
		if (store_mark_parse(names.items[i], &mark) && store_is_id(mark.rest) &&
		    (!id || !strcmp(id, mark.rest)))
			adopt_marked(store, &mark);
	if (!id)
		adopt_all_kept(store);
}
