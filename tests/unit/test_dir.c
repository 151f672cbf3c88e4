/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dir backend, called as stor calls it: trees copied whole, mounts, locks, mapped ids. */
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
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <stor/util.h>

#include "tests/unit/fake_host.h"
#include "tests/unit/scratch.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

/* One volume, NAME in the scratch folder. */
struct fixture {
	struct stor_volume volume;
	char path[64];
};

static const struct stor_backend *backend;
static const struct stor_destroy_req gone = { .struct_size = sizeof(gone) };

static int probe(const char *path, int fd)
{
	const struct stor_probe_req req = { .struct_size = sizeof(req), .path = path, .fd = fd };

	return backend->probe(&req);
}

static void make_fixture(struct fixture *fixture, const struct scratch *scratch, const char *name,
                         uint32_t flags)
{
	snprintf(fixture->path, sizeof(fixture->path), "%s/%s", scratch->dir, name);
	if (mkdir(fixture->path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	fixture->volume = (struct stor_volume){ .struct_size = sizeof(fixture->volume),
		                                .path = fixture->path,
		                                .flags = flags };
}

static int create(const struct fixture *fixture, const char *source, struct stor_err *err)
{
	cleanup_close int source_fd = source ? open(source, O_RDONLY | O_DIRECTORY) : -1;
	struct stor_create_req req = { .struct_size = sizeof(req),
		                       .source_fd = source_fd,
		                       .source_path = source };

	return backend->create(&fixture->volume, &req, err);
}

/* Attaches; fails the test when it cannot. Returns the mount, and the lock in *lock_fd. */
static int attach(const struct fixture *fixture, uint32_t flags, int userns_fd, int *lock_fd)
{
	struct stor_attach_req req = { .struct_size = sizeof(req),
		                       .flags = flags,
		                       .userns_fd = userns_fd };
	struct stor_attachment attachment = { .struct_size = sizeof(attachment) };
	struct stor_err err = STOR_ERR_INIT;

	if (backend->attach(&fixture->volume, &req, &attachment, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(attachment.kind, STOR_ATTACHED_MOUNT);
	*lock_fd = attachment.lock_fd;
	return attachment.fd;
}

static int try_attach(const struct fixture *fixture, uint32_t flags, uint32_t wait_ms)
{
	struct stor_attach_req req = {
		.struct_size = sizeof(req), .flags = flags, .busy_wait_ms = wait_ms, .userns_fd = -1
	};
	struct stor_attachment attachment = { .struct_size = sizeof(attachment) };
	struct stor_err err = STOR_ERR_INIT;

	if (backend->attach(&fixture->volume, &req, &attachment, &err) < 0)
		return (int)err.status;
	close(attachment.fd);
	close(attachment.lock_fd);
	return 0;
}

/* A tree with one of everything. */
static void make_tree(const struct scratch *scratch)
{
	fake_host_sh("set -e; umask 022; cd %s; mkdir -p t/etc t/sticky t/'a name' t/acl; cd t; "
	             "echo text >etc/file; ln etc/file etc/link; ln etc/file hard; ln -s ../etc "
	             "sym; ln -s $(printf '%%0300d' 0) long; ln sym hardsym; mkfifo fifo; "
	             "mknod null c 1 3; mknod disk b 254 0; ln null hardnull; "
	             "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'; "
	             "truncate -s 40M sparse; echo data | dd of=sparse bs=4096 seek=1000 "
	             "conv=notrunc status=none; echo end >>sparse; "
	             "chmod 1777 sticky; echo x >suid; chown 1000:1001 suid; chmod 6755 suid; "
	             "chown -h 5:6 sym; chown 7:8 fifo; echo c >cap; chown 9 cap; "
	             "setcap cap_net_raw+ep cap; chmod 000 etc/file; "
	             "setfattr -n user.one -v 1 cap; setfattr -h -n trusted.t -v l sym; "
	             "setfattr -n trusted.t -v n null; setfacl -m u:1000:rwx,m::rx acl; "
	             "setfacl -d -m u:1001:r-x acl; echo i >acl/child; "
	             "setfattr -n user.root -v r .; "
	             "touch -h -d '2001-02-03 04:05:06.123456789' sym etc/file null; "
	             "touch -d '1960-01-01' sparse; touch -d '2100-01-01 00:00:00.5' etc; "
	             "chmod 0751 .; touch -d '2011-11-11 11:11:11.111111111' .",
	             scratch->dir);
}

/* Compares by other programs than the ones under test; in order, for a tmpfs has one of its own. */
static void assert_same_tree(const struct scratch *scratch, const char *a, const char *b)
{
	fake_host_sh("cd %s; list() { (cd \"$1\" && find . -printf "
	             "'%%P|%%y|%%m|%%U:%%G|%%n|%%T@|%%l|%%D\\n' | sed 's/|[0-9]*$//' | sort && "
	             "find . -type f -printf '%%P %%s\\n' | sort && find . \\( -type b -o -type c "
	             "\\) -exec stat -c '%%n %%t:%%T' {} + | sort && find . -print0 | sort -z | "
	             "xargs -0 getfattr -h -d -m - && find . ! -type l -print0 | sort -z | "
	             "xargs -0 getfacl -p && find . -type f -exec sha256sum {} + | sort && "
	             "find . -links +1 ! -type d -printf '%%i %%P\\n' | sort -k2 | "
	             "awk '{ if (!($1 in n)) n[$1] = NR; print n[$1], $2 }'); }; "
	             "list %s >list1; list %s >list2; test -s list1 && diff list1 list2 >&2",
	             scratch->dir, a, b);
}

static void a_source_is_copied_with_every_attribute(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	char source[64];
	struct stat st;

	make_tree(scratch);
	make_fixture(&fixture, scratch, "v", 0);
	/* What the store's folder has must not be inherited. */
	fake_host_sh("setfacl -d -m u:77:rwx %s", fixture.path);
	snprintf(source, sizeof(source), "%s/t", scratch->dir);
	if (create(&fixture, source, &err) < 0)
		fail_msg("%s", err.text);
	assert_same_tree(scratch, "t", "v/rootfs");
	assert_int_equal(fstatat(scratch->fd, "v/rootfs/sparse", &st, 0), 0);
	assert_true(st.st_blocks * 512 < 64 << 10);
}

static void a_clone_equals_its_source(void **state)
{
	const struct scratch *scratch = *state;
	struct fixture source, target;
	struct stor_err err = STOR_ERR_INIT;
	struct stor_clone_req req = { .struct_size = sizeof(req), .mode = STOR_CLONE_COPY };

	make_tree(scratch);
	make_fixture(&source, scratch, "t", STOR_VOLUME_FOREIGN);
	make_fixture(&target, scratch, "v", 0);
	req.source = &source.volume;
	if (backend->clone(&target.volume, &req, &err) < 0)
		fail_msg("%s", err.text);
	assert_same_tree(scratch, "t", "v/rootfs");
	assert_int_equal(backend->destroy(&target.volume, &gone, &err), 0);
	assert_int_equal(faccessat(scratch->fd, "v/rootfs", F_OK, 0), -1);
	assert_int_equal(backend->destroy(&target.volume, &gone, &err), 0);
}

/* xfs can share blocks; the filesystem of /tmp here cannot, or it can as well. */
static void reflink_clones_share_blocks_or_are_refused(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_clone_req req = { .struct_size = sizeof(req), .mode = STOR_CLONE_REFLINK };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture source, target;
	struct statvfs before, after;

	fake_host_sh("cd %s && truncate -s 400M img && mkfs.xfs -q img && mount -o loop img mnt && "
	             "mkdir mnt/v mnt/w mnt/v/rootfs && head -c 50M /dev/urandom >mnt/v/rootfs/f "
	             "&& sync -f mnt",
	             scratch->dir);
	make_fixture(&source, scratch, "mnt/v", 0);
	make_fixture(&target, scratch, "mnt/w", 0);
	req.source = &source.volume;
	assert_int_equal(statvfs(source.path, &before), 0);
	if (backend->clone(&target.volume, &req, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(statvfs(source.path, &after), 0);
	assert_true((before.f_bfree - after.f_bfree) * before.f_frsize < 10 << 20);
	assert_same_tree(scratch, "mnt/v/rootfs", "mnt/w/rootfs");
	/* Into another filesystem nothing can be shared. */
	make_fixture(&target, scratch, "x", 0);
	assert_int_equal(backend->clone(&target.volume, &req, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	scratch_unmount(scratch);
}

static void sizes_and_filesystems_are_refused(void **state)
{
	struct stor_create_req req = { .struct_size = sizeof(req),
		                       .source_fd = -1,
		                       .size_bytes = 1 << 30 };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	make_fixture(&fixture, *state, "v", 0);
	assert_int_equal(backend->create(&fixture.volume, &req, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_non_null(strstr(err.hint, "--backend loop"));
	err_clear(&err);
	req.size_bytes = 0;
	req.fs_type = "ext4";
	assert_int_equal(backend->create(&fixture.volume, &req, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
}

static void the_mount_is_detached_and_has_no_devices(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, lock_fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	struct statvfs st;

	make_fixture(&fixture, scratch, "v", 0);
	assert_int_equal(create(&fixture, NULL, &err), 0);
	mount_fd = attach(&fixture, 0, -1, &lock_fd);
	assert_int_equal(mknodat(mount_fd, "null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(openat(mount_fd, "null", O_RDWR), -1);
	assert_int_equal(errno, EACCES);
	close_fd(&mount_fd);
	close_fd(&lock_fd);
	mount_fd = attach(&fixture, STOR_ATTACH_READ_ONLY, -1, &lock_fd);
	assert_int_equal(fstatvfs(mount_fd, &st), 0);
	assert_true(st.f_flag & ST_RDONLY);
	assert_int_equal(openat(mount_fd, "file", O_CREAT | O_WRONLY, 0644), -1);
	assert_int_equal(errno, EROFS);
}

/* What is mounted below a directory that the user named stays outside. */
static void other_mounts_are_left_out(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, lock_fd = -1;
	struct fixture fixture;

	make_fixture(&fixture, scratch, ".", STOR_VOLUME_FOREIGN);
	fake_host_sh("mount -t tmpfs none %s/mnt && touch %s/mnt/inside", scratch->dir,
	             scratch->dir);
	mount_fd = attach(&fixture, 0, -1, &lock_fd);
	assert_int_equal(faccessat(mount_fd, "mnt", F_OK, 0), 0);
	assert_int_equal(faccessat(mount_fd, "mnt/inside", F_OK, 0), -1);
	scratch_unmount(scratch);
}

static void one_writer_at_a_time(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, lock_fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct stor_info info = { .struct_size = sizeof(info) };
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0);
	assert_int_equal(create(&fixture, NULL, &err), 0);
	mount_fd = attach(&fixture, 0, -1, &lock_fd);
	assert_int_equal(try_attach(&fixture, 0, 20), STOR_BUSY);
	assert_int_equal(try_attach(&fixture, STOR_ATTACH_READ_ONLY, 0), STOR_BUSY);
	assert_int_equal(backend->info(&fixture.volume, &info, &err), 0);
	assert_true(info.in_use);
	assert_int_equal(backend->destroy(&fixture.volume, &gone, &err), -1);
	assert_int_equal(err.status, STOR_BUSY);
	close_fd(&mount_fd);
	close_fd(&lock_fd);
	assert_int_equal(backend->info(&fixture.volume, &info, &err), 0);
	assert_false(info.in_use);
	/* Readers share. */
	mount_fd = attach(&fixture, STOR_ATTACH_READ_ONLY, -1, &lock_fd);
	assert_int_equal(try_attach(&fixture, STOR_ATTACH_READ_ONLY, 0), 0);
	assert_int_equal(try_attach(&fixture, 0, 0), STOR_BUSY);
}

static void a_directory_of_the_users_can_be_shared(void **state)
{
	cleanup_close int mount_fd = -1, lock_fd = -1;
	struct fixture fixture;

	make_fixture(&fixture, *state, "d", STOR_VOLUME_FOREIGN);
	mount_fd = attach(&fixture, 0, -1, &lock_fd);
	assert_int_equal(try_attach(&fixture, 0, 0), 0);
}

static void ids_are_mapped(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int userns_fd = scratch_userns(), mount_fd = -1, lock_fd = -1, fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	char source[64];
	struct stat st;

	make_tree(scratch);
	make_fixture(&fixture, scratch, "v", 0);
	snprintf(source, sizeof(source), "%s/t", scratch->dir);
	assert_int_equal(create(&fixture, source, &err), 0);
	mount_fd = attach(&fixture, 0, userns_fd, &lock_fd);
	scratch_mountinfo(scratch, mount_fd);
	assert_int_equal(fstatat(scratch->fd, "mnt/suid", &st, 0), 0);
	assert_int_equal(st.st_uid, 101000);
	assert_int_equal(st.st_gid, 101001);
	/* The container's root makes a file; on the host it is root's, in the container's view its
	 * own. This process is not mapped, so it takes on the ids that are. */
	assert_int_equal(setegid(100000), 0);
	assert_int_equal(seteuid(100000), 0);
	fd = openat(mount_fd, "sticky/made", O_CREAT | O_EXCL | O_WRONLY, 0644);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
	assert_true(fd >= 0);
	assert_int_equal(fstatat(scratch->fd, "v/rootfs/sticky/made", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, 0);
}

static void space_is_counted_once_for_hard_links(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_info info = { .struct_size = sizeof(info) };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	fake_host_sh("mkdir -p %s/v/rootfs && cd %s/v/rootfs && head -c 8M /dev/urandom >a && ln "
	             "a b && sync a",
	             scratch->dir, scratch->dir);
	make_fixture(&fixture, scratch, "v", 0);
	assert_int_equal(backend->info(&fixture.volume, &info, &err), 0);
	assert_true(info.size_bytes == STOR_UNKNOWN);
	assert_in_range(info.allocated_bytes, 8 << 20, 9 << 20);
	assert_string_equal(info.format, "directory");
}

static void only_what_looks_like_a_root_is_claimed(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int root_fd = -1, file_fd = -1;

	fake_host_sh("cd %s && mkdir -p r/bin r/etc r/usr && touch file", scratch->dir);
	root_fd = openat(scratch->fd, "r", O_RDONLY);
	file_fd = openat(scratch->fd, "file", O_RDONLY);
	assert_in_range(probe("r", root_fd), 1, 100);
	assert_int_equal(probe(".", scratch->fd), 0);
	assert_int_equal(probe("file", file_fd), 0);
}

/* An interrupted copy stops, and says so. */
static void a_copy_can_be_interrupted(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	char source[64];

	make_tree(scratch);
	make_fixture(&fixture, scratch, "v", 0);
	snprintf(source, sizeof(source), "%s/t", scratch->dir);
	fake_host_interrupt_at(1);
	assert_int_equal(create(&fixture, source, &err), -1);
	fake_host_interrupt_at(0);
	assert_int_equal(err.errnum, EINTR);
}

static void a_full_disk_is_named(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	char source[64];

	fake_host_sh("cd %s && mkdir t && head -c 4M /dev/urandom >t/big && mount -t tmpfs -o "
	             "size=1M none mnt",
	             scratch->dir);
	make_fixture(&fixture, scratch, "mnt", 0);
	snprintf(source, sizeof(source), "%s/t", scratch->dir);
	assert_int_equal(create(&fixture, source, &err), -1);
	assert_int_equal(err.errnum, ENOSPC);
	assert_non_null(strstr(err.text, "big"));
	assert_non_null(strstr(err.hint, "space"));
	scratch_unmount(scratch);
}

static void a_lost_folder_is_named(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_info info = { .struct_size = sizeof(info) };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0);
	assert_int_equal(unlinkat(scratch->fd, "v", AT_REMOVEDIR), 0);
	assert_int_equal(backend->info(&fixture.volume, &info, &err), -1);
	assert_int_equal(err.status, STOR_NOT_FOUND);
	assert_int_equal(err.errnum, ENOENT);
	assert_int_equal(try_attach(&fixture, 0, 0), STOR_NOT_FOUND);
}

extern const struct stor_backend *stor_backend_init(void);

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_source_is_copied_with_every_attribute),
		TEST(a_clone_equals_its_source),
		TEST(reflink_clones_share_blocks_or_are_refused),
		TEST(sizes_and_filesystems_are_refused),
		TEST(the_mount_is_detached_and_has_no_devices),
		TEST(other_mounts_are_left_out),
		TEST(one_writer_at_a_time),
		TEST(a_directory_of_the_users_can_be_shared),
		TEST(ids_are_mapped),
		TEST(space_is_counted_once_for_hard_links),
		TEST(only_what_looks_like_a_root_is_claimed),
		TEST(a_copy_can_be_interrupted),
		TEST(a_full_disk_is_named),
		TEST(a_lost_folder_is_named),
	};
	struct stor_err err = STOR_ERR_INIT;

	backend = stor_backend_init();
	if (backend->load(fake_host_load(), &err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
