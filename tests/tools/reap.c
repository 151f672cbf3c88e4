/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reap COMMAND [ARG…]: runs the command as a child of a subreaper, so that every process that it
 * leaves behind, however detached, becomes a child of this one. Those are given two seconds to end;
 * what is still there is named, killed, and makes the status 99. Otherwise: the command's status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_LEFT_OVER 99

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

static void describe(pid_t pid)
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
	fprintf(stderr, "left behind: process %ld (%s)\n", (long)pid, line);
}

/* Reaps what has ended. True when no child is left. */
static int reap_ended(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		continue;
	return pid < 0 && errno == ECHILD;
}

int main(int argc, char **argv)
{
	const struct timespec pause_time = { .tv_nsec = 10000000 };
	int status, left_over = 0;
	pid_t pid;

	if (argc < 2 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
		fprintf(stderr, "usage: reap COMMAND [ARG...]\n");
		return 2;
	}
	pid = fork();
	if (!pid) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	for (int i = 0; i < 200 && !reap_ended(); i++)
		nanosleep(&pause_time, NULL);
	while (!reap_ended()) {
		pid_t child = first_child();

		left_over = 1;
		if (child) {
			describe(child);
			kill(child, SIGKILL);
		}
		nanosleep(&pause_time, NULL);
	}
	if (left_over)
		return STATUS_LEFT_OVER;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
