/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The services that backends get: servers, isolated calls, temporary files, progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/base/fs.h"
#include "core/base/proc.h"
#include "core/host.h"
#include "core/progress.h"
#include "scratch.h"

/* What a server tells of itself. */
struct self_portrait {
	int open_fds, kept_fd_works, is_session_leader, has_null_output;
	int has_default_int, has_empty_mask;
	char folder[16], memory[32];
};

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the listing itself */
}

struct server_arg {
	int kept_fd;
	char memory[32];
};

static int describe_self(void *arg, int control_fd)
{
	const struct server_arg *given = arg;
	struct self_portrait self = { 0 };
	struct sigaction action;
	sigset_t mask;
	char byte;

	self.open_fds = count_fds();
	self.kept_fd_works = pread(given->kept_fd, &byte, 1, 0) == 1 && byte == 'x';
	self.is_session_leader = getsid(0) == getpid();
	self.has_null_output = write(1, "noise", 5) == 5 && write(2, "noise", 5) == 5;
	sigaction(SIGINT, NULL, &action);
	self.has_default_int = action.sa_handler == SIG_DFL;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	self.has_empty_mask = !sigismember(&mask, SIGUSR1);
	if (!getcwd(self.folder, sizeof(self.folder)))
		return 1;
	snprintf(self.memory, sizeof(self.memory), "%s", given->memory);
	if (write(control_fd, &self, sizeof(self)) != sizeof(self))
		return 1;
	return (int)read(control_fd, &byte, 1); /* until the other side closes */
}

static pid_t pid_of(int pidfd)
{
	char path[64], *text, *at;
	struct stor_err err = STOR_ERR_INIT;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	text = fs_read_file(-1, path, 4096, NULL, &err);
	assert_non_null(text);
	at = strstr(text, "Pid:");
	assert_non_null(at);
	pid = (pid_t)strtol(at + 4, NULL, 10);
	free(text);
	return pid;
}

static int wait_gone(int pidfd)
{
	struct pollfd ready = { .fd = pidfd, .events = POLLIN };

	return poll(&ready, 1, 5000);
}

static void handle_nothing(int number)
{
	(void)number;
}

