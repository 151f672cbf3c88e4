/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reap [-t SECONDS] COMMAND [ARG…]: runs the command as a child of a subreaper, so that every
 * process that it leaves behind, however detached, becomes a child of this one. Those are given two
 * seconds to end; what is still there is named, killed, and makes the status 99. A command that
 * runs for longer than SECONDS (120) is named, killed with all that it started, and makes the
 * status 124, as does a signal that asks this program to end. Otherwise: the command's status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_LEFT_OVER 99
#define STATUS_TIMED_OUT 124

static pid_t first_child(void)
{
	char path[64];
	long pid = 0;
	FILE *children;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
	children = fopen(path, "re");
	if (!children || fscanf(children, "%ld", &pid) != 1)
		pid = 0;
	if (children)
		fclose(children);
	return (pid_t)pid;
}

static void describe(const char *what, pid_t pid)
{
	char path[64], line[256];
	size_t n = 0;
	FILE *cmdline;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid);
	cmdline = fopen(path, "re");
	if (cmdline) {
		n = fread(line, 1, sizeof(line) - 1, cmdline);
		fclose(cmdline);
	}
	line[n] = '\0';
	for (size_t i = 0; i + 1 < n; i++)
		if (!line[i])
			line[i] = ' ';
	fprintf(stderr, "%s: process %ld (%s)\n", what, (long)pid, line);
}

/* Reaps what has ended. True when no child is left. */
static int reap_ended(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		continue;
	return pid < 0 && errno == ECHILD;
}

static void pause_briefly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* Kills the children, and theirs as they become this program's. */
static int kill_left_over(const char *what)
{
	int count = 0;

	while (!reap_ended()) {
		pid_t child = first_child();

		if (child) {
			describe(what, child);
			kill(child, SIGKILL);
			count++;
		}
		pause_briefly();
	}
	return count;
}

/* Waits until the command ends, the time is over or a signal comes: true for the first, with its
 * wait status. `signals` are blocked, SIGCHLD among them. */
static int wait_for(pid_t pid, int *status, const sigset_t *signals, time_t seconds)
{
	struct timespec now, end;
	pid_t ended;
	int number;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	for (;;) {
		/* Others, whose parents have ended, are no zombies for long, as below any init. */
		while ((ended = waitpid(-1, status, WNOHANG)) > 0)
			if (ended == pid)
				return 1;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec)
			return 0;
		number = sigtimedwait(signals, NULL,
		                      &(struct timespec){ .tv_sec = end.tv_sec - now.tv_sec });
		if (number > 0 && number != SIGCHLD)
			return 0;
	}
}

static pid_t start(char **argv, const sigset_t *signals)
{
	pid_t pid = fork();

	if (!pid) {
		sigprocmask(SIG_UNBLOCK, signals, NULL);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	time_t seconds = 120;
	sigset_t signals;
	int status;
	pid_t pid;

	if (argc > 2 && !strcmp(argv[1], "-t")) {
		seconds = atoi(argv[2]);
		argc -= 2;
		argv += 2;
	}
	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		fprintf(stderr, "usage: reap [-t SECONDS] COMMAND [ARG...]\n");
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	pid = start(argv + 1, &signals);
	if (pid < 0) {
		perror("reap: fork");
		return 1;
	}
	if (!wait_for(pid, &status, &signals, seconds)) {
		kill_left_over("ended before it was done");
		return STATUS_TIMED_OUT;
	}
	for (int i = 0; i < 200 && !reap_ended(); i++)
		pause_briefly();
	if (kill_left_over("left behind"))
		return STATUS_LEFT_OVER;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
