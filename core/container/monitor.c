/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Staying with a container in the foreground: signals, its terminal, its end. See start.h. */
#include "core/container/start.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/container/tty.h"

static const int forwarded[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT,
	                         SIGUSR1, SIGUSR2, SIGALRM, SIGCONT };

void monitor_prepare(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGWINCH);
	/* Ignored by whoever started stor, it would take the exit status away. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, old);
}

/* Hands a signal on. A first process without a handler never gets it: so somebody who asks three
 * times is believed. */
static void forward(struct process *process, int number, unsigned *asked)
{
	if ((number == SIGINT || number == SIGTERM) && ++*asked >= 3) {
		log_warn("asked to end three times: killing the container");
		number = SIGKILL;
	}
	if (sys_pidfd_send_signal(process->pidfd, number) < 0)
		log_debug("signal %d: %m", number);
}

/* True when the process has ended; its status is in *status. */
static bool has_ended(const struct process *process, int *status)
{
	return waitpid(process->pid, status, WNOHANG) == process->pid;
}

static int wait_plain(struct process *process)
{
	unsigned asked = 0;
	sigset_t set;
	int status;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(*forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGWINCH);
	for (;;) {
		int number = sigwaitinfo(&set, NULL);

		if (number == SIGCHLD && has_ended(process, &status))
			return status;
		if (number > 0 && number != SIGCHLD)
			forward(process, number, &asked);
	}
}

int monitor_wait(struct process *process, const struct container_config *config,
                 struct stor_err *err)
{
	int status;

	kill_point("monitor");
	if (process->master_fd >= 0) {
		if (tty_serve(process, config->interactive, &status, err) < 0)
			return -1;
	} else {
		status = wait_plain(process);
	}
	close_fd(&process->pidfd);
	close_fd(&process->master_fd);
	return proc_exit_code(status);
}
