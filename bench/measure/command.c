/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See command.h. */
#include "bench/measure/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/room_cgroup.h"
#include "core/base/proc.h"

#define ERRORS_MAX 2000
#define LEFT_WAIT_NS 10000000000ll

void command_free(struct command *command)
{
	strv_free(&command->argv);
	free(command->folder);
	free(command->input);
	*command = (struct command)COMMAND_INIT;
}

void outcome_free(struct outcome *outcome)
{
	free(outcome->output);
	free(outcome->errors);
	*outcome = (struct outcome){ .output = NULL };
}

int command_prepare(struct stor_err *err)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0
	               ? err_fail(err, STOR_FAILED, errno, "adopt what commands leave")
	               : 0;
}

static double cpu_of(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

/* --- input and output ------------------------------------------------------------------------ */

/* Files in memory: a command never waits for the bench to read, which would be measured too. */
static int memory_file(const char *name, struct stor_err *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? err_fail(err, STOR_FAILED, errno, "keep a command's output") : fd;
}

/* The first `most` bytes, or the last ones. */
static char *text_of(int fd, size_t most, bool is_end)
{
	struct stat st;
	size_t size, done = 0;
	off_t from;
	char *text;

	if (fstat(fd, &st) < 0)
		return xstrdup("");
	size = (uint64_t)st.st_size < most ? (size_t)st.st_size : most;
	from = is_end ? st.st_size - (off_t)size : 0;
	text = xmalloc(size + 1);
	while (done < size) {
		ssize_t n = pread(fd, text + done, size - done, from + (off_t)done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	text[done] = '\0';
	return text;
}

/* --- starting -------------------------------------------------------------------------------- */

static int spawn(const struct command *command, int input_fd, int output_fd, int errors_fd,
                 pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	int r;

	sigfillset(&defaults);
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input_fd, 0);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, errors_fd, 2);
	if (command->folder)
		posix_spawn_file_actions_addchdir_np(&actions, command->folder);
	r = posix_spawnp(pid, command->argv.items[0], &actions, &attributes, command->argv.items,
	                 environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* --- the end --------------------------------------------------------------------------------- */

static bool is_any_left(void)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void take_the_rest(struct outcome *outcome)
{
	const struct timespec moment = { .tv_nsec = 500000 };
	const int64_t end = monotonic_ns() + LEFT_WAIT_NS;
	struct rusage usage;
	int status;

	for (;;) {
		while (wait4(-1, &status, WNOHANG, &usage) > 0)
			outcome->server_cpu_seconds += cpu_of(&usage);
		if (!is_any_left() || monotonic_ns() > end)
			return;
		nanosleep(&moment, NULL);
	}
}

static int wait_for(pid_t pid, struct outcome *outcome)
{
	struct rusage usage;
	int status;
	pid_t ended;

	do
		ended = wait4(pid, &status, 0, &usage);
	while (ended < 0 && errno == EINTR);
	if (ended < 0)
		return -1;
	outcome->status = proc_exit_code(status);
	outcome->cpu_seconds = cpu_of(&usage);
	return 0;
}

/* Starts it in its room. Returns 0 with *error what spawn() gave; or -1 with err filled. */
static int spawn_there(const struct command *command, int input_fd, int output_fd, int errors_fd,
                       pid_t *pid, int *error, struct stor_err *err)
{
	if (command->room && room_enter(command->room, err) < 0)
		return -1;
	*error = spawn(command, input_fd, output_fd, errors_fd, pid);
	return command->room ? room_leave(command->room, err) : 0;
}

int command_run(const struct command *command, struct outcome *outcome, struct stor_err *err)
{
	const char *input = command->input ? command->input : "/dev/null";
	cleanup_close int input_fd = open(input, O_RDONLY | O_CLOEXEC);
	cleanup_close int output_fd = -1, errors_fd = -1;
	double server = command->asks_server ? room_cpu_seconds(command->room) : 0;
	int64_t from;
	pid_t pid;
	int r;

	*outcome = (struct outcome){ .output = NULL };
	if (!command->argv.items)
		return err_fail(err, STOR_USAGE, 0, "there is no command");
	if (input_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open %s", input);
	output_fd = memory_file("output", err);
	errors_fd = output_fd < 0 ? -1 : memory_file("errors", err);
	if (errors_fd < 0)
		return -1;
	from = monotonic_ns();
	if (spawn_there(command, input_fd, output_fd, errors_fd, &pid, &r, err) < 0)
		return -1;
	if (r == ENOENT) {
		outcome->status = 127;
		outcome->output = xstrdup("");
		outcome->errors = xasprintf("%s: not found", command->argv.items[0]);
		return 0;
	}
	if (r)
		return err_fail(err, STOR_FAILED, r, "run %s", command->argv.items[0]);
	if (wait_for(pid, outcome) < 0)
		return err_fail(err, STOR_FAILED, errno, "wait for %s", command->argv.items[0]);
	outcome->seconds = (double)(monotonic_ns() - from) / 1e9;
	take_the_rest(outcome);
	if (command->asks_server)
		outcome->server_cpu_seconds += room_cpu_seconds(command->room) - server;
	outcome->output = text_of(output_fd, COMMAND_OUTPUT_MAX, false);
	outcome->errors = text_of(errors_fd, ERRORS_MAX, true);
	return 0;
}

int command_must(const struct command *command, struct outcome *outcome, struct stor_err *err)
{
	if (command_run(command, outcome, err) < 0)
		return -1;
	if (!outcome->status)
		return 0;
	for (size_t n = strlen(outcome->errors); n && outcome->errors[n - 1] == '\n'; n--)
		outcome->errors[n - 1] = '\0';
	return err_fail(err, outcome->status == 127 ? STOR_UNSUPPORTED : STOR_FAILED, 0,
	                "%s %s: exit status %d: %s", command->argv.items[0],
	                command->argv.count > 1 ? command->argv.items[1] : "", outcome->status,
	                outcome->errors);
}

int command_call(char **output, struct stor_err *err, const char *word, ...)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_outcome struct outcome outcome;
	va_list words;
	int result;

	va_start(words, word);
	for (; word; word = va_arg(words, const char *))
		strv_add(&command.argv, word);
	va_end(words);
	result = command_must(&command, &outcome, err);
	if (!result && output)
		*output = steal_ptr(&outcome.output);
	return result;
}