static void test_server_is_as_promised(void **state)
{
	const char *title = "stor-test /a/rather/long/path/that/is/longer/than/the/arguments/of/"
			    "this/program/could/ever/be/0123456789/0123456789/0123456789";
	struct server_arg arg = { .memory = "as of the call" };
	int keep[] = { -1, -1 }, extra_fd, fds_before;
	struct stor_server_req req = { .struct_size = sizeof(req),
		                       .name = title,
		                       .main = describe_self,
		                       .arg = &arg,
		                       .keep_fds = keep };
	struct stor_server server = { .struct_size = sizeof(server) };
	struct stor_err err = STOR_ERR_INIT;
	struct self_portrait self;
	char path[64], *text;
	size_t size;
	sigset_t mask;
	FILE *file = tmpfile();

	(void)state;
	fputc('x', file);
	fflush(file);
	extra_fd = fcntl(fileno(file), F_DUPFD, 200); /* neither close-on-exec nor kept */
	keep[0] = arg.kept_fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 100);
	signal(SIGINT, handle_nothing);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	fds_before = count_fds();
	assert_int_equal(host_spawn_server(&req, &server, &err), 0);
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
	signal(SIGINT, SIG_DFL);
	assert_int_equal(count_fds(), fds_before + 2);

	assert_int_equal(read(server.control_fd, &self, sizeof(self)), sizeof(self));
	assert_int_equal(self.open_fds, 5); /* 0, 1, 2, the kept one, the control socket */
	assert_true(self.kept_fd_works);
	assert_true(self.is_session_leader);
	assert_true(self.has_null_output);
	assert_true(self.has_default_int);
	assert_true(self.has_empty_mask);
	assert_string_equal(self.folder, "/");
	assert_string_equal(self.memory, "as of the call");

	/* Its name, as ps reads it. */
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", (long)pid_of(server.pidfd));
	text = fs_read_file(-1, path, 4096, &size, &err);
	assert_non_null(text);
	assert_string_equal(text, title);
	free(text);
	snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid_of(server.pidfd));
	text = fs_read_file(-1, path, 64, NULL, &err);
	assert_string_equal(text, "stor-test\n");
	free(text);

	/* It is nobody's child here, and it ends when we let go. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	close(server.control_fd);
	assert_int_equal(wait_gone(server.pidfd), 1);
	close(server.pidfd);
	close(keep[0]);
	close(extra_fd);
	fclose(file);
}

static int leave_early(void *arg, int control_fd)
{
	(void)arg;
	(void)control_fd;
	return 0;
}

static void test_server_refuses_closed_descriptor(void **state)
{
	int keep[] = { 900, -1 };
	struct stor_server_req req = { .struct_size = sizeof(req),
		                       .name = "stor-test",
		                       .main = describe_self,
		                       .keep_fds = keep };
	struct stor_server server = { .struct_size = sizeof(server) };
	struct stor_err err = STOR_ERR_INIT;
	int fds_before = count_fds();

	(void)state;
	assert_int_equal(host_spawn_server(&req, &server, &err), -1);
	assert_non_null(strstr(err.text, "keep descriptor 900"));
	assert_int_equal(count_fds(), fds_before);
}

/* A request whose size is not set, one with a flag of a later stor, and one of a later header. */
static void test_requests_of_other_headers(void **state)
{
	struct {
		struct stor_server_req req;
		uint64_t later[4];
	} longer = {
		.req = { .struct_size = sizeof(longer), .name = "stor-test", .main = leave_early },
		.later = { 1, 2, 3, 4 }
	};
	struct stor_server server = { .struct_size = sizeof(server) };
	struct stor_call_req call = { .struct_size = 0 };
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(host_spawn_server(&longer.req, &server, &err), 0);
	close(server.pidfd);
	close(server.control_fd);
	longer.req.flags = 1u << 31;
	assert_int_equal(host_spawn_server(&longer.req, &server, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "flags 0x80000000, which this stor does not know"));
	longer.req.flags = 0;
	longer.req.struct_size = 0;
	err_clear(&err);
	assert_int_equal(host_spawn_server(&longer.req, &server, &err), -1);
	assert_non_null(strstr(err.text, "struct_size is smaller than in any version"));
	longer.req.struct_size = sizeof(longer);
	server.struct_size = 0;
	err_clear(&err);
	assert_int_equal(host_spawn_server(&longer.req, &server, &err), -1);
	err_clear(&err);
	assert_int_equal(host_call_isolated(&call, &err), -1);
	assert_non_null(strstr(err.text, "struct_size is smaller than in any version"));
	/* A class of failure of a later stor. */
	err_clear(&err);
	(host_services()->fail)(&err, (enum stor_status)77, 0, "it");
	assert_int_equal(err.status, STOR_FAILED);
}

/* A cgroup of version 1, whose file "tasks" is what it is given. */
static void test_server_is_born_in_a_cgroup(void **state)
{
	struct scratch *scratch = *state;
	struct cgroup cgroup = { .places = { { .controllers = CGROUP_MEMORY,
		                               .path = scratch->dir,
		                               .leaf_fds = { -1, scratch->fd } } },
		                 .count = 1 };
	struct stor_server_req req = { .struct_size = sizeof(req),
		                       .name = "stor-test",
		                       .main = leave_early };
	struct stor_server server = { .struct_size = sizeof(server) };
	struct stor_err err = STOR_ERR_INIT;
	int fds_before = count_fds(), fd;
	char text[8] = "";

	host_put_servers_into(&cgroup);
	assert_int_equal(host_spawn_server(&req, &server, &err), -1);
	assert_non_null(strstr(err.text, "start stor-test: open the server's leaf of "));
	assert_int_equal(symlinkat("/dev/full", scratch->fd, "tasks"), 0);
	err_clear(&err);
	assert_int_equal(host_spawn_server(&req, &server, &err), -1);
	assert_non_null(strstr(err.text, "start stor-test in the container's cgroup: No space"));
	assert_int_equal(unlinkat(scratch->fd, "tasks", 0), 0);
	close(openat(scratch->fd, "tasks", O_CREAT | O_WRONLY, 0600));
	assert_int_equal(host_spawn_server(&req, &server, &err), 0);
	host_put_servers_into(NULL);
	close(server.pidfd);
	close(server.control_fd);
	assert_int_equal(count_fds(), fds_before);
	fd = openat(scratch->fd, "tasks", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), 1);
	assert_string_equal(text, "0");
	close(fd);
}

static int write_answer(void *arg, void *out, struct stor_err *err)
{
	(void)err;
	*(int *)out = *(int *)arg * 2;
	*(int *)arg = 0; /* the child's memory: not seen here */
	return 0;
}

