/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See container_life.h. */
#include "core/container_life.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/cgroup/cgroup.h"
#include "core/container_store.h"
#include "core/event.h"
#include "core/signals.h"

#define LETTING_GO_MS 5
#define KILL_WAIT_MS 20000
#define STOP_DEFAULT_S 10
#define LOOK_AGAIN_MS 1000

int container_fail_not_running(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err gone = STOR_ERR_INIT;
	const char *name = id;

	if (container_load(store, id, &record, &gone) == 0 && record_get(&record, "name"))
		name = record_get(&record, "name");
	err_fail(err, STOR_FAILED, 0, "container %s does not run", name);
	err_hint(err, "stor start %s starts it; stor ps lists those that run", name);
	return -1;
}

int container_open_process(struct store *store, const char *id, struct record *record,
                           struct stor_err *err)
{
	cleanup_record struct record own = RECORD_INIT;
	cleanup_close int fd = -1;
	pid_t pid;

	if (!record)
		record = &own;
	if (!record->keys.count && container_load(store, id, record, err) < 0)
		return -1;
	pid = (pid_t)record_get_u64(record, "pid", 0);
	if (!pid)
		return container_fail_not_running(store, id, err);
	fd = sys_pidfd_open(pid);
	/* Looked at afterwards, the number was not another process's. */
	if (fd < 0 || !container_first_process(store, record))
		return container_fail_not_running(store, id, err);
	return steal_fd(&fd);
}

/* A frozen process of a cgroup of version 1 dies when it is thawed. */
static void thaw(struct store *store, const char *id)
{
	cleanup_cgroup struct cgroup cgroup = CGROUP_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (cgroup_open(store, id, &cgroup, &ignored) == 0 && cgroup_is_frozen(&cgroup) &&
	    cgroup_freeze(&cgroup, false, &ignored) < 0)
		log_debug("%s", ignored.text);
}

int container_signal(struct store *store, const char *id, int number, struct stor_err *err)
{
	cleanup_close int pidfd = container_open_process(store, id, NULL, err);
	char detail[24];

	if (pidfd < 0)
		return -1;
	if (sys_pidfd_send_signal(pidfd, number) < 0) {
		if (errno == ESRCH)
			return container_fail_not_running(store, id, err);
		return err_fail(err, STOR_FAILED, errno, "container %s: send signal %d", id,
		                number);
	}
	if (number == SIGKILL)
		thaw(store, id);
	snprintf(detail, sizeof(detail), "signal=%d", number);
	event_container(store, "kill", id, NULL, detail);
	return 0;
}

/* --- waiting ------------------------------------------------------------------------------ */

/* Opens the record, again: it may be another file. 0: it is gone, what was found before stays. */
static int open_record(struct container_watch *w, struct stor_err *err)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "containers/%s/record", w->id);
	fd = openat(w->store->fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && w->record_fd >= 0)
		return 0;
	if (fd < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "container %s", w->id);
	close_fd(&w->record_fd);
	w->record_fd = fd;
	return 1;
}

static int read_record(const struct container_watch *w, struct record *record, struct stor_err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	char chunk[4096];
	ssize_t n;

	while ((n = pread(w->record_fd, chunk, sizeof(chunk), (off_t)text.length)) > 0)
		strbuf_add(&text, chunk, (size_t)n);
	if (n < 0 || !text.length)
		return err_fail(err, STOR_FAILED, errno, "container %s: read its record", w->id);
	return record_parse(record, text.text, w->id, err);
}

/* Somebody may have started it again before its end was looked at. */
static bool is_another_run(struct container_run *run, const struct record *record)
{
	const char *status = record_get(record, "status");
	uint64_t pid = record_get_u64(record, "pid", 0);
	uint64_t start_time = record_get_u64(record, "start-time", 0);

	if (!status || strcmp(status, "running") != 0 || !pid)
		return false;
	if (!run->pid)
		*run = (struct container_run){ pid, start_time };
	return run->pid != pid || run->start_time != start_time;
}

int container_watch_look(struct container_watch *w, struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	int there = open_record(w, err);
	const char *status, *code;
	bool has_ended;

	if (there < 0 || read_record(w, &record, err) < 0)
		return -1;
	status = record_get(&record, "status");
	code = record_get(&record, "exit-code");
	if (w->stops && is_another_run(w->stops, &record)) {
		strcpy(w->code, "unknown");
		return 1;
	}
	has_ended =
		status && (!strcmp(status, "exited") || (w->stops && !strcmp(status, "created")));
	if (has_ended && !store_is_live(w->store, w->id, NULL)) {
		snprintf(w->code, sizeof(w->code), "%s", code ? code : "unknown");
		return 1;
	}
	/* Its stor process may be about to let go, with the record gone already. */
	return there || has_ended ? 0
	                          : err_fail(err, STOR_NOT_FOUND, 0,
	                                     "container %s was removed before it ended", w->id);
}

