/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/later: who lets a file go, as fanotify sees it, and what must not go unnoticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/later.h"
#include "tests/unit/scratch.h"

/* Calls later_close() on the only descriptor of a file, and returns who let the file go. */
static pid_t closer_of_file(const char *path)
{
	cleanup_close int watch_fd = fanotify_init(FAN_CLOEXEC | FAN_CLASS_NOTIF, O_RDONLY);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), closed = fd;
	struct fanotify_event_metadata event;

	assert_true(watch_fd >= 0 && fd >= 0);
	assert_int_equal(fanotify_mark(watch_fd, FAN_MARK_ADD, FAN_CLOSE_WRITE, AT_FDCWD, path), 0);
	later_close(&fd);
	assert_int_equal(fd, -1);
	assert_int_equal(fcntl(closed, F_GETFD), -1);
	/* Waits until it is let go. */
	assert_true(read(watch_fd, &event, sizeof(event)) >= (ssize_t)sizeof(event));
	close(event.fd);
	return event.pid;
}

static void forbid(uint32_t number)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

struct fixture {
	char dir[40], file[60];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_make_dir(f->dir, sizeof(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/file", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void a_worker_of_the_kernel_lets_go(void **state)
{
	const struct fixture *f = *state;

	assert_int_not_equal(closer_of_file(f->file), getpid());
}

/* In a process of its own, for a filter stays. */
static void without_io_uring_it_is_closed_at_once(void **state)
{
	const struct fixture *f = *state;
	static const uint32_t calls[] = { SYS_io_uring_setup, SYS_io_uring_register };
	int status;
	pid_t pid;

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		pid = fork();
		if (!pid) {
			forbid(calls[i]);
			_exit(closer_of_file(f->file) == getpid() ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void nothing_to_close_is_no_failure(void **state)
{
	int fd = -1;

	(void)state;
	later_close(&fd);
	assert_int_equal(fd, -1);
}

static void only_the_filesystem_of_the_root_is_unnoticed(void **state)
{
	cleanup_close int root_fd = open("/", O_PATH | O_CLOEXEC);
	cleanup_close int proc_fd = open("/proc", O_PATH | O_CLOEXEC);
	cleanup_close int run_fd = open("/run", O_PATH | O_CLOEXEC);
	cleanup_close int shm_fd = open("/dev/shm", O_PATH | O_CLOEXEC);

	(void)state;
	assert_true(run_fd < 0 || later_is_unnoticed(run_fd));
	assert_true(shm_fd < 0 || later_is_unnoticed(shm_fd));
	assert_true(later_is_unnoticed(root_fd));
	assert_false(later_is_unnoticed(proc_fd));
	assert_false(later_is_unnoticed(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_worker_of_the_kernel_lets_go, setup, teardown),
		cmocka_unit_test_setup_teardown(without_io_uring_it_is_closed_at_once, setup,
		                                teardown),
		cmocka_unit_test(nothing_to_close_is_no_failure),
		cmocka_unit_test(only_the_filesystem_of_the_root_is_unnoticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
