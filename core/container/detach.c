/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See detach.h. */
#include "core/container/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/base/str.h"
#include "core/container/keep_up.h"
#include "core/container/run.h"
#include "core/host.h"

#define STATUS_FAILED 125
#define READER_WAIT_MS 10000

/* What the monitor says, once: the container has started, or why not. */
struct word {
	int status; /* 0: started */
	char id[16];
	struct stor_err err;
};

static void send_word(int word_fd, const struct word *word)
{
	/* Smaller than what a pipe takes at once. Who asked may be gone: the container runs all the
	 * same. */
	if (write(word_fd, word, sizeof(*word)) < 0)
		log_debug("nobody waits for the start: %m");
}

/* What the monitor learns by the start. */
struct starting {
	struct store *store;
	const struct container_config *config;
	int word_fd;
	bool has_started, is_told_to_end;
	char id[16];
	int64_t from_ms;
};

static void has_started(void *ctx, const char *id, int master_fd)
{
	struct starting *starting = ctx;
	struct word word = { .status = 0 };
	char title[64];

	(void)master_fd;
	snprintf(word.id, sizeof(word.id), "%s", id);
	snprintf(title, sizeof(title), "stor-monitor %s", id);
	container_keep_mark(starting->store, starting->config, id);
	/* Warnings could be read so far; from now on nobody listens. */
	if (proc_leave_terminal() < 0)
		log_debug("leave the terminal: %m");
	host_set_title(title);
	malloc_trim(0);
	send_word(starting->word_fd, &word);
	starting->has_started = true;
	memcpy(starting->id, word.id, sizeof(word.id));
	starting->from_ms = monotonic_ms();
}

/* Whoever started it may want to open the record before it is removed: then the other end of the
 * pipe is open until that is done. */
static void is_ending(void *ctx)
{
	const struct starting *starting = ctx;
	struct pollfd reader = { .fd = starting->word_fd };

	if (poll(&reader, 1, READER_WAIT_MS) == 0)
		log_debug("whoever started the container stands still");
}

/* The monitor. Does not return. */
static void monitor(struct store *store, struct container_config *config, const char *id,
                    int word_fd)
{
	struct starting starting = { .store = store, .config = config, .word_fd = word_fd };
	const struct run_opts opts = { .id = id,
		                       .is_detached = true,
		                       .started = has_started,
		                       .ending = is_ending,
		                       .ctx = &starting,
		                       .is_told_to_end = &starting.is_told_to_end };
	int kept[] = { store->fd, store->state_fd, word_fd };
	struct word word = { .err = STOR_ERR_INIT };

	kill_point("monitor-begin");
	if (setsid() < 0 || proc_close_others(kept, 3) < 0)
		err_fail(&word.err, STOR_FAILED, errno, "become a monitor");
	else
		word.status = container_run(store, config, &opts, &word.err);
	if (!starting.has_started)
		send_word(word_fd, &word);
	else if (!starting.is_told_to_end)
		container_keep_up(store, config, starting.id, word.status,
		                  monotonic_ms() - starting.from_ms);
	_exit(0);
}

int container_detach(struct store *store, struct container_config *config, const char *id,
                     char **started_id, int *hold_fd, struct stor_err *err)
{
	cleanup_close int read_fd = -1, write_fd = -1;
	struct word word;
	int ends[2];
	ssize_t n;
	pid_t pid;

	if (store_open(store, err) < 0)
		return STATUS_FAILED;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		err_fail(err, STOR_FAILED, errno, "make a pipe");
		return STATUS_FAILED;
	}
	read_fd = ends[0];
	write_fd = ends[1];
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		err_fail(err, STOR_FAILED, errno, "start a monitor: fork");
		return STATUS_FAILED;
	}
	if (!pid)
		monitor(store, config, id, write_fd);
	close_fd(&write_fd);
	do
		n = read(read_fd, &word, sizeof(word));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(word)) {
		err_fail(err, STOR_FAILED, 0, "the container's monitor died before it had started");
		return STATUS_FAILED;
	}
	if (word.status || word.err.status != STOR_OK) {
		*err = word.err;
		return word.status ? word.status : STATUS_FAILED;
	}
	*started_id = xstrdup(word.id);
	if (hold_fd)
		*hold_fd = steal_fd(&read_fd);
	return 0;
}
