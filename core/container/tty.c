/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's terminal, and copying between it and the container's: see tty.h. */
#include "core/container/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/sys.h"
#include "core/base/terminal.h"

/* After the end, output is awaited no longer than this. */
#define DRAIN_MS 100

struct copy {
	struct process *process;
	struct terminal terminal;
	int signal_fd, input_fd;
	unsigned asked;
	bool ended;
	int status;
	char waiting[4096]; /* input that the container's terminal had no room for */
	size_t waiting_bytes;
};

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			poll(&wait, 1, -1);
			continue;
		}
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* Output of the container. False at its end. */
static bool copy_output(struct copy *c)
{
	char data[16384];
	ssize_t n = read(c->process->master_fd, data, sizeof(data));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	/* EIO: nobody has the terminal open. */
	if (n <= 0)
		return false;
	if (write_all(1, data, (size_t)n) < 0)
		log_debug("write to standard output: %m");
	return true;
}

/* Gives the container's terminal what it has room for; it keeps the rest for later. */
static void flush_input(struct copy *c)
{
	ssize_t n = write(c->process->master_fd, c->waiting, c->waiting_bytes);

	if (n <= 0)
		return;
	c->waiting_bytes -= (size_t)n;
	memmove(c->waiting, c->waiting + n, c->waiting_bytes);
}

static void copy_input(struct copy *c)
{
	const char end_of_file = 4;
	ssize_t n = read(c->input_fd, c->waiting, sizeof(c->waiting));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* The end of the input is the end of the terminal's input. */
		c->input_fd = -1;
		c->waiting[0] = end_of_file;
		n = 1;
	}
	c->waiting_bytes = (size_t)n;
	flush_input(c);
}

/* ^Z for stor itself, from outside: the terminal must be usable meanwhile. */
static void stop(struct copy *c)
{
	terminal_restore(&c->terminal);
	kill(getpid(), SIGSTOP);
	terminal_make_raw(&c->terminal);
	terminal_copy_size(c->process->master_fd);
}

static void take_signal(struct copy *c)
{
	struct signalfd_siginfo info;
	int number;

	if (read(c->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	number = (int)info.ssi_signo;
	if (number == SIGCHLD) {
		c->ended = waitpid(c->process->pid, &c->status, WNOHANG) == c->process->pid;
	} else if (number == SIGWINCH) {
		terminal_copy_size(c->process->master_fd);
	} else if (number == SIGTSTP) {
		stop(c);
	} else if (number != SIGCONT) {
		if ((number == SIGINT || number == SIGTERM) && ++c->asked >= 3)
			number = SIGKILL;
		sys_pidfd_send_signal(c->process->pidfd, number);
	}
}

static void serve(struct copy *c)
{
	bool has_output = true;

	while (!c->ended || has_output) {
		struct pollfd fds[3] = {
			{ .fd = c->ended ? -1 : c->signal_fd, .events = POLLIN },
			{ .fd = has_output ? c->process->master_fd : -1,
			  .events = POLLIN | (c->waiting_bytes ? POLLOUT : 0) },
			{ .fd = c->waiting_bytes || c->ended ? -1 : c->input_fd, .events = POLLIN },
		};
		int ready = poll(fds, 3, c->ended ? DRAIN_MS : -1);

		if (!ready)
			break;
		if (ready < 0)
			continue;
		if (fds[0].revents)
			take_signal(c);
		if (fds[1].revents & (POLLIN | POLLHUP | POLLERR))
			has_output = copy_output(c);
		if (fds[1].revents & POLLOUT)
			flush_input(c);
		if (fds[2].revents)
			copy_input(c);
	}
}

int tty_serve(struct process *process, bool interactive, int *status, struct stor_err *err)
{
	struct copy c = { .process = process, .signal_fd = -1, .input_fd = interactive ? 0 : -1 };
	cleanup_close int signal_fd = -1;
	sigset_t set;

	/* What is blocked is what is handed on; stopping is new here. */
	sigprocmask(SIG_BLOCK, NULL, &set);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal_fd = c.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "watch signals");
	fcntl(process->master_fd, F_SETFL, O_RDWR | O_NONBLOCK);
	if (interactive)
		terminal_make_raw(&c.terminal);
	terminal_copy_size(process->master_fd);
	serve(&c);
	terminal_restore(&c.terminal);
	*status = c.status;
	return 0;
}
