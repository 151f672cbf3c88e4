/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See served.h. */
#include "tests/ploop/served.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"
#include "core/fsmount.h"
#include "core/host.h"
#include "ploop/client.h"
#include "ploop/image.h"
#include "ploop/server.h"
#include "tests/unit/fake_host.h"

#define GUARD_MS 90000
#define END_MS 10000

struct ploop_dir *served_dir;
static struct stor_host services;
static bool served_is_over_uring;

int served_setup(void **state)
{
	const struct scratch *scratch;
	struct stor_err err = STOR_ERR_INIT;

	scratch_setup(state);
	scratch = *state;
	services = *fake_host_load();
	services.spawn_server = host_spawn_server;
	host_load(&services, &err);
	served_dir = ploop_dir_open_fd(scratch->fd);
	assert_non_null(served_dir);
	return 0;
}

int served_teardown(void **state)
{
	ploop_dir_close(served_dir);
	return scratch_teardown(state);
}

void served_make_image(const char *name)
{
	struct stor_err err = STOR_ERR_INIT;

	if (ploop_image_create(served_dir, name, 2, SERVED_CLUSTER_BYTES / 512, SERVED_BYTES / 512,
	                       &err))
		fail_msg("%s", err.text);
}

/* 0 or a negative errno value. */
int served_open_image(const char *name, unsigned flags, struct ploop_link *link)
{
	*link = (struct ploop_link){ .name = name };
	return served_dir->ops->open(served_dir, name, flags | PLOOP_OPEN_LOCK, &link->file);
}

uint32_t served_mark(const struct scratch *scratch, const char *name)
{
	cleanup_close int fd = openat(scratch->fd, name, O_RDONLY | O_CLOEXEC);
	uint32_t mark;

	assert_int_equal(pread(fd, &mark, sizeof(mark), 44), sizeof(mark));
	return mark;
}

pid_t served_number(const char *command, ...)
{
	char line[128] = "";
	va_list args;
	FILE *out;

	va_start(args, command);
	vsnprintf(line, sizeof(line), command, args);
	va_end(args);
	out = popen(line, "re");
	assert_non_null(out);
	line[0] = '\0';
	if (!fgets(line, sizeof(line), out))
		line[0] = '\0';
	pclose(out);
	return atoi(line);
}

/* A process that ends a test that hangs: kills its server, so that the kernel lets go, and it. */
static void start_guard(struct served *served)
{
	int ends[2];
	struct pollfd gone;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	served->guard = fork();
	assert_true(served->guard >= 0);
	if (!served->guard) {
		pid_t test = getppid();

		/* Nothing of the test's may be kept alive here. */
		for (int fd = 3; fd < 256; fd++)
			if (fd != ends[0])
				close(fd);
		gone = (struct pollfd){ .fd = ends[0], .events = POLLIN };
		if (!poll(&gone, 1, GUARD_MS)) {
			fprintf(stderr, "guard: the test hangs: its server is killed\n");
			kill(served->server, SIGKILL);
			kill(test, SIGKILL);
		}
		_exit(0);
	}
	close(ends[0]);
	served->guard_fd = ends[1];
}

/* Puts the parameter back when the test has ended, however that came about. */
static void keep_parameter(const char *path, int fd, const char *before)
{
	int ends[2];
	pid_t keeper;
	char none;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	keeper = fork();
	assert_true(keeper >= 0);
	if (keeper) {
		close(ends[0]);
		return;
	}
	close(ends[1]);
	setsid();
	while (read(ends[0], &none, 1) < 0 && errno == EINTR)
		continue;
	if (write(fd, before, 1) != 1)
		fprintf(stderr, "%s is not as it was\n", path);
	_exit(0);
}

bool served_use_uring(void)
{
	static const char path[] = "/sys/module/fuse/parameters/enable_uring";
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
	char before;

	if (fd < 0 && errno == ENOENT)
		return false;
	assert_int_equal(pread(fd, &before, 1, 0), 1);
	keep_parameter(path, fd, &before);
	assert_int_equal(write(fd, "Y", 1), 1);
	served_is_over_uring = true;
	return true;
}

