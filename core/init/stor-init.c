/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stor-init PATH ARGV0 [ARG…]: process 1 of a container that asked for --init. Executes PATH as its
 * child, hands every signal on to it, reaps whatever else ends, and exits as the command did; the
 * kernel then kills what is left. Linked statically, for nothing of the container's is its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child: the command, in a process group of its own, in the foreground of its terminal. */
static void execute(char **argv, const sigset_t *mask)
{
	setpgid(0, 0);
	/* SIGTTOU is still blocked. */
	if (isatty(0))
		tcsetpgrp(0, getpid());
	sigprocmask(SIG_SETMASK, mask, NULL);
	execv(argv[1], argv + 2);
	fprintf(stderr, "stor: cannot execute %s: %s\n", argv[1], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Reaps what has ended. True when the command is among it. */
static int reap(pid_t command, int *command_status)
{
	int status, ended = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != command)
			continue;
		*command_status = status;
		ended = 1;
	}
	return ended;
}

int main(int argc, char **argv)
{
	sigset_t all, before;
	int status = 0;
	pid_t command;

	if (argc < 3) {
		fputs("usage: stor-init PATH ARGV0 [ARG...]\n", stderr);
		return 125;
	}
	/* The command must not trace it, and undo that it dies with stor. */
	prctl(PR_SET_DUMPABLE, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	command = fork();
	if (command < 0) {
		fprintf(stderr, "stor: stor-init: fork: %s\n", strerror(errno));
		return 125;
	}
	if (!command)
		execute(argv, &before);
	for (;;) {
		int number = sigwaitinfo(&all, NULL);

		if (number == SIGCHLD && reap(command, &status))
			break;
		if (number > 0 && number != SIGCHLD)
			kill(command, number);
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
