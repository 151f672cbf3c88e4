/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What no callback may change in stor's process, and other processes of a test. */
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

static void read_fds(struct guard *guard)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	memset(guard->fds, 0, sizeof(guard->fds));
	while (dir && (entry = readdir(dir))) {
		long fd = strtol(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && fd < 1024 && fd != dirfd(dir))
			guard->fds[fd / 64] |= 1ULL << (fd % 64);
	}
	if (dir)
		closedir(dir);
}

static int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n - 2;
}

static uint64_t read_handlers(void)
{
	uint64_t handlers = 0;

	for (int number = 1; number < 64; number++) {
		struct sigaction action;

		if (!sigaction(number, NULL, &action) && action.sa_handler != SIG_DFL)
			handlers |= 1ULL << number;
	}
	return handlers;
}

void guard_begin(struct suite *s, struct guard *guard)
{
	read_fds(guard);
	guard->threads = count_threads();
	guard->umask = umask(0);
	umask(guard->umask);
	guard->handlers = read_handlers();
	guard->output_bytes = lseek(s->output_fd, 0, SEEK_END);
	if (!getcwd(guard->folder, sizeof(guard->folder)))
		fail(s, "getcwd: %s", strerror(errno));
}

void guard_end(struct suite *s, const struct guard *before, const char *what, int new_fds)
{
	struct guard after;
	int added = 0;

	guard_begin(s, &after);
	for (size_t i = 0; i < 16; i++) {
		require(s, !(before->fds[i] & ~after.fds[i]),
		        "%s closed a descriptor that is not its own", what);
		added += __builtin_popcountll(after.fds[i] & ~before->fds[i]);
	}
	require(s, added == new_fds, "%s left %d descriptors open, %d of them handed over", what,
	        added, new_fds);
	require(s, after.threads == before->threads, "%s left a thread behind", what);
	require(s, after.umask == before->umask, "%s changed the umask", what);
	require(s, after.handlers == before->handlers, "%s changed a signal handler", what);
	require(s, !strcmp(after.folder, before->folder), "%s changed the working directory", what);
	require(s, after.output_bytes == before->output_bytes,
	        "%s printed something on standard output or error", what);
}

pid_t run_apart(struct suite *s, void (*fn)(struct suite *s, void *arg), void *arg)
{
	pid_t pid = fork();

	require(s, pid >= 0, "fork: %s", strerror(errno));
	if (!pid) {
		fn(s, arg);
		_exit(0);
	}
	return pid;
}

void await_apart(struct suite *s, pid_t pid, unsigned wait_ms)
{
	int64_t end = monotonic_ms() + wait_ms;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		require(s, monotonic_ms() < end, "another process is not done after %u ms",
		        wait_ms);
		sleep_ms(2);
	}
	if (WIFSIGNALED(status))
		fail(s, "another process ended by signal %d", WTERMSIG(status));
	/* It has said why. */
	if (WEXITSTATUS(status))
		_exit(1);
}

void sleep_ms(unsigned ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&time, NULL);
}
