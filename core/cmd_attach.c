/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stor attach. What the container writes is read from its log, as it comes: so any number may
 * watch, and none holds it up. Input goes into its pipe, or into its terminal, whose master the
 * monitor has and others borrow.
 */
#include "core/cmd_attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/sys.h"
#include "core/base/terminal.h"
#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/container_store.h"

#define LOOK_AGAIN_MS 1000

static const int handed_on[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
	                         SIGUSR1, SIGUSR2, SIGALRM, SIGCONT };

/* While it lasts. */
struct session {
	struct attach *attach;
	struct terminal terminal;
	int signal_fd;
	int input_fd;  /* 0, or -1: there is none, or no more */
	int target_fd; /* where input goes; -1: nowhere */
	bool is_tty, is_detached;
	char waiting[4096 + DETACH_KEYS_MAX]; /* input that there was no room for */
	size_t waiting_bytes;
};

int attach_begin(struct attach *attach, struct store *store, const char *id, struct stor_err *err)
{
	struct stor_err none = STOR_ERR_INIT;

	if (container_watch_begin(&attach->watch, store, id, err) < 0)
		return -1;
	if (log_reader_open(&attach->reader, store, id, true, &none) < 0 &&
	    none.status != STOR_NOT_FOUND) {
		*err = none;
		return -1;
	}
	return 0;
}

void attach_end(struct attach *attach)
{
	log_reader_close(&attach->reader);
	container_watch_end(&attach->watch);
}

/* --- the container's ends ------------------------------------------------------------------- */

/* The terminal's master, which only the monitor has. -1: it has none. */
static int borrow_master(struct container_watch *watch, const struct record *record)
{
	int number = (int)record_get_u64(record, "master-fd", 0);
	cleanup_close int monitor_fd = container_watch_monitor(watch);
	cleanup_close int fd = -1;

	if (!number || monitor_fd < 0)
		return -1;
	fd = sys_pidfd_getfd(monitor_fd, number);
	return fd >= 0 && isatty(fd) ? steal_fd(&fd) : -1;
}

