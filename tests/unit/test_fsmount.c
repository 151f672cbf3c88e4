/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/fsmount: what is mounted, how, and what is refused, with filesystems made to do harm. */
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
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/loopdev.h"
#include "core/fsmount.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/scratch.h"

#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define OPTS .userns_fd = -1

static const struct fsmount_opts writable = { OPTS }, read_only = { OPTS, .read_only = true };

/* Mounts dir/NAME; fails the test when it cannot. */
static int mount_image(const struct scratch *scratch, const char *name,
                       const struct fsmount_opts *opts)
{
	int loop_fd = scratch_loop(scratch, name, opts->read_only), mount_fd;
	struct stor_err err = STOR_ERR_INIT;

	mount_fd = fsmount_block(loop_fd, opts, NULL, &err);
	close(loop_fd);
	if (mount_fd < 0)
		fail_msg("%s", err.text);
	return mount_fd;
}

/* Wants dir/NAME refused with this status and these words. */
static void refuse_image(const struct scratch *scratch, const char *name,
                         const struct fsmount_opts *opts, enum stor_status status,
                         const char *words)
{
	int loop_fd = scratch_loop(scratch, name, opts->read_only);
	struct stor_err err = STOR_ERR_INIT;

	assert_int_equal(fsmount_block(loop_fd, opts, NULL, &err), -1);
	close(loop_fd);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" lacks \"%s\"", err.text, words);
	assert_int_equal(err.status, status);
	assert_string_not_equal(err.hint, "");
}

static void make_ext4(const struct scratch *scratch, const char *options)
{
	fake_host_sh("cd %s && truncate -s 64M img && mke2fs -q -t ext4 %s img", scratch->dir,
	             options);
}

static void ext4_is_mounted_without_devices(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, fd = -1;
	const char *line;

	make_ext4(scratch, "");
	mount_fd = mount_image(scratch, "img", &writable);
	/* The host's first disk, as an image could carry it. */
	assert_int_equal(mknodat(mount_fd, "disk", S_IFBLK | 0666, makedev(254, 0)), 0);
	assert_int_equal(openat(mount_fd, "disk", O_RDONLY), -1);
	assert_int_equal(errno, EACCES);
	fd = openat(mount_fd, "file", O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	close_fd(&fd);
	line = scratch_mountinfo(scratch, mount_fd);
	assert_non_null(strstr(line, "nodev"));
	assert_non_null(strstr(line, " ext4 /dev/loop"));
	assert_non_null(strstr(line, "errors=remount-ro"));
}

static void read_only_is_read_only(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1;
	struct statvfs st;

	make_ext4(scratch, "");
	mount_fd = mount_image(scratch, "img", &read_only);
	assert_int_equal(fstatvfs(mount_fd, &st), 0);
	assert_true(st.f_flag & ST_RDONLY);
	assert_int_equal(openat(mount_fd, "file", O_CREAT | O_WRONLY, 0644), -1);
	assert_int_equal(errno, EROFS);
}

/* A crash leaves a journal to replay, which a device that cannot be written to does not allow. */
static void unclean_ext4_is_readable_on_a_read_only_device(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, root_fd = -1;
	uint32_t how = 2;

	make_ext4(scratch, "");
	mount_fd = mount_image(scratch, "img", &writable);
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(mkdirat(mount_fd, "made", 0755), 0);
	assert_int_equal(ioctl(root_fd, FS_IOC_SHUTDOWN, &how), 0);
	close_fd(&root_fd);
	close_fd(&mount_fd);
	fake_host_sh("dumpe2fs -h %s/img 2>/dev/null | grep -q needs_recovery", scratch->dir);
	mount_fd = mount_image(scratch, "img", &read_only);
	assert_int_equal(faccessat(mount_fd, "lost+found", F_OK, 0), 0);
}

/*
 * The superblock says: panic. A directory's block is damaged, so that listing it is an error. That
 * is only tried when the mount's options are seen to be safe; the machine would die else.
 */
static void damage_makes_ext4_read_only_and_no_panic(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, fd = -1;
	const char *line;

	make_ext4(scratch, "-b 1024");
	fake_host_sh("cd %s && tune2fs -e panic img >/dev/null && debugfs -w -R 'mkdir /d' img "
	             "2>/dev/null && debugfs -R 'blocks /d' img 2>/dev/null >block && "
	             "dd if=/dev/urandom of=img bs=1024 count=1 conv=notrunc status=none "
	             "seek=$(awk '{print $1}' block)",
	             scratch->dir);
	mount_fd = mount_image(scratch, "img", &writable);
	line = scratch_mountinfo(scratch, mount_fd);
	if (!strstr(line, "errors=remount-ro") || strstr(line, "panic"))
		fail_msg("not safe to go on: %s", line);
	assert_int_equal(openat(mount_fd, "d/file", O_CREAT | O_WRONLY, 0644), -1);
	fd = openat(mount_fd, "file", O_CREAT | O_WRONLY, 0644);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, EROFS);
}

