/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See output.h. */
#include "core/container/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/sys.h"
#include "core/container_store.h"

#define IO_PATH_MAX 48
#define HUNG_UP_MS 200

/* --- the pipes ---------------------------------------------------------------------------- */

static int make_fifo(struct store *store, const char *id, const char *which, int *inner_fd,
                     struct stor_err *err)
{
	char path[IO_PATH_MAX];

	snprintf(path, sizeof(path), "io/%s.%s", id, which);
	if (mkfifoat(store->state_fd, path, 0600) < 0)
		return err_fail(err, STOR_FAILED, errno, "make pipe %s/%s", store->state_path,
		                path);
	/* Both ways, so that it is a reader of its own output. */
	*inner_fd = openat(store->state_fd, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (*inner_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open pipe %s/%s", store->state_path,
		                path);
	return 0;
}

static int open_reader(struct store *store, const char *id, const char *which, int *fd,
                       struct stor_err *err)
{
	char path[IO_PATH_MAX];

	snprintf(path, sizeof(path), "io/%s.%s", id, which);
	*fd = openat(store->state_fd, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_fail(err, STOR_FAILED, errno, "open pipe %s/%s", store->state_path,
	                          path)
	               : 0;
}

static int open_readers(struct output *output, struct store *store, const char *id,
                        struct stor_err *err)
{
	return open_reader(store, id, "out", &output->fds[0], err) < 0 ||
	                       open_reader(store, id, "err", &output->fds[1], err) < 0
	               ? -1
	               : 0;
}

static int open_log(struct output *output, struct store *store, const char *id,
                    const struct container_config *config, struct stor_err *err)
{
	return log_writer_open(&output->log, store, id, config->log_max_bytes,
	                       config->log_max_files, err);
}

int output_make(struct output *output, struct store *store, const char *id, struct plan *plan,
                struct stor_err *err)
{
	if (open_log(output, store, id, plan->config, err) < 0)
		return -1;
	if (plan->config->tty)
		return 0;
	container_remove_io(store, id);
	if (store_make_dir(store->state_fd, "io", err) < 0 ||
	    make_fifo(store, id, "out", &plan->stdout_fd, err) < 0 ||
	    make_fifo(store, id, "err", &plan->stderr_fd, err) < 0)
		return -1;
	if (plan->config->interactive && make_fifo(store, id, "in", &plan->stdin_fd, err) < 0)
		return -1;
	return open_readers(output, store, id, err);
}

int output_find(struct output *output, struct store *store, const char *id,
                const struct container_config *config, struct stor_err *err)
{
	if (open_log(output, store, id, config, err) < 0)
		return -1;
	return config->tty ? 0 : open_readers(output, store, id, err);
}

void output_close(struct output *output)
{
	close_fd(&output->fds[0]);
	close_fd(&output->fds[1]);
	log_writer_close(&output->log);
}

/* --- the monitor's work ------------------------------------------------------------------- */

enum copied { COPIED, NOTHING_NOW, HUNG_UP };

/* Reads what is there, once. A pipe that has ended is closed. */
static enum copied copy(struct output *output, int which)
{
	char data[16384];
	ssize_t n = read(output->fds[which], data, sizeof(data));

	if (n > 0) {
		log_writer_add(&output->log, which ? LOG_STDERR : LOG_STDOUT, data, (size_t)n);
		return COPIED;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NOTHING_NOW;
	if (n < 0 && errno == EIO)
		return HUNG_UP;
	close_fd(&output->fds[which]);
	return NOTHING_NOW;
}

static void take_signal(struct output *output, int signal_fd, const struct process *process,
                        unsigned *asked)
{
	struct signalfd_siginfo info;
	int number;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	number = (int)info.ssi_signo;
	if (number == SIGCHLD || number == SIGWINCH)
		return;
	output->is_told_to_end |= number == SIGTERM;
	if ((number == SIGINT || number == SIGTERM) && ++*asked >= 3)
		number = SIGKILL;
	if (sys_pidfd_send_signal(process->pidfd, number) < 0)
		log_debug("signal %d: %m", number);
}

static void serve(struct output *output, const struct process *process, int signal_fd)
{
	bool ended = false, is_hung_up = false;
	unsigned asked = 0;

	while (!ended) {
		struct pollfd fds[4] = {
			{ .fd = process->pidfd, .events = POLLIN },
			{ .fd = signal_fd, .events = POLLIN },
			{ .fd = is_hung_up ? -1 : output->fds[0], .events = POLLIN },
			{ .fd = output->fds[1], .events = POLLIN },
		};

		/* A terminal that nobody has open now may be opened again. */
		if (poll(fds, 4, is_hung_up ? HUNG_UP_MS : -1) < 0)
			continue;
		is_hung_up = false;
		ended = fds[0].revents != 0;
		if (fds[1].revents)
			take_signal(output, signal_fd, process, &asked);
		for (int i = 0; i < 2; i++)
			if (fds[2 + i].revents && copy(output, i) == HUNG_UP)
				is_hung_up = true;
	}
	/* With the first process all others of the container have ended: no more can come. */
	for (int i = 0; i < 2; i++)
		while (output->fds[i] >= 0 && copy(output, i) == COPIED)
			continue;
}

int output_serve(struct output *output, struct process *process, struct stor_err *err)
{
	cleanup_close int signal_fd = -1;
	sigset_t set;

	sigprocmask(SIG_BLOCK, NULL, &set);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "watch signals");
	if (process->master_fd >= 0) {
		output->fds[0] = process->master_fd;
		fcntl(process->master_fd, F_SETFL, O_RDWR | O_NONBLOCK);
	}
	serve(output, process, signal_fd);
	if (process->master_fd >= 0)
		output->fds[0] = -1;
	return 0;
}
