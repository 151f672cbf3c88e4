/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching: what is written stays, who may have it, and nothing shows on the host. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define PARALLEL 8

static const struct attach_how writing = { .wait_ms = 0 };
static const struct attach_how reading = { .flags = STOR_ATTACH_READ_ONLY };

static void test_write_persists(struct suite *s)
{
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	for (int i = 0; i < 3; i++) {
		char name[16];

		vol_use(s, &vol, NULL, &m);
		for (int j = 0; j < i; j++) {
			snprintf(name, sizeof(name), "file-%d", j);
			expect_file(s, m.root_fd, name, "kept");
		}
		snprintf(name, sizeof(name), "file-%d", i);
		put_file(s, m.root_fd, name, "kept");
		vol_release(s, &vol, &m);
	}
	vol_destroy(s, &vol);
}

static void test_read_only(struct suite *s)
{
	struct mounted m;
	struct vol vol;
	int fd;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	vol_use(s, &vol, &reading, &m);
	expect_file(s, m.root_fd, "file", "text");
	fd = openat(m.root_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	require(s, fd < 0 && errno == EROFS, "a volume attached read-only can be written");
	require(s, unlinkat(m.root_fd, "file", 0) < 0 && errno == EROFS,
	        "a file can be removed from a volume attached read-only");
	vol_release(s, &vol, &m);
}

static void try_from_elsewhere(struct suite *s, void *arg)
{
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;

	expect_error(s, vol_attach(s, arg, &writing, &m, &err), &err, STOR_BUSY,
	             "attach by another process");
}

static void test_one_writer(struct suite *s)
{
	const struct attach_how waiting = { .wait_ms = 300 };
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m, second;
	struct vol vol;
	int64_t began;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	expect_error(s, vol_attach(s, &vol, &writing, &second, &err), &err, STOR_BUSY,
	             "a second attach for writing");
	err_clear(&err);
	expect_error(s, vol_attach(s, &vol, &reading, &second, &err), &err, STOR_BUSY,
	             "attach read-only of a volume attached for writing");
	err_clear(&err);
	await_apart(s, run_apart(s, try_from_elsewhere, &vol), 10000);
	began = monotonic_ms();
	expect_error(s, vol_attach(s, &vol, &waiting, &second, &err), &err, STOR_BUSY,
	             "an attach that waits");
	require(s, monotonic_ms() - began >= 250, "attach did not wait for busy_wait_ms");
	require(s, monotonic_ms() - began < 3000, "attach waited far longer than busy_wait_ms");
	put_file(s, m.root_fd, "still", "here");
	vol_release(s, &vol, &m);
}

static void test_many_readers(struct suite *s)
{
	struct stor_err err = STOR_ERR_INIT;
	struct mounted first, second, third;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, &reading, &first);
	vol_use(s, &vol, &reading, &second);
	expect_error(s, vol_attach(s, &vol, &writing, &third, &err), &err, STOR_BUSY,
	             "attach for writing of a volume attached read-only");
	/* Not vol_release() for the first: what "in use" says is of writers. */
	vol_release(s, &vol, &first);
	require(s, !faccessat(second.root_fd, ".", R_OK, 0), "the second reader lost its root");
	vol_release(s, &vol, &second);
	vol_use(s, &vol, NULL, &third);
	vol_release(s, &vol, &third);
}

struct holder {
	struct vol *vol;
	int ready_fd;
	unsigned hold_ms;
};

static void hold_for_a_while(struct suite *s, void *arg)
{
	struct holder *holder = arg;
	struct mounted m;

	vol_use(s, holder->vol, NULL, &m);
	require(s, write(holder->ready_fd, "r", 1) == 1, "write: %s", strerror(errno));
	sleep_ms(holder->hold_ms);
	put_file(s, m.root_fd, "last", "words");
	vol_release(s, holder->vol, &m);
}

static void test_waits_for_release(struct suite *s)
{
	const struct attach_how patient = { .wait_ms = 10000 };
	struct holder holder = { .hold_ms = 300 };
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct vol vol;
	int ends[2];
	pid_t pid;
	char byte;

	vol_create(s, "v", NULL, &vol);
	require(s, !pipe2(ends, O_CLOEXEC), "pipe: %s", strerror(errno));
	holder.vol = &vol;
	holder.ready_fd = ends[1];
	pid = run_apart(s, hold_for_a_while, &holder);
	require(s, read(ends[0], &byte, 1) == 1, "the holder is gone");
	if (vol_attach(s, &vol, &patient, &m, &err) < 0)
		fail(s, "attach did not wait for the release: %s", err.text);
	expect_file(s, m.root_fd, "last", "words");
	vol_release(s, &vol, &m);
	await_apart(s, pid, 10000);
}