static void journals_elsewhere_are_refused(void **state)
{
	const struct scratch *scratch = *state;

	make_ext4(scratch, "");
	fake_host_sh("debugfs -w -R 'ssv journal_dev 0x0801' %s/img 2>/dev/null", scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "journal on another device");
	make_ext4(scratch, "");
	fake_host_sh("debugfs -w -R 'ssv journal_inum 0' %s/img 2>/dev/null", scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "journal on another device");
	fake_host_sh("cd %s && rm img && truncate -s 64M img && mke2fs -q -O journal_dev img",
	             scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "journal on another device");
}

static void mount_options_in_the_superblock_are_refused(void **state)
{
	const struct scratch *scratch = *state;

	make_ext4(scratch, "");
	fake_host_sh("tune2fs -E mount_opts=data=journal %s/img >/dev/null", scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "asks for mount options");
}

static void damaged_images_are_errors(void **state)
{
	const struct scratch *scratch = *state;

	make_ext4(scratch, "");
	fake_host_sh("truncate -s 63M %s/img", scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_FAILED,
	             "needs 64.0M, but the device has 63.0M");
	/* The superblock's checksum no longer fits. */
	make_ext4(scratch, "");
	fake_host_sh("printf x | dd of=%s/img bs=1 seek=$((1024+0x78)) conv=notrunc status=none",
	             scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_FAILED, "as ext4");
	fake_host_sh("dd if=/dev/zero of=%s/img bs=64K count=2 conv=notrunc status=none",
	             scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "holds no filesystem");
}

static void other_contents_are_named(void **state)
{
	const struct scratch *scratch = *state;

	fake_host_sh("cd %s && truncate -s 64M img && mkswap img >/dev/null 2>&1", scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "holds swap");
}

static void another_type_than_asked_for_is_refused(void **state)
{
	const struct fsmount_opts opts = { OPTS, .fs_type = "xfs" };
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	cleanup_close int loop_fd = -1;

	make_ext4(scratch, "");
	loop_fd = scratch_loop(scratch, "img", false);
	assert_int_equal(fsmount_block(loop_fd, &opts, NULL, &err), -1);
	assert_non_null(strstr(err.text, "holds ext4, not xfs"));
	assert_int_equal(err.status, STOR_USAGE);
}

static void older_ext_is_told_apart(void **state)
{
	static const char *const types[] = { "ext2", "ext3", "ext4" };
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < 3; i++) {
		cleanup_close int loop_fd = -1, mount_fd = -1;
		struct stor_err err = STOR_ERR_INIT;
		const char *fs_type = NULL;

		fake_host_sh("cd %s && rm -f img && truncate -s 16M img && mke2fs -q -t %s img",
		             scratch->dir, types[i]);
		loop_fd = scratch_loop(scratch, "img", false);
		mount_fd = fsmount_block(loop_fd, &writable, &fs_type, &err);
		if (mount_fd < 0)
			fail_msg("%s", err.text);
		assert_string_equal(fs_type, types[i]);
	}
}

static void clones_of_xfs_work_side_by_side(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int first_fd = -1, second_fd = -1;

	fake_host_sh("cd %s && truncate -s 300M img && mkfs.xfs -q img && cp --sparse=always img "
	             "img2",
	             scratch->dir);
	first_fd = mount_image(scratch, "img", &writable);
	second_fd = mount_image(scratch, "img2", &writable);
	assert_int_equal(mkdirat(first_fd, "d", 0755), 0);
	assert_int_equal(faccessat(second_fd, "d", F_OK, 0), -1);
}

static void clones_of_btrfs_are_refused_while_one_is_mounted(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int first_fd = -1, second_fd = -1;

	fake_host_sh("cd %s && truncate -s 128M img && mkfs.btrfs -q img >/dev/null && cp "
	             "--sparse=always img "
	             "img2",
	             scratch->dir);
	first_fd = mount_image(scratch, "img", &writable);
	assert_int_equal(mkdirat(first_fd, "d", 0755), 0);
	refuse_image(scratch, "img2", &writable, STOR_BUSY, "same UUID");
	close_fd(&first_fd);
	second_fd = mount_image(scratch, "img2", &writable);
	assert_int_equal(faccessat(second_fd, "d", F_OK, 0), -1);
}

static void btrfs_of_several_devices_is_refused(void **state)
{
	const struct scratch *scratch = *state;

	fake_host_sh("cd %s && truncate -s 128M img img2 && mkfs.btrfs -q img img2 >/dev/null",
	             scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "several devices");
}