int container_watch_monitor(struct container_watch *w)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	pid_t pid = 0;
	int fd = -1;

	if (store_is_live(w->store, w->id, &pid))
		fd = sys_pidfd_open(pid);
	if (fd >= 0 && store_is_live(w->store, w->id, NULL))
		return fd;
	close_fd(&fd);
	if (container_load_current(w->store, w->id, &record, &ignored) < 0)
		log_debug("%s", ignored.text);
	return -1;
}

int container_watch_begin(struct container_watch *w, struct store *store, const char *id,
                          struct stor_err *err)
{
	cleanup_free char *path = xasprintf("%s/containers/%s", store->path, id);

	*w = (struct container_watch)CONTAINER_WATCH_INIT;
	w->store = store;
	w->id = id;
	w->change_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (w->change_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "watch container %s", id);
	/* A folder that is gone is found by looking. */
	inotify_add_watch(w->change_fd, path, IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE);
	return 0;
}

void container_watch_end(struct container_watch *w)
{
	close_fd(&w->record_fd);
	close_fd(&w->change_fd);
}

/* How long to wait for a change: after a while it is looked again in any case. */
static int time_left(int64_t until_ms)
{
	int64_t left;

	if (until_ms < 0)
		return LOOK_AGAIN_MS;
	left = until_ms - monotonic_ms();
	return left < 0 ? 0 : left > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : (int)left;
}

/* stops: as in the watch. */
static int wait_end(struct store *store, const char *id, struct container_run *stops,
                    int64_t timeout_ms, char *code, struct stor_err *err)
{
	int64_t until_ms = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
	cleanup_container_watch struct container_watch w = CONTAINER_WATCH_INIT;
	char events[4096];
	int result;

	if (container_watch_begin(&w, store, id, err) < 0)
		return -1;
	w.stops = stops;
	while ((result = container_watch_look(&w, err)) == 0) {
		cleanup_close int monitor_fd = container_watch_monitor(&w);
		struct pollfd fds[2] = { { .fd = w.change_fd, .events = POLLIN },
			                 { .fd = monitor_fd, .events = POLLIN } };

		if (until_ms >= 0 && monotonic_ms() >= until_ms)
			return 0;
		if (poll(fds, 2, time_left(until_ms)) < 0 && errno != EINTR)
			return err_fail(err, STOR_FAILED, errno, "wait for container %s", id);
		while (read(w.change_fd, events, sizeof(events)) > 0)
			continue;
	}
	if (result > 0)
		memcpy(code, w.code, sizeof(w.code));
	return result;
}

int container_wait(struct store *store, const char *id, int64_t timeout_ms, char *code,
                   struct stor_err *err)
{
	return wait_end(store, id, NULL, timeout_ms, code, err);
}

/* --- stopping ----------------------------------------------------------------------------- */

/* Nobody starts it again by itself. */
static int note_stopped(struct store *store, const char *id, struct stor_err *err)
{
	cleanup_record struct record changes = RECORD_INIT;

	record_set(&changes, "stopped", "yes");
	return container_change(store, id, &changes, err);
}

static int64_t own_timeout(const struct record *record)
{
	const char *text = record_get(record, "stop-timeout");
	struct stor_err ignored = STOR_ERR_INIT;
	int64_t seconds = STOP_DEFAULT_S;

	if (text)
		signal_parse_timeout("stop-timeout", text, &seconds, &ignored);
	return seconds;
}

static bool is_init_system(const struct record *record)
{
	const char *option;

	for (size_t at = 0; (option = record_next(record, "option", &at));)
		if (!strcmp(option, "init-system=yes"))
			return true;
	return false;
}

/* What tells an init to end all that it runs, and then itself. */
static int init_signal(const struct store *store, const struct record *record)
{
	cleanup_free char *link =
		xasprintf("/proc/%d/exe", (int)container_first_process(store, record));
	char path[PATH_MAX], *name;

	if (!fs_read_link(AT_FDCWD, link, path, sizeof(path)))
		return SIGPWR;
	name = strrchr(path, '/');
	name = name ? name + 1 : path;
	if (!strcmp(name, "systemd"))
		return SIGRTMIN + 3;
	return str_starts(name, "busybox") ? SIGUSR2 : SIGPWR;
}

