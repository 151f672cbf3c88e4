/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A backend that uses a token, a server with a control socket, and isolated calls; and each of them
 * going wrong. Also what the wrappers make of it: the trace, and what attach may hand over. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/base/fs.h"
#include "core/base/proc.h"
#include "tests/unit/scratch.h"

/* One volume of the test backend, in a folder of its own. */
struct fixture {
	const struct backend *backend;
	char dir[64];
	struct stor_volume volume;
	char token[STOR_TOKEN_MAX + 1];
	bool refuses_token, had_device_before_token;
	int store_fd;
};

/* On disk, as core has it, for one test kills the process after the token. */
static int record_token(void *ctx, const char *token, struct stor_err *err)
{
	struct fixture *f = ctx;

	if (f->refuses_token)
		return err_fail(err, STOR_FAILED, ENOSPC, "record the token");
	f->had_device_before_token = scratch_loop_below(f->dir) >= 0;
	snprintf(f->token, sizeof(f->token), "%s", token);
	return fs_write_file(f->store_fd, "token", token, strlen(token), 0600, false, err);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct stor_err err = STOR_ERR_INIT;
	struct stor_create_req req = { .source_fd = -1 };
	cleanup_free char *file = NULL;
	char self[3000];

	assert_int_equal(proc_self_dir(self, sizeof(self)), 0);
	file = xasprintf("%s/backends/stor-services.so", self);
	f->backend = backend_load(file, &err);
	if (!f->backend)
		fail_msg("%s", err.text);
	strcpy(f->dir, "/tmp/stor-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->volume.path = f->dir;
	f->store_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host_set_store(f->store_fd);
	if (backend_create(f->backend, &f->volume, &req, &err) < 0)
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;

	unsetenv("STOR_FAULT");
	/* A test that failed half way leaves its device. */
	if (f->token[0])
		backend_detach(f->backend, &f->volume, f->token, &err);
	assert_int_equal(scratch_wait_no_loop(f->dir), -1);
	close(f->store_fd);
	host_set_store(-1);
	assert_int_equal(fs_remove_tree(AT_FDCWD, f->dir, &err), 0);
	free(f);
	return 0;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int attach(struct fixture *f, struct stor_attachment *at, struct stor_err *err)
{
	struct stor_attach_req req = { .userns_fd = -1,
		                       .record_token = record_token,
		                       .record_token_ctx = f };

	return backend_attach(f->backend, &f->volume, &req, at, err);
}

static void close_attachment(struct stor_attachment *at)
{
	struct pollfd ended = { .fd = at->server_pidfd, .events = POLLIN };

	close_fd(&at->fd);
	close_fd(&at->lock_fd);
	close_fd(&at->control_fd);
	/* The server sees its socket closed. */
	assert_int_equal(poll(&ended, 1, 5000), 1);
	close_fd(&at->server_pidfd);
}

static bool is_in_use(struct fixture *f)
{
	struct stor_info info = { .emit = NULL };
	struct stor_err err = STOR_ERR_INIT;

	if (backend_info(f->backend, &f->volume, &info, &err) < 0)
		fail_msg("%s", err.text);
	return info.in_use;
}

static void wait_released(struct fixture *f)
{
	const struct timespec pause_time = { .tv_nsec = 5000000 };

	for (int i = 0; i < 1000 && is_in_use(f); i++)
		nanosleep(&pause_time, NULL);
	assert_false(is_in_use(f));
}

static void everything_works(void **state)
{
	struct fixture *f = *state;
	struct stor_resize_req resize = { .size_bytes = 32 << 20, .root_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	struct stor_attachment at, second;
	struct stat st;

	if (attach(f, &at, &err) < 0)
		fail_msg("%s", err.text);
	assert_false(f->had_device_before_token);
	assert_true(str_starts(f->token, "loop"));
	assert_true(scratch_loop_below(f->dir) >= 0);
	assert_true(is_in_use(f));
	assert_true(fcntl(at.control_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(attach(f, &second, &err), -1);
	assert_int_equal(err.status, STOR_BUSY);
	err_clear(&err);

	resize.control_fd = at.control_fd;
	if (backend_resize(f->backend, &f->volume, &resize, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(fstatat(f->store_fd, "disk", &st, 0), 0);
	assert_int_equal(st.st_size, 32 << 20);

	close_attachment(&at);
	assert_true(scratch_loop_below(f->dir) >= 0); /* it is not tied to a descriptor */
	assert_int_equal(backend_detach(f->backend, &f->volume, f->token, &err), 0);
	assert_int_equal(scratch_wait_no_loop(f->dir), -1);
	wait_released(f);
	assert_int_equal(backend_detach(f->backend, &f->volume, f->token, &err), 0);
}

static void refused_token_stops_attach(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct stor_attachment at;
	int fds = count_fds();

	f->refuses_token = true;
	assert_int_equal(attach(f, &at, &err), -1);
	assert_non_null(strstr(err.text, "record the token: No space left"));
	assert_int_equal(scratch_loop_below(f->dir), -1);
	assert_int_equal(count_fds(), fds);
	wait_released(f);
}

/* Runs attach in a child that is killed within it. */
static void attach_and_die(struct fixture *f, const char *fault)
{
	pid_t pid = fork();

	if (!pid) {
		struct stor_err err = STOR_ERR_INIT;
		struct stor_attachment at;

		setenv("STOR_FAULT", fault, 1);
		attach(f, &at, &err);
		_exit(0);
	}
	assert_int_equal(proc_exit_code(proc_wait(pid)), 128 + SIGKILL);
}

static void killed_between_token_and_device(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;
	cleanup_free char *token = NULL;

	attach_and_die(f, "killed-after-token");
	assert_int_equal(scratch_loop_below(f->dir), -1);
	token = fs_read_file(f->store_fd, "token", 300, NULL, &err);
	assert_non_null(token);
	assert_int_equal(backend_detach(f->backend, &f->volume, token, &err), 0);
	wait_released(f);
}

static void killed_after_device(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;
	cleanup_free char *token = NULL;

	attach_and_die(f, "killed-after-device");
	assert_true(scratch_loop_below(f->dir) >= 0);
	token = fs_read_file(f->store_fd, "token", 300, NULL, &err);
	assert_int_equal(backend_detach(f->backend, &f->volume, token, &err), 0);
	assert_int_equal(scratch_wait_no_loop(f->dir), -1);
	wait_released(f);
}

static void bad_token_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(backend_detach(f->backend, &f->volume, "nonsense", &err), -1);
	assert_int_equal(err.status, STOR_USAGE);
}

static void server_that_dies_at_once(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct stor_attachment at;
	int fds = count_fds();

	setenv("STOR_FAULT", "server-dies-at-once", 1);
	assert_int_equal(attach(f, &at, &err), -1);
	assert_non_null(strstr(err.text, "its server ended at once"));
	assert_int_equal(count_fds(), fds);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void server_that_dies_on_request(void **state)
{
	struct fixture *f = *state;
	struct stor_resize_req resize = { .size_bytes = 32 << 20, .root_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	struct stor_attachment at;

	setenv("STOR_FAULT", "server-dies-on-request", 1);
	if (attach(f, &at, &err) < 0)
		fail_msg("%s", err.text);
	resize.control_fd = at.control_fd;
	assert_int_equal(backend_resize(f->backend, &f->volume, &resize, &err), -1);
	assert_non_null(strstr(err.text, "its server is gone"));
	close_attachment(&at);
	err_clear(&err);
	assert_int_equal(backend_detach(f->backend, &f->volume, f->token, &err), 0);
}

static void isolated_call_goes_wrong(void **state)
{
	static const struct {
		const char *fault, *text;
		enum stor_status status;
	} cases[] = {
		{ "call-crashes", "signal 6", STOR_FAILED },
		{ "call-hangs", "not done after 500 ms", STOR_FAILED },
		{ "call-fails", "the library says no", STOR_BUSY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		struct stor_info info = { .emit = NULL };
		struct stor_err err = STOR_ERR_INIT;
		int fds = count_fds();

		setenv("STOR_FAULT", cases[i].fault, 1);
		assert_int_equal(backend_info(f->backend, &f->volume, &info, &err), -1);
		if (!strstr(err.text, cases[i].text))
			fail_msg("%s: %s", cases[i].fault, err.text);
		assert_int_equal(err.status, cases[i].status);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	}
}

static void half_an_attachment_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct stor_attachment at;
	int fds = count_fds();

	setenv("STOR_FAULT", "forgets-pidfd", 1);
	assert_int_equal(attach(f, &at, &err), -1);
	assert_non_null(strstr(err.text, "only one of control_fd and server_pidfd"));
	assert_int_equal(count_fds(), fds);
	err_clear(&err);
	assert_int_equal(backend_detach(f->backend, &f->volume, f->token, &err), 0);
}

/* STOR_TRACE: a line on standard error for each call, with its result and duration. */
static void calls_are_traced(void **state)
{
	struct fixture *f = *state;
	FILE *captured = tmpfile();
	int saved_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	char text[4096] = "";

	dup2(fileno(captured), STDERR_FILENO);
	is_in_use(f);
	setenv("STOR_TRACE", "1", 1);
	is_in_use(f);
	unsetenv("STOR_TRACE");
	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	rewind(captured);
	assert_true(fread(text, 1, sizeof(text) - 1, captured) > 0);
	fclose(captured);
	assert_true(str_starts(text, "stor: trace: services.info /tmp/stor-test-"));
	assert_non_null(strstr(text, " = 0, "));
	assert_non_null(strstr(text, " ms\n"));
	assert_string_equal(strchr(text, '\n'), "\n"); /* one line: the untraced call has none */
}

static void what_is_absent_is_refused_by_name(void **state)
{
	struct fixture *f = *state;
	struct stor_snapshot_req req = { .id = "s1", .root_fd = -1, .control_fd = -1 };
	struct stor_create_req xfs = { .source_fd = -1, .fs_type = "xfs" };
	struct stor_check_req check = { .flags = 0 };
	enum stor_verdict verdict = STOR_VERDICT_DAMAGED;
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(backend_snapshot(f->backend, &f->volume, &req, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_string_equal(err.text, "backend \"services\" cannot take snapshots");
	err_clear(&err);
	assert_int_equal(backend_create(f->backend, &f->volume, &xfs, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_string_equal(err.hint, "it makes: ext4");
	assert_int_equal(backend_check(f->backend, &f->volume, &check, &verdict, &err), 0);
	assert_int_equal(verdict, STOR_VERDICT_CLEAN);
	f->volume.flags = STOR_VOLUME_FOREIGN;
	err_clear(&err);
	assert_int_equal(backend_destroy(f->backend, &f->volume, &err), -1);
	f->volume.flags = 0;
}

static int create_nothing(const struct stor_volume *volume, const struct stor_create_req *req,
                          struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

static void a_size_is_for_those_that_take_one(void **state)
{
	struct fixture *f = *state;
	struct backend files = { .ops = { .name = "files", .create = create_nothing } };
	struct stor_create_req sized = { .source_fd = -1, .size_bytes = 1 << 30 };
	struct stor_create_req typed = { .source_fd = -1, .fs_type = "ext4" };
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(backend_create(&files, &f->volume, &sized, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "takes no size"));
	assert_non_null(strstr(err.hint, "stor backend ls"));
	files.ops.flags = STOR_BACKEND_SIZED;
	assert_int_equal(backend_create(&files, &f->volume, &sized, &err), 0);
	err_clear(&err);
	assert_int_equal(backend_create(&files, &f->volume, &typed, &err), -1);
	assert_non_null(strstr(err.text, "takes no filesystem type"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(everything_works),
		TEST(refused_token_stops_attach),
		TEST(killed_between_token_and_device),
		TEST(killed_after_device),
		TEST(bad_token_is_refused),
		TEST(server_that_dies_at_once),
		TEST(server_that_dies_on_request),
		TEST(isolated_call_goes_wrong),
		TEST(half_an_attachment_is_refused),
		TEST(calls_are_traced),
		TEST(what_is_absent_is_refused_by_name),
		TEST(a_size_is_for_those_that_take_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
