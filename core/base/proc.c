/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes: see proc.h. */
#include "core/base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/base/sys.h"

#define START_TIME_FIELD 22

/* Reads /proc/PID/stat: its state letter and start time. 0, or -1: no such process. */
static int read_stat(pid_t pid, char *state, uint64_t *start_time)
{
	char path[40], text[1024];
	cleanup_close int fd = -1;
	const char *at;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	/* The second field is the command's name, which may hold anything but ends at the last ).
	 */
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || !at[2])
		return -1;
	*state = at[2];
	for (int field = 2; at && field < START_TIME_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -1;
	*start_time = strtoull(at + 1, NULL, 10);
	return 0;
}

uint64_t proc_start_time(pid_t pid)
{
	uint64_t start_time;
	char state;

	return read_stat(pid, &state, &start_time) < 0 ? 0 : start_time;
}

bool proc_is_alive(pid_t pid, uint64_t start_time)
{
	uint64_t found;
	char state;

	if (pid <= 0 || read_stat(pid, &state, &found) < 0)
		return false;
	return state != 'Z' && state != 'X' && (!start_time || found == start_time);
}

bool proc_has_ended(pid_t pid)
{
	cleanup_close int fd = sys_pidfd_open(pid);
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return errno == ESRCH;
	return poll(&ended, 1, 0) > 0;
}

pid_t proc_pidfd_pid(int pidfd)
{
	char path[64], line[64];
	long pid = -1;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info) && sscanf(line, "Pid: %ld", &pid) != 1)
		continue;
	if (info)
		fclose(info);
	return (pid_t)pid;
}

static int compare_ints(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

int proc_close_others(int *kept, size_t count)
{
	unsigned from = 3;

	qsort(kept, count, sizeof(*kept), compare_ints);
	for (size_t i = 0; i < count; i++) {
		unsigned fd = (unsigned)kept[i];

		if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) < 0)
			return -1;
		if (fd >= from)
			from = fd + 1;
	}
	return syscall(SYS_close_range, from, ~0u, 0) < 0 ? -1 : 0;
}

int proc_leave_terminal(void)
{
	cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null_fd >= 0 && fd < 3; fd++)
		dup2(null_fd, fd);
	return null_fd < 0 || chdir("/") < 0 ? -1 : 0;
}

int proc_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

int proc_exit_code(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* The child side of proc_run(): does not return. */
static void exec_captured(const char *const *argv, int output_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(null_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0)
		_exit(126);
	/* Its words may be read by a program. */
	setenv("LC_ALL", "C", 1);
	execvp(argv[0], (char *const *)argv);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Hands on whole lines of what was read so far; keeps the rest. */
static void emit_lines(struct strbuf *buf, bool at_end, stor_emit_fn emit, void *ctx)
{
	char *start = buf->text, *newline;

	if (!start)
		return;
	while ((newline = strchr(start, '\n'))) {
		*newline = '\0';
		if (*start && emit)
			emit(ctx, "note", start);
		start = newline + 1;
	}
	if (at_end && *start && emit)
		emit(ctx, "note", start);
	buf->length -= (size_t)(start - buf->text);
	memmove(buf->text, start, buf->length + 1);
}

int proc_run(const char *const *argv, stor_emit_fn emit, void *ctx, struct stor_err *err)
{
	cleanup_strbuf struct strbuf buf = STRBUF_INIT;
	cleanup_close int read_fd = -1, write_fd = -1;
	char chunk[4096];
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_fail(err, STOR_FAILED, errno, "run %s: pipe", argv[0]);
	read_fd = ends[0];
	write_fd = ends[1];
	pid = fork();
	if (pid < 0)
		return err_fail(err, STOR_FAILED, errno, "run %s: fork", argv[0]);
	if (!pid)
		exec_captured(argv, write_fd);
	close_fd(&write_fd);
	while ((n = read(read_fd, chunk, sizeof(chunk)))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		strbuf_add(&buf, chunk, strnlen(chunk, (size_t)n));
		emit_lines(&buf, false, emit, ctx);
	}
	emit_lines(&buf, true, emit, ctx);
	status = proc_exit_code(proc_wait(pid));
	if (status == 127) {
		err_fail(err, STOR_UNSUPPORTED, 0, "run %s: not found in PATH", argv[0]);
		err_hint(err, "install the package that has it");
		return -1;
	}
	return status;
}

int proc_self_path(char *buf, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 1);

	if (n < 0)
		return -1;
	buf[n] = '\0';
	return 0;
}

int proc_self_dir(char *buf, size_t size)
{
	char *slash;

	if (proc_self_path(buf, size) < 0)
		return -1;
	slash = strrchr(buf, '/');
	if (!slash) {
		errno = ENOENT;
		return -1;
	}
	*(slash == buf ? slash + 1 : slash) = '\0';
	return 0;
}
