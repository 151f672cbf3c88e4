/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/freeze: a filesystem is never left frozen, whoever dies and however long it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/freeze.h"
#include "core/fsmount.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/scratch.h"

/* An ext4 at dir/mnt; returns its root directory. */
static int mount_ext4(const struct scratch *scratch)
{
	const struct fsmount_opts opts = { .userns_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	int loop_fd, root_fd;
	cleanup_close int mount_fd = -1;

	fake_host_sh("truncate -s 16M %s/fs && mke2fs -q -t ext4 %s/fs", scratch->dir,
	             scratch->dir);
	loop_fd = scratch_loop(scratch, "fs", false);
	mount_fd = fsmount_block(loop_fd, &opts, NULL, &err);
	close(loop_fd);
	if (mount_fd < 0)
		fail_msg("%s", err.text);
	scratch_mountinfo(scratch, mount_fd);
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(root_fd >= 0);
	return root_fd;
}

/* Frozen: another freeze is refused; otherwise it works, and is taken back. */
static bool is_frozen(int root_fd)
{
	if (ioctl(root_fd, FIFREEZE, 0) < 0) {
		assert_int_equal(errno, EBUSY);
		return true;
	}
	assert_int_equal(ioctl(root_fd, FITHAW, 0), 0);
	return false;
}

static void must_thaw(int root_fd, int tenths)
{
	for (int i = 0; i < tenths; i++) {
		if (!is_frozen(root_fd))
			return;
		usleep(100000);
	}
	ioctl(root_fd, FITHAW, 0);
	fail_msg("still frozen");
}

static void must_begin(int root_fd, struct freeze *freeze)
{
	struct stor_err err = STOR_ERR_INIT;

	if (freeze_begin(root_fd, freeze, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(is_frozen(root_fd));
}

static void it_is_frozen_and_thawed(void **state)
{
	cleanup_close int root_fd = mount_ext4(*state);
	struct freeze freeze = FREEZE_INIT, second = FREEZE_INIT;
	struct stor_err err = STOR_ERR_INIT;

	/* Many times: no answer of a guard gets lost. */
	for (int i = 0; i < 200; i++) {
		must_begin(root_fd, &freeze);
		assert_true(freeze_end(&freeze));
		assert_false(is_frozen(root_fd));
	}
	must_begin(root_fd, &freeze);
	assert_int_equal(freeze_begin(root_fd, &second, &err), -1);
	assert_int_equal(err.status, STOR_BUSY);
	/* It stays the first one's. */
	assert_true(is_frozen(root_fd));
	assert_true(freeze_end(&freeze));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	close_fd(&root_fd);
	scratch_unmount(*state);
}

/* The guard whose maker died has it open until it has ended, for a moment after the thaw. */
static void must_unmount_soon(const struct scratch *scratch)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/mnt", scratch->dir);
	for (int i = 0; i < 200 && umount2(path, 0) < 0; i++) {
		assert_int_equal(errno, EBUSY);
		usleep(10000);
	}
	assert_int_equal(umount2(path, 0), -1);
	assert_int_equal(errno, EINVAL);
}

static void its_maker_dies(void **state)
{
	cleanup_close int root_fd = mount_ext4(*state);
	pid_t pid = fork();

	if (!pid) {
		struct freeze freeze = FREEZE_INIT;

		must_begin(root_fd, &freeze);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	must_thaw(root_fd, 20);
	close_fd(&root_fd);
	must_unmount_soon(*state);
}

static void its_guard_dies(void **state)
{
	cleanup_close int root_fd = mount_ext4(*state);
	struct freeze freeze = FREEZE_INIT;

	must_begin(root_fd, &freeze);
	kill(freeze.guard, SIGKILL);
	assert_true(is_frozen(root_fd));
	assert_true(freeze_end(&freeze));
	assert_false(is_frozen(root_fd));
	close_fd(&root_fd);
	scratch_unmount(*state);
}

static void its_maker_takes_too_long(void **state)
{
	cleanup_close int root_fd = mount_ext4(*state);
	struct freeze freeze = FREEZE_INIT;

	must_begin(root_fd, &freeze);
	must_thaw(root_fd, 120);
	assert_false(freeze_end(&freeze));
	assert_false(is_frozen(root_fd));
	close_fd(&root_fd);
	scratch_unmount(*state);
}

static void what_cannot_be_frozen(void **state)
{
	cleanup_close int root_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct freeze freeze = FREEZE_INIT;
	struct stor_err err = STOR_ERR_INIT;

	(void)state;
	assert_int_equal(freeze_begin(root_fd, &freeze, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_frozen_and_thawed),  TEST(its_maker_dies),        TEST(its_guard_dies),
		TEST(its_maker_takes_too_long), TEST(what_cannot_be_frozen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