static int open_input(struct container_watch *watch)
{
	char path[48];

	snprintf(path, sizeof(path), "io/%s.in", watch->id);
	return openat(watch->store->state_fd, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

static int open_target(struct session *s, struct stor_err *err)
{
	struct container_watch *watch = &s->attach->watch;
	cleanup_record struct record record = RECORD_INIT;

	if (container_load(watch->store, watch->id, &record, err) < 0)
		return -1;
	s->is_tty = record_get_u64(&record, "master-fd", 0) != 0;
	s->target_fd = s->is_tty ? borrow_master(watch, &record) : open_input(watch);
	if (s->is_tty && s->target_fd < 0) {
		err_fail(err, STOR_FAILED, 0, "container %s: its terminal is gone", watch->id);
		err_hint(err,
		         "it ended with the monitor that had it; stor exec -it %s sh makes "
		         "another one",
		         watch->id);
		return -1;
	}
	/* Without input of the container's there is nothing to read for. */
	s->input_fd = s->attach->no_input || s->target_fd < 0 ? -1 : STDIN_FILENO;
	return 0;
}

/* --- copying -------------------------------------------------------------------------------- */

static int write_out(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* Everything that the log has by now. */
static int copy_output(struct attach *attach, struct stor_err *err)
{
	struct stor_err none = STOR_ERR_INIT;
	struct log_entry entry;
	int result;

	if (attach->reader.fd < 0 && log_reader_open(&attach->reader, attach->watch.store,
	                                             attach->watch.id, false, &none) < 0)
		return 0;
	while ((result = log_reader_next(&attach->reader, &entry, err)) > 0) {
		int fd = entry.stream == LOG_STDERR ? STDERR_FILENO : STDOUT_FILENO;

		if (write_out(fd, entry.text, entry.size) < 0 ||
		    (entry.ends_line && write_out(fd, "\n", 1) < 0))
			return err_fail(err, STOR_FAILED, errno, "write");
	}
	return result;
}

static void flush_input(struct session *s)
{
	ssize_t n = write(s->target_fd, s->waiting, s->waiting_bytes);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		s->input_fd = -1;
	if (n <= 0)
		return;
	s->waiting_bytes -= (size_t)n;
	memmove(s->waiting, s->waiting + n, s->waiting_bytes);
}

static void copy_input(struct session *s)
{
	char typed[4096];
	ssize_t n = read(s->input_fd, typed, sizeof(typed));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* The container's input goes on: others may attach. */
		s->input_fd = -1;
		return;
	}
	s->waiting_bytes =
		detach_keys_filter(&s->attach->keys, typed, (size_t)n, s->waiting, &s->is_detached);
	flush_input(s);
}

static void take_signal(struct session *s)
{
	struct container_watch *watch = &s->attach->watch;
	struct stor_err gone = STOR_ERR_INIT;
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH) {
		if (s->is_tty)
			terminal_copy_size(s->target_fd);
	} else if (s->attach->no_signals) {
		/* Then it is meant for this process. */
		s->is_detached = true;
	} else if (container_signal(watch->store, watch->id, (int)info.ssi_signo, &gone) < 0) {
		log_debug("%s", gone.text);
	}
}

/* 1: the container has ended, or is left. */
static int step(struct session *s, struct stor_err *err)
{
	struct container_watch *watch = &s->attach->watch;
	cleanup_close int monitor_fd = -1;
	char events[4096];
	/* Looked at before the log: then nothing comes after what is read. */
	int ended = container_watch_look(watch, err);

	if (ended < 0 || copy_output(s->attach, err) < 0)
		return -1;
	if (ended || s->is_detached)
		return 1;
	monitor_fd = container_watch_monitor(watch);

	struct pollfd fds[5] = {
		{ .fd = watch->change_fd, .events = POLLIN },
		{ .fd = monitor_fd, .events = POLLIN },
		{ .fd = s->signal_fd, .events = POLLIN },
		{ .fd = s->waiting_bytes ? -1 : s->input_fd, .events = POLLIN },
		{ .fd = s->waiting_bytes ? s->target_fd : -1, .events = POLLOUT },
	};

	if (poll(fds, 5, LOOK_AGAIN_MS) < 0)
		return 0;
	while (read(watch->change_fd, events, sizeof(events)) > 0)
		continue;
	if (fds[2].revents)
		take_signal(s);
	if (fds[4].revents)
		flush_input(s);
	if (fds[3].revents)
		copy_input(s);
	return 0;
}

static int exit_code(const struct attach *attach)
{
	uint64_t code;

	return str_to_u64(attach->watch.code, &code) == 0 && code < 256 ? (int)code : STOR_FAILED;
}

static int serve(struct session *s, struct stor_err *err)
{
	int result;

	if (s->is_tty) {
		if (s->input_fd >= 0)
			terminal_make_raw(&s->terminal);
		terminal_copy_size(s->target_fd);
	}
	while ((result = step(s, err)) == 0)
		continue;
	terminal_restore(&s->terminal);
	if (result < 0)
		return -1;
	if (!s->is_detached)
		return exit_code(s->attach);
	fprintf(stderr, "stor: detached from container %s\n", s->attach->watch.id);
	return 0;
}

int attach_serve(struct attach *attach, struct stor_err *err)
{
	struct session s = { .attach = attach, .signal_fd = -1, .input_fd = -1, .target_fd = -1 };
	sigset_t set, old;
	int result = -1;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handed_on) / sizeof(*handed_on); i++)
		sigaddset(&set, handed_on[i]);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGPIPE, SIG_IGN);
	s.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signal_fd < 0)
		err_fail(err, STOR_FAILED, errno, "watch signals");
	else if (open_target(&s, err) == 0)
		result = serve(&s, err);
	close_fd(&s.signal_fd);
	close_fd(&s.target_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return result;
}

/* --- the command ---------------------------------------------------------------------------- */

static int set_keys(void *target, const char *value, struct stor_err *err)
{
	return detach_keys_parse(&((struct attach *)target)->keys, value, err);
}

static int set_no_stdin(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct attach *)target)->no_input, "--no-stdin", value, err);
}

static int set_signals(void *target, const char *value, struct stor_err *err)
{
	bool is_on;

	if (option_switch(&is_on, "--sig-proxy", value, err) < 0)
		return -1;
	((struct attach *)target)->no_signals = !is_on;
	return 0;
}

static int attach_to(struct store *store, const char *name, struct attach *attach,
                     struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	int result = -1;

	if (container_find(store, name, &id, &record, err) < 0)
		return -1;
	if (!store_is_live(store, id, NULL)) {
		err_fail(err, STOR_FAILED, 0, "container %s does not run", name);
		err_hint(err, "stor start -ai %s starts it and attaches", name);
	} else if (!record_get(&record, "detached")) {
		err_fail(err, STOR_FAILED, 0, "container %s runs in the foreground", name);
		err_hint(err, "its output is that of its stor process; stor exec joins it");
	} else if (attach_begin(attach, store, id, err) == 0) {
		result = attach_serve(attach, err);
	}
	attach_end(attach);
	return result;
}

int cmd_attach(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "detach-keys", "KEYS", "Typed, they leave the container; ctrl-p,ctrl-q",
		  set_keys },
		{ 0, "no-stdin", NULL, "Only watch", set_no_stdin },
		{ 0, "sig-proxy", NULL, "Hand signals on; --sig-proxy=no: they detach",
		  set_signals },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "attach",
		.synopsis = "[OPTIONS] NAME|ID",
		.summary = "Follow a detached container with standard input and output",
		.details = "The exit status is the container's, or 0 after the keys to detach.",
		.options = options,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct attach attach = ATTACH_INIT;
	char **operands;
	int count, result = opts_parse(&command, &attach, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	return attach_to(store, operands[0], &attach, err);
}
