/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See daemon.h. */
#include "bench/measure/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/room_cgroup.h"
#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/base/proc.h"

#define STOP_WAIT_MS 30000
#define LOG_MAX (16u << 20)

/* --- the process above the server: the init of its namespace ---------------------------------- */

static void fail_in_child(const char *what)
{
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
	_exit(127);
}

static void execute(char *const *argv)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&none);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	fail_in_child(argv[0]);
}

/* The server's end is this one's, and that of all others. */
static void reap(pid_t server)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == server)
			_exit(proc_exit_code(status));
}

static void watch_over(pid_t server, const sigset_t *signals)
{
	for (;;) {
		int number = sigwaitinfo(signals, NULL);

		if (number == SIGCHLD)
			reap(server);
		else if (number > 0)
			kill(server, SIGTERM);
	}
}

static void join_cgroup(const char *procs)
{
	cleanup_close int fd = open(procs, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		fail_in_child(procs);
}

static void be_init(char *const *argv, const char *procs, int log_fd)
{
	int kept[] = { 0, 1, 2 };
	sigset_t signals;
	pid_t server;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* The terminal's signals end the sample first, and then the server. */
	setsid();
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || proc_close_others(kept, 3) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		fail_in_child("begin");
	/* It is not to load modules into the machine's kernel. */
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_MODULE) < 0)
		fail_in_child("drop CAP_SYS_MODULE");
	if (procs)
		join_cgroup(procs);
	server = fork();
	if (server < 0)
		fail_in_child("fork");
	if (!server)
		execute(argv);
	watch_over(server, &signals);
}

/* --- outside of it --------------------------------------------------------------------------- */

int daemon_start(struct daemon *daemon, const struct strv *argv, const struct room *room,
                 unsigned flags, const char *log, struct stor_err *err)
{
	/* Without a signal at its end it is no child that waiting for all children finds: what
	 * commands leave is waited for beside it. */
	struct clone_args args = { .flags = CLONE_NEWPID | CLONE_NEWNS };
	cleanup_close int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	cleanup_free char *procs = NULL;
	long pid;

	if (flags & DAEMON_COUNTED) {
		procs = room_add_cgroup(room, "server", err);
		if (!procs)
			return -1;
	}
	if (!(flags & DAEMON_IN_NETWORK))
		args.flags |= CLONE_NEWNET;
	if (log_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open %s", log);
	if (room_enter(room, err) < 0)
		return -1;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid)
		be_init(argv->items, procs, log_fd);
	if (pid < 0)
		err_fail(err, STOR_FAILED, errno, "start %s", argv->items[0]);
	else
		daemon->pid = (pid_t)pid;
	return room_leave(room, err) < 0 || pid < 0 ? -1 : 0;
}

bool daemon_has_ended(struct daemon *daemon)
{
	if (daemon->pid && waitpid(daemon->pid, NULL, WNOHANG | __WALL) == daemon->pid)
		daemon->pid = 0;
	return !daemon->pid;
}

char *daemon_last_words(const char *log)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, log, LOG_MAX, NULL, &ignored);
	size_t length = text ? strlen(text) : 0;
	const char *last;

	err_clear(&ignored);
	while (length && text[length - 1] == '\n')
		text[--length] = '\0';
	last = length ? strrchr(text, '\n') : NULL;
	return xstrdup(last ? last + 1 : length ? text : "");
}

void daemon_stop(struct daemon *daemon)
{
	const struct timespec moment = { .tv_nsec = 5000000 };
	const int64_t end = monotonic_ms() + STOP_WAIT_MS;

	if (daemon_has_ended(daemon))
		return;
	kill(daemon->pid, SIGTERM);
	while (!daemon_has_ended(daemon)) {
		if (monotonic_ms() > end) {
			log_warn("the server of a peer does not end and is killed");
			kill(daemon->pid, SIGKILL);
			waitpid(daemon->pid, NULL, __WALL);
			daemon->pid = 0;
			return;
		}
		nanosleep(&moment, NULL);
	}
}