static void use_own_volume(struct suite *s, void *arg)
{
	char name[16];
	struct mounted m;
	struct vol vol;

	snprintf(name, sizeof(name), "v%d", *(int *)arg);
	vol_create(s, name, NULL, &vol);
	for (int i = 0; i < 5; i++) {
		vol_use(s, &vol, NULL, &m);
		put_file(s, m.root_fd, "name", name);
		vol_release(s, &vol, &m);
	}
	vol_use(s, &vol, &reading, &m);
	expect_file(s, m.root_fd, "name", name);
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

static void test_parallel_volumes(struct suite *s)
{
	pid_t pids[PARALLEL];

	for (int i = 0; i < PARALLEL; i++)
		pids[i] = run_apart(s, use_own_volume, &i);
	for (int i = 0; i < PARALLEL; i++)
		await_apart(s, pids[i], 60000);
}

static void test_several_in_one_process(struct suite *s)
{
	struct mounted m[3];
	struct vol vol[3];

	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "v%d", i);
		vol_create(s, name, NULL, &vol[i]);
		vol_use(s, &vol[i], NULL, &m[i]);
		put_file(s, m[i].root_fd, "name", name);
	}
	vol_release(s, &vol[1], &m[1]);
	expect_file(s, m[0].root_fd, "name", "v0");
	expect_file(s, m[2].root_fd, "name", "v2");
	vol_release(s, &vol[2], &m[2]);
	expect_file(s, m[0].root_fd, "name", "v0");
	vol_release(s, &vol[0], &m[0]);
}

static void test_host_sees_no_mount(struct suite *s)
{
	struct stor_err err = STOR_ERR_INIT;
	cleanup_free char *during = NULL;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	during = fs_read_file(-1, "/proc/self/mountinfo", 16 << 20, NULL, &err);
	require(s, during && !strstr(during, s->dir),
	        "a mount shows in the host's table while attached%s%s", *err.text ? ": " : "",
	        err.text);
	vol_release(s, &vol, &m);
}

static void test_destroy_of_attached_is_busy(struct suite *s)
{
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "file", "text");
	expect_error(s, guarded(s, "destroy", backend_destroy(s->backend, &vol.ref, &err)), &err,
	             STOR_BUSY, "destroy of an attached volume");
	expect_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	vol_use(s, &vol, NULL, &m);
	expect_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

/* --- user namespaces ------------------------------------------------------------------------ */

static void write_map(struct suite *s, pid_t pid, const char *file)
{
	char path[64];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	require(s, fd >= 0 && write(fd, "0 100000 65536", 14) == 14, "write %s: %s", path,
	        strerror(errno));
}

/* A user namespace in which host ids 100000… are 0…; -1: this machine makes none. */
static int make_userns(struct suite *s)
{
	char path[64], byte;
	int ends[2], fd = -1;
	pid_t pid;

	require(s, !pipe2(ends, O_CLOEXEC), "pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		byte = !unshare(CLONE_NEWUSER);
		if (write(ends[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	if (read(ends[0], &byte, 1) == 1 && byte) {
		write_map(s, pid, "uid_map");
		write_map(s, pid, "gid_map");
		snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	return fd;
}

static void test_mapped_ids(struct suite *s)
{
	cleanup_close int userns_fd = make_userns(s);
	struct attach_how mapped = { .wait_ms = 10000, .userns_fd = userns_fd };
	struct stor_err err = STOR_ERR_INIT;
	struct mounted m;
	struct stat st;
	struct vol vol;

	require(s, userns_fd >= 0, "this machine makes no user namespace");
	vol_create(s, "v", NULL, &vol);
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "file", "text");
	vol_release(s, &vol, &m);
	if (vol_attach(s, &vol, &mapped, &m, &err) < 0)
		fail(s, "attach with mapped ids: %s", err.text);
	if (m.at.kind == STOR_ATTACHED_MOUNT) {
		require(s, !fstatat(m.root_fd, "file", &st, 0), "examine: %s", strerror(errno));
		require(s, st.st_uid == 100000 && st.st_gid == 100000,
		        "the mapped mount shows owner %u:%u, not 100000:100000", st.st_uid,
		        st.st_gid);
	}
	vol_release(s, &vol, &m);
}

const struct test tests_attach[] = {
	{ "write-persists", NULL, test_write_persists },
	{ "read-only", NULL, test_read_only },
	{ "one-writer", NULL, test_one_writer },
	{ "many-readers", NULL, test_many_readers },
	{ "waits-for-release", NULL, test_waits_for_release },
	{ "parallel-volumes", NULL, test_parallel_volumes },
	{ "several-in-one-process", NULL, test_several_in_one_process },
	{ "host-sees-no-mount", NULL, test_host_sees_no_mount },
	{ "destroy-of-attached-is-busy", NULL, test_destroy_of_attached_is_busy },
	{ "mapped-ids", NULL, test_mapped_ids },
	{ NULL, NULL, NULL },
};