static int report_failure(void *arg, void *out, struct stor_err *err)
{
	(void)arg;
	(void)out;
	err_hint(err, "try another");
	return err_fail(err, STOR_BUSY, ENOENT, "open the thing");
}

static int fail_silently(void *arg, void *out, struct stor_err *err)
{
	(void)arg;
	(void)out;
	(void)err;
	return -1;
}

static int crash(void *arg, void *out, struct stor_err *err)
{
	(void)arg;
	(void)out;
	(void)err;
	signal(SIGSEGV, SIG_DFL);
	return raise(SIGSEGV);
}

static int leave(void *arg, void *out, struct stor_err *err)
{
	(void)arg;
	(void)out;
	(void)err;
	_exit(7);
}

static int hang(void *arg, void *out, struct stor_err *err)
{
	(void)arg;
	(void)out;
	(void)err;
	while (pause() < 0)
		continue;
	return 0;
}

static void expect_isolated(int (*call)(void *, void *, struct stor_err *), const char *text,
                            enum stor_status status)
{
	struct stor_call_req req = { .struct_size = sizeof(req), .call = call, .timeout_ms = 300 };
	struct stor_err err = STOR_ERR_INIT;
	int fds_before = count_fds();

	assert_int_equal(host_call_isolated(&req, &err), -1);
	assert_non_null(strstr(err.text, text));
	assert_int_equal(err.status, status);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(count_fds(), fds_before);
}

static void test_isolated_call(void **state)
{
	int number = 21, answer = 0;
	struct stor_call_req req = { .struct_size = sizeof(req),
		                     .call = write_answer,
		                     .arg = &number,
		                     .out = &answer,
		                     .out_size = sizeof(answer) };
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(host_call_isolated(&req, &err), 0);
	assert_int_equal(answer, 42);
	assert_int_equal(number, 21);
	expect_isolated(report_failure, "open the thing: No such file", STOR_BUSY);
	expect_isolated(fail_silently, "without saying why", STOR_FAILED);
	expect_isolated(crash, "signal 11", STOR_FAILED);
	expect_isolated(leave, "status 7", STOR_FAILED);
	expect_isolated(hang, "not done after 300 ms", STOR_FAILED);
}

static void test_temp_file(void **state)
{
	const struct stor_host *host = host_services();
	struct stor_err err = STOR_ERR_INIT;
	int store_fd, fd;

	(void)state;
	assert_int_equal(host->temp_file(&err), -1);
	assert_non_null(strstr(err.text, "no store"));
	store_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host_set_store(store_fd);
	err_clear(&err);
	fd = host->temp_file(&err);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	host_set_store(-1);
	close(store_fd);
}

static int join_line(void *ctx, const char *key, const char *value)
{
	char *text = ctx;

	assert_string_equal(key, "note");
	snprintf(text + strlen(text), 64 - strlen(text), "%s;", value);
	return 0;
}

static void test_programs_speak_english(void **state)
{
	static const char *const argv[] = { "sh", "-c", "echo $LC_ALL; echo two >&2; exit 7",
		                            NULL };
	static const char *const absent[] = { "no-such-program", NULL };
	const struct stor_host *host = host_services();
	struct stor_err err = STOR_ERR_INIT;
	char text[64] = "";

	(void)state;
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	assert_int_equal(host->run_program(argv, join_line, text, &err), 7);
	unsetenv("LC_ALL");
	assert_string_equal(text, "C;two;");
	assert_int_equal(host->run_program(absent, NULL, NULL, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
}

static void test_progress_reports_interruption(void **state)
{
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(progress_update("copy", 1, 2, &err), 0);
	progress_catch_signals();
	raise(SIGINT);
	assert_int_equal(progress_signal(), SIGINT);
	assert_int_equal(progress_update("copy", 1, 2, &err), -1);
	assert_non_null(strstr(err.text, "interrupted"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_is_as_promised),
		cmocka_unit_test(test_server_refuses_closed_descriptor),
		cmocka_unit_test(test_requests_of_other_headers),
		cmocka_unit_test_setup_teardown(test_server_is_born_in_a_cgroup, scratch_setup,
		                                scratch_teardown),
		cmocka_unit_test(test_isolated_call),
		cmocka_unit_test(test_temp_file),
		cmocka_unit_test(test_programs_speak_english),
		cmocka_unit_test(test_progress_reports_interruption),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
