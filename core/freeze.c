/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Freezing a filesystem for a moment: see freeze.h. */
#include "core/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/proc.h"

/* How long it may be frozen; and how long it may take to become so. */
#define FROZEN_MS 10000
#define BEGIN_MS 10000

/* --- the guard ---------------------------------------------------------------------------- */

/* It outlives whatever ends its maker, and keeps nothing open but what it needs: guard_fd at 3 and
 * root_fd at 4. */
static int settle_in(int guard_fd, int root_fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP };
	int guard = fcntl(guard_fd, F_DUPFD, 5), root = fcntl(root_fd, F_DUPFD, 5);

	sigemptyset(&ignore.sa_mask);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &ignore, NULL);
	prctl(PR_SET_NAME, "stor-freeze");
	if (guard < 0 || root < 0 || setsid() < 0 || dup2(guard, 3) < 0 || dup2(root, 4) < 0)
		return -1;
	/* Also what it has for input and output may be a file that is to be frozen. */
	syscall(SYS_close_range, 0, 2, 0);
	return (int)syscall(SYS_close_range, 5, ~0u, 0);
}

/* Returns when it is to be thawed: 0, or ETIMEDOUT when nobody said so. */
static int wait_for_maker(int guard_fd)
{
	struct pollfd maker = { .fd = guard_fd, .events = POLLIN };
	char byte;
	int n;

	while ((n = poll(&maker, 1, FROZEN_MS)) < 0 && errno == EINTR)
		continue;
	/* What is left unread when this process ends would take its answer along. */
	if (n)
		recv(guard_fd, &byte, sizeof(byte), MSG_DONTWAIT);
	return n ? 0 : ETIMEDOUT;
}

static void run_guard(int guard_fd, int root_fd)
{
	int answer = 0;

	if (settle_in(guard_fd, root_fd) < 0)
		_exit(1);
	if (ioctl(4, FIFREEZE, 0) < 0)
		answer = errno;
	kill_point("freeze-guard");
	if (send(3, &answer, sizeof(answer), MSG_NOSIGNAL) > 0 && !answer)
		answer = wait_for_maker(3);
	else if (answer)
		_exit(0);
	if (ioctl(4, FITHAW, 0) < 0)
		answer = errno;
	send(3, &answer, sizeof(answer), MSG_NOSIGNAL);
	_exit(0);
}

/* --- its maker ---------------------------------------------------------------------------- */

/* Its errno value; -1: it died; -2: nothing came in time. */
static int receive(int guard_fd, int timeout_ms)
{
	struct pollfd guard = { .fd = guard_fd, .events = POLLIN };
	int answer, n;

	while ((n = poll(&guard, 1, timeout_ms)) < 0 && errno == EINTR)
		continue;
	if (n <= 0)
		return -2;
	return recv(guard_fd, &answer, sizeof(answer), 0) == sizeof(answer) ? answer : -1;
}

static int not_frozen(int answer, struct stor_err *err)
{
	switch (answer) {
	case -2:
		return err_fail(err, STOR_FAILED, 0,
		                "freeze filesystem: it did not come to rest within %d s",
		                BEGIN_MS / 1000);
	case -1:
		return err_fail(err, STOR_FAILED, 0, "freeze filesystem: the guard died");
	case EBUSY:
		return err_fail(err, STOR_BUSY, 0, "freeze filesystem: it is frozen already");
	case EOPNOTSUPP:
		return err_fail(err, STOR_UNSUPPORTED, EOPNOTSUPP, "freeze filesystem");
	default:
		return err_fail(err, STOR_FAILED, answer, "freeze filesystem");
	}
}

int freeze_begin(int root_fd, struct freeze *freeze, struct stor_err *err)
{
	int ends[2], answer;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_fail(err, STOR_FAILED, errno, "freeze filesystem: socket pair");
	pid = fork();
	if (!pid)
		run_guard(ends[1], root_fd);
	close(ends[1]);
	*freeze = (struct freeze){ .root_fd = root_fd, .guard_fd = ends[0], .guard = pid };
	if (pid < 0) {
		close_fd(&freeze->guard_fd);
		return err_fail(err, STOR_FAILED, errno, "freeze filesystem: fork");
	}
	answer = receive(freeze->guard_fd, BEGIN_MS);
	if (!answer)
		return 0;
	/* One that is still at it thaws at once what it freezes: nobody listens to it. */
	close_fd(&freeze->guard_fd);
	if (answer == -1)
		ioctl(root_fd, FITHAW, 0);
	if (answer != -2)
		proc_wait(pid);
	return not_frozen(answer, err);
}

bool freeze_end(struct freeze *freeze)
{
	char byte = 0;
	bool was_frozen;

	/* The one that thawed by itself has said so already. */
	send(freeze->guard_fd, &byte, 1, MSG_NOSIGNAL);
	was_frozen = receive(freeze->guard_fd, -1) == 0;
	/* In a guard's stead that was killed. */
	if (!was_frozen)
		was_frozen = ioctl(freeze->root_fd, FITHAW, 0) == 0;
	close_fd(&freeze->guard_fd);
	proc_wait(freeze->guard);
	return was_frozen;
}