static int own_signal(const struct store *store, const struct record *record)
{
	const char *text = record_get(record, "stop-signal");
	int number = text ? signal_parse(text) : SIGTERM;

	if (!text && is_init_system(record))
		return init_signal(store, record);
	return number < 0 ? SIGTERM : number;
}

/* Its record is gone, and its stor process is about to be. */
static void await_letting_go(struct store *store, const char *id)
{
	int64_t until_ms = monotonic_ms() + KILL_WAIT_MS;
	pid_t pid;

	while (store_is_live(store, id, &pid) && monotonic_ms() < until_ms) {
		cleanup_close int pidfd = sys_pidfd_open(pid);
		struct pollfd end = { .fd = pidfd, .events = POLLIN };

		/* It takes its marker away a moment before it ends. */
		if (pidfd >= 0 && poll(&end, 1, LETTING_GO_MS) < 0 && errno != EINTR)
			return;
	}
}

/* 1: it has ended, 0: not in time, -1. One that is removed meanwhile has ended. */
static int wait_stopped(struct store *store, const char *id, struct container_run *run,
                        int64_t timeout_ms, struct stor_err *err)
{
	struct stor_err why = STOR_ERR_INIT;
	char code[12];
	int result = wait_end(store, id, run, timeout_ms, code, &why);

	if (result < 0 && why.status == STOR_NOT_FOUND) {
		await_letting_go(store, id);
		return 1;
	}
	if (result < 0)
		*err = why;
	return result;
}

/* Sends the signal, as soon as there is a process, and waits for the end. As wait_stopped(). */
static int signal_and_wait(struct store *store, const char *id, struct container_run *run,
                           int number, int64_t timeout_ms, struct stor_err *err)
{
	int64_t until_ms = monotonic_ms() + timeout_ms;
	bool is_told = false;

	for (;;) {
		struct stor_err gone = STOR_ERR_INIT;
		int64_t left_ms = timeout_ms < 0 ? LIFE_FOREVER : until_ms - monotonic_ms();
		int result;

		if (left_ms < 0 && timeout_ms >= 0)
			left_ms = 0;
		/* One that is only just starting, or ending, has none. */
		if (!is_told && container_signal(store, id, number, &gone) == 0) {
			is_told = true;
			thaw(store, id);
		}
		result = wait_stopped(store, id, run,
		                      is_told || (left_ms >= 0 && left_ms < LETTING_GO_MS)
		                              ? left_ms
		                              : LETTING_GO_MS,
		                      err);
		if (result || is_told || (timeout_ms >= 0 && monotonic_ms() >= until_ms))
			return result;
	}
}

/* Which run it is that is to end, if there is one yet. */
static void note_run(struct store *store, const char *id, struct container_run *run)
{
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (container_load(store, id, &record, &ignored) == 0)
		is_another_run(run, &record);
}

/* Stops one that runs, or is about to. */
static int stop_live(struct store *store, const char *id, const struct record *record, int number,
                     int64_t timeout_s, struct stor_err *err)
{
	struct container_run run = { 0, 0 };
	int result;

	note_run(store, id, &run);
	if (timeout_s == LIFE_OWN_TIMEOUT)
		timeout_s = own_timeout(record);
	result = signal_and_wait(store, id, &run, number ? number : own_signal(store, record),
	                         timeout_s < 0 ? LIFE_FOREVER : timeout_s * 1000, err);
	if (!result)
		result = signal_and_wait(store, id, &run, SIGKILL, KILL_WAIT_MS, err);
	if (result)
		return result < 0 ? -1 : 0;
	return err_fail(err, STOR_BUSY, 0, "container %s was killed and has not ended after %d s",
	                id, KILL_WAIT_MS / 1000);
}

int container_stop(struct store *store, const char *id, int number, int64_t timeout_s,
                   struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;

	if (container_load_current(store, id, &record, err) < 0)
		return -1;
	/* Noted before it is looked at: one that has ended may be about to be started again. */
	if ((record_get(&record, "detached") || store_is_live(store, id, NULL)) &&
	    note_stopped(store, id, err) < 0)
		return -1;
	if (!store_is_live(store, id, NULL))
		return 0;
	if (stop_live(store, id, &record, number, timeout_s, err) < 0)
		return -1;
	event_container(store, "stop", id, &record, NULL);
	return 0;
}
