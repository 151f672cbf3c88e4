/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kill -9 of whoever has a volume: the kernel frees everything, and the volume is usable. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

/* How far the one that is to be killed goes. */
enum stage { STAGE_ATTACHED, STAGE_WRITING, STAGE_INSIDE };

struct victim {
	struct vol *vol;
	enum stage stage;
	int ready_fd;
};

static void become_ready(struct suite *s, const struct victim *victim)
{
	require(s, write(victim->ready_fd, "r", 1) == 1, "write: %s", strerror(errno));
	for (;;)
		pause();
}

static void write_for_ever(struct suite *s, const struct victim *victim, int root_fd)
{
	cleanup_close int fd = openat(root_fd, "busy", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cleanup_free char *chunk = xcalloc(1, 1 << 20);

	require(s, fd >= 0, "create: %s", strerror(errno));
	for (uint64_t i = 0;; i++) {
		require(s, !pwrite_all(fd, chunk, 1 << 20, i % 16 << 20), "write: %s",
		        strerror(errno));
		if (i == 2)
			require(s, write(victim->ready_fd, "r", 1) == 1, "write: %s",
			        strerror(errno));
	}
}

/* As a container's process: the mount is in its own namespace and holds its working directory; no
 * descriptor of the attachment is left but the locks that core keeps. */
static void move_inside(struct suite *s, struct mounted *m)
{
	cleanup_free char *point = xasprintf("%s/point", s->dir);

	require(s, !mkdir(point, 0700) || errno == EEXIST, "make directory: %s", strerror(errno));
	require(s, !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL),
	        "own mount namespace: %s", strerror(errno));
	require(s,
	        !syscall(SYS_move_mount, m->mount_fd, "", AT_FDCWD, point, MOVE_MOUNT_F_EMPTY_PATH),
	        "the attached mount cannot be moved into a namespace: %s", strerror(errno));
	require(s, !chdir(point), "enter the volume: %s", strerror(errno));
	close_fd(&m->root_fd);
	if (m->mount_fd != m->at.fd)
		close_fd(&m->mount_fd);
	close_fd(&m->at.fd);
}

static void be_victim(struct suite *s, void *arg)
{
	const struct victim *victim = arg;
	struct mounted m;

	vol_use(s, victim->vol, NULL, &m);
	put_file(s, m.root_fd, "before", "kept");
	require(s, !syncfs(m.root_fd), "syncfs: %s", strerror(errno));
	switch (victim->stage) {
	case STAGE_ATTACHED:
		break;
	case STAGE_WRITING:
		write_for_ever(s, victim, m.root_fd);
		break;
	case STAGE_INSIDE:
		move_inside(s, &m);
		break;
	}
	become_ready(s, victim);
}

static void kill_at(struct suite *s, enum stage stage)
{
	struct victim victim = { .stage = stage };
	struct mounted m;
	struct vol vol;
	int ends[2];
	pid_t pid;
	char byte;

	vol_create(s, "v", NULL, &vol);
	require(s, !pipe2(ends, O_CLOEXEC), "pipe: %s", strerror(errno));
	victim.vol = &vol;
	victim.ready_fd = ends[1];
	pid = run_apart(s, be_victim, &victim);
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		_exit(1); /* it has said why */
	require(s, vol_info(s, &vol).in_use, "info: in_use is false while another process has it");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	vol_wait_in_use(s, &vol, false, "10 s after its user was killed");
	vol_use(s, &vol, NULL, &m);
	expect_file(s, m.root_fd, "before", "kept");
	put_file(s, m.root_fd, "after", "kept");
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

static void test_kill_attached(struct suite *s)
{
	kill_at(s, STAGE_ATTACHED);
}

static void test_kill_while_writing(struct suite *s)
{
	kill_at(s, STAGE_WRITING);
}

static void test_kill_inside(struct suite *s)
{
	kill_at(s, STAGE_INSIDE);
}

/* --- killed in the middle of a call ---------------------------------------------------------- */

static void create_again_and_again(struct suite *s, void *arg)
{
	cleanup_free char *source = xasprintf("%s/source", s->dir);
	struct vol vol;

	(void)arg;
	vol_create(s, "v", source, &vol);
	for (;;)
		pause();
}

/* Whatever a killed create left, destroy (or core, with the directory) can remove. */
static void test_kill_during_create(struct suite *s)
{
	static const unsigned delays_ms[] = { 0, 1, 3, 8, 20, 50, 120 };

	source_make(s);
	for (size_t i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		pid_t pid = run_apart(s, create_again_and_again, NULL);
		struct stor_err err = STOR_ERR_INIT;
		struct vol vol;

		/* The first at once: on a busy machine a sleep of no time is long enough for all.
		 */
		if (delays_ms[i])
			sleep_ms(delays_ms[i]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		vol_prepare(s, "other", NULL, &vol);
		require(s, !rmdir(vol.path), "remove: %s", strerror(errno));
		free(vol.path);
		vol.path = xasprintf("%s/v", s->dir);
		vol.ref.path = vol.path;
		if (backend_destroy(s->backend, &vol.ref, &err) < 0)
			fail(s, "destroy after create was killed at %u ms: %s", delays_ms[i],
			     err.text);
		require(s, !rmdir(vol.path) || errno == ENOENT,
		        "destroy after create was killed left something: %s", strerror(errno));
	}
}

static void attach_again_and_again(struct suite *s, void *arg)
{
	struct mounted m;

	for (;;) {
		vol_use(s, arg, NULL, &m);
		vol_release(s, arg, &m);
	}
}

static void test_kill_during_attach(struct suite *s)
{
	struct mounted m;
	struct vol vol;

	vol_create(s, "v", NULL, &vol);
	for (unsigned i = 0; i < 24; i++) {
		pid_t pid = run_apart(s, attach_again_and_again, &vol);
		const struct timespec moment = { .tv_nsec = 700000L * i };

		nanosleep(&moment, NULL);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		vol_wait_in_use(s, &vol, false, "10 s after attach was killed");
	}
	vol_use(s, &vol, NULL, &m);
	put_file(s, m.root_fd, "after", "all");
	vol_release(s, &vol, &m);
	vol_destroy(s, &vol);
}

const struct test tests_kill[] = {
	{ "kill-attached", NULL, test_kill_attached },
	{ "kill-while-writing", NULL, test_kill_while_writing },
	{ "kill-inside", NULL, test_kill_inside },
	{ "kill-during-create", NULL, test_kill_during_create },
	{ "kill-during-attach", NULL, test_kill_during_attach },
	{ NULL, NULL, NULL },
};