static void what_cannot_be_written_is_mounted_read_only(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1;

	fake_host_sh("cd %s && mkdir tree && echo x >tree/file && mksquashfs tree img -quiet "
	             "-no-progress >/dev/null",
	             scratch->dir);
	refuse_image(scratch, "img", &writable, STOR_UNSUPPORTED, "cannot be written");
	mount_fd = mount_image(scratch, "img", &read_only);
	assert_int_equal(faccessat(mount_fd, "file", F_OK, 0), 0);
}

static void ids_are_mapped(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int userns_fd = scratch_userns(), mount_fd = -1;
	struct fsmount_opts opts = { .userns_fd = userns_fd };
	struct stat st;

	make_ext4(scratch, "");
	mount_fd = mount_image(scratch, "img", &opts);
	assert_int_equal(fstatat(mount_fd, "lost+found", &st, 0), 0);
	assert_int_equal(st.st_uid, 100000);
}

static void labels_need_selinux(void **state)
{
	const struct fsmount_opts opts = { OPTS, .label = "system_u:object_r:container_file_t:s0" };
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	cleanup_close int loop_fd = -1;

	if (!access("/sys/fs/selinux", F_OK))
		skip();
	make_ext4(scratch, "");
	loop_fd = scratch_loop(scratch, "img", false);
	assert_int_equal(fsmount_block(loop_fd, &opts, NULL, &err), -1);
	assert_non_null(strstr(err.text, "option context"));
	assert_int_equal(err.status, STOR_UNSUPPORTED);
}

/* Makes the file and its mounted loop device larger, as the loop backend does. */
static void enlarge(const struct scratch *scratch, int root_fd, uint64_t size_bytes)
{
	cleanup_close int fd = openat(scratch->fd, "img", O_RDWR | O_CLOEXEC), loop_fd = -1;
	struct stor_err err = STOR_ERR_INIT;

	loop_fd = loopdev_open_mounted(root_fd, fd, "img", &err);
	if (loop_fd < 0)
		fail_msg("%s", err.text);
	assert_int_equal(ftruncate(fd, (off_t)size_bytes), 0);
	assert_int_equal(loopdev_update_size(loop_fd, "img", &err), 0);
}

static void filesystems_grow(void **state)
{
	static const char *const makers[] = { "mkfs.xfs -q", "mkfs.btrfs -q >/dev/null" };
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < 2; i++) {
		cleanup_close int mount_fd = -1, root_fd = -1;
		struct stor_err err = STOR_ERR_INIT;
		struct statvfs before, after;

		fake_host_sh("cd %s && rm -f img && truncate -s 320M img && %s img", scratch->dir,
		             makers[i]);
		mount_fd = mount_image(scratch, "img", &writable);
		root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY);
		assert_int_equal(fstatvfs(root_fd, &before), 0);
		enlarge(scratch, root_fd, 640 << 20);
		if (fsmount_grow(root_fd, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(fstatvfs(root_fd, &after), 0);
		assert_true(after.f_blocks > before.f_blocks * 3 / 2);
		/* Nothing more to do is no failure. */
		assert_int_equal(fsmount_grow(root_fd, &err), 0);
	}
}

/* With the capability that it needs, ext4 grows; without, that is what the error says. */
static void ext4_grows_or_says_what_it_lacks(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, root_fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct statvfs before, after;
	int result;

	make_ext4(scratch, "");
	mount_fd = mount_image(scratch, "img", &writable);
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstatvfs(root_fd, &before), 0);
	enlarge(scratch, root_fd, 128 << 20);
	result = fsmount_grow(root_fd, &err);
	assert_int_equal(fstatvfs(root_fd, &after), 0);
	if (!result) {
		assert_true(after.f_blocks > before.f_blocks * 3 / 2);
	} else {
		assert_int_equal(err.status, STOR_UNSUPPORTED);
		assert_non_null(strstr(err.text, "CAP_SYS_RESOURCE"));
		assert_int_equal(after.f_blocks, before.f_blocks);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ext4_is_mounted_without_devices),
		TEST(read_only_is_read_only),
		TEST(unclean_ext4_is_readable_on_a_read_only_device),
		TEST(damage_makes_ext4_read_only_and_no_panic),
		TEST(journals_elsewhere_are_refused),
		TEST(mount_options_in_the_superblock_are_refused),
		TEST(damaged_images_are_errors),
		TEST(other_contents_are_named),
		TEST(another_type_than_asked_for_is_refused),
		TEST(older_ext_is_told_apart),
		TEST(clones_of_xfs_work_side_by_side),
		TEST(clones_of_btrfs_are_refused_while_one_is_mounted),
		TEST(btrfs_of_several_devices_is_refused),
		TEST(what_cannot_be_written_is_mounted_read_only),
		TEST(ids_are_mapped),
		TEST(labels_need_selinux),
		TEST(filesystems_grow),
		TEST(ext4_grows_or_says_what_it_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