void served_begin(struct served *served, const struct ploop_link *links, unsigned count,
                  bool read_only)
{
	struct ploop_open_params open = {
		.links = links, .count = count, .writable = !read_only, .recover = true
	};
	struct ploop_server_params params = { .lock_fd = -1,
		                              .name = "stor-ploop unit test",
		                              .open = &open,
		                              .read_only = read_only,
		                              .is_throwaway = served_dir->is_throwaway,
		                              .direct_io = true,
		                              .block_bytes = 512 };
	struct stor_err err = STOR_ERR_INIT;
	char link[64];
	ssize_t n;

	*served = (struct served){ .attachment = { .fd = -1 }, .guard_fd = -1 };
	if (ploop_server_attach(&params, &served->attachment, &err))
		fail_msg("%s", err.text);
	assert_int_equal(served->attachment.kind, STOR_ATTACHED_BLOCK);
	/* Without being asked for it may be on all the same. */
	if (served_is_over_uring)
		assert_string_equal(served->attachment.how, "engine, FUSE over io_uring");
	else
		assert_memory_equal(served->attachment.how, "engine", strlen("engine"));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", served->attachment.fd);
	n = readlink(link, served->device, sizeof(served->device) - 1);
	assert_true(n > 0);
	served->device[n] = '\0';
	served->watcher = served_number("sed -n 's/^Pid:[^0-9]*//p' /proc/%d/fdinfo/%d", getpid(),
	                                served->attachment.server_pidfd);
	served->server = served_number("pgrep -P %d", served->watcher);
	assert_true(served->server > 1);
	start_guard(served);
}

void served_begin_one(struct served *served, const char *name, bool read_only)
{
	struct ploop_link link;

	assert_int_equal(served_open_image(name, read_only ? 0 : PLOOP_OPEN_WRITE, &link), 0);
	served_begin(served, &link, 1, read_only);
}

/* The last user has gone: both processes end, and the device is free. */
void served_end(struct served *served)
{
	struct pollfd ended = { .fd = served->attachment.server_pidfd, .events = POLLIN };

	close_fd(&served->attachment.fd);
	close_fd(&served->attachment.control_fd);
	assert_int_equal(poll(&ended, 1, END_MS), 1);
	close_fd(&served->attachment.server_pidfd);
	/* The watcher may still wait for init to read its status. */
	fake_host_sh("for p in %d %d; do ! grep -q '^State:.*[^Z] (' /proc/$p/status 2>/dev/null "
	             "|| { cat /proc/$p/status; exit 1; }; done",
	             served->server, served->watcher);
	/* Unbinding is the kernel's, a moment later. */
	fake_host_sh("for i in $(seq 200); do losetup %s >/dev/null 2>&1 || exit 0; "
	             "sleep 0.01; done; exit 1",
	             served->device);
	close_fd(&served->guard_fd);
	waitpid(served->guard, NULL, 0);
}

void served_mkfs(const struct served *served)
{
	fake_host_sh("timeout 30 mke2fs -q -F -t ext4 -b 4096 -E nodiscard %s", served->device);
}

/* Mounts it at mnt; the mount then keeps the device. */
void served_mount(const struct scratch *scratch, struct served *served)
{
	struct fsmount_opts opts = { .fs_type = "ext4", .userns_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	cleanup_close int mount_fd = fsmount_block(served->attachment.fd, &opts, NULL, &err);

	if (mount_fd < 0)
		fail_msg("%s", err.text);
	scratch_mountinfo(scratch, mount_fd);
	close_fd(&served->attachment.fd);
}

uint64_t served_allocated(const struct served *served)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_usage usage;

	if (ploop_client_usage(served->attachment.control_fd, &usage, &err))
		fail_msg("%s", err.text);
	return usage.allocated_bytes;
}
