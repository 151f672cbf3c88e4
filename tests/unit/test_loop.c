/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop backend where the conformance suite does not look: parameters, devices, foreign images,
 * resizing, checking, failures and what they leave. */
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
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/fsmount.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/scratch.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
#define MIB (UINT64_C(1) << 20)
#define PARALLEL 100

static const struct stor_backend *backend;

static int probe(const char *path, int fd)
{
	const struct stor_probe_req req = { .struct_size = sizeof(req), .path = path, .fd = fd };

	return backend->probe(&req);
}

struct fixture {
	struct stor_volume volume;
	char path[64];
};

/* The volume NAME in the scratch folder: its folder is made; a foreign one is a file of that name.
 */
static void make_fixture(struct fixture *fixture, const struct scratch *scratch, const char *name,
                         uint32_t flags, const char *const *params)
{
	snprintf(fixture->path, sizeof(fixture->path), "%s/%s", scratch->dir, name);
	if (!(flags & STOR_VOLUME_FOREIGN) && mkdir(fixture->path, 0700) < 0)
		assert_int_equal(errno, EEXIST);
	fixture->volume = (struct stor_volume){ .struct_size = sizeof(fixture->volume),
		                                .path = fixture->path,
		                                .flags = flags,
		                                .values = fake_host_values(backend, params) };
}

static int create(const struct fixture *fixture, uint64_t size_bytes, uint32_t flags,
                  struct stor_err *err)
{
	struct stor_create_req req = { .struct_size = sizeof(req),
		                       .flags = flags,
		                       .size_bytes = size_bytes,
		                       .source_fd = -1 };

	return backend->create(&fixture->volume, &req, err);
}

static void must_create(const struct fixture *fixture, uint64_t size_bytes)
{
	struct stor_err err = STOR_ERR_INIT;

	if (create(fixture, size_bytes, 0, &err) < 0)
		fail_msg("%s", err.text);
}

static int attach(const struct fixture *fixture, uint32_t flags, uint32_t wait_ms,
                  struct stor_attachment *attachment, struct stor_err *err)
{
	struct stor_attach_req req = {
		.struct_size = sizeof(req), .flags = flags, .busy_wait_ms = wait_ms, .userns_fd = -1
	};

	*attachment = (struct stor_attachment){ .struct_size = sizeof(*attachment), .fd = -1 };
	return backend->attach(&fixture->volume, &req, attachment, err);
}

/* Attached and mounted; fails the test when it cannot be. */
static int must_mount(const struct fixture *fixture, uint32_t flags)
{
	struct fsmount_opts opts = { .read_only = flags & STOR_ATTACH_READ_ONLY, .userns_fd = -1 };
	struct stor_attachment attachment;
	struct stor_err err = STOR_ERR_INIT;
	int mount_fd = -1;

	if (!attach(fixture, flags, 5000, &attachment, &err))
		mount_fd = fsmount_block(attachment.fd, &opts, NULL, &err);
	close_fd(&attachment.fd);
	if (mount_fd < 0)
		fail_msg("%s", err.text);
	return mount_fd;
}

static void parameters_shape_the_filesystem(void **state)
{
	static const char *const params[] = { "inode-ratio=64K", "journal=no", "block-size=1024",
		                              NULL };
	const struct scratch *scratch = *state;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, params);
	must_create(&fixture, 64 * MIB);
	fake_host_sh(
		"cd %s && dumpe2fs -h v/image >dump 2>/dev/null && grep -q 'Block size: *1024$' "
		"dump && grep -q 'Inode count: *1024$' dump && ! grep -q has_journal dump",
		scratch->dir);
	make_fixture(&fixture, scratch, "w", 0, NULL);
	must_create(&fixture, 64 * MIB);
	fake_host_sh(
		"cd %s && dumpe2fs -h w/image >dump 2>/dev/null && grep -q 'Block size: *4096$' "
		"dump && grep -q 'Inode count: *4096$' dump && grep -q has_journal dump",
		scratch->dir);
}

static void the_default_is_large_and_sparse(void **state)
{
	const struct scratch *scratch = *state;
	struct fixture fixture;
	struct stat st;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	must_create(&fixture, 0);
	assert_int_equal(fstatat(scratch->fd, "v/image", &st, 0), 0);
	assert_true((uint64_t)st.st_size == UINT64_C(10) << 30);
	assert_true(st.st_blocks * 512 < 16 << 20);
}

static void what_it_cannot_make_is_refused(void **state)
{
	static const char *const ratio[] = { "inode-ratio=8G", NULL };
	const struct scratch *scratch = *state;
	struct stor_create_req req = { .struct_size = sizeof(req),
		                       .source_fd = -1,
		                       .fs_type = "xfs" };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	assert_int_equal(backend->create(&fixture.volume, &req, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_string_not_equal(err.hint, "");
	err_clear(&err);
	assert_int_equal(create(&fixture, 4096, 0, &err), -1);
	assert_int_equal(err.status, STOR_USAGE);
	err_clear(&err);
	make_fixture(&fixture, scratch, "v", 0, ratio);
	assert_int_equal(create(&fixture, 0, 0, &err), -1);
	assert_int_equal(err.status, STOR_USAGE);
	assert_int_equal(faccessat(scratch->fd, "v/image", F_OK, 0), -1);
}

static void a_source_that_does_not_fit_is_named(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int source_fd = -1;
	struct stor_create_req req = { .struct_size = sizeof(req),
		                       .size_bytes = 24 * MIB,
		                       .source_path = "tree" };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	fake_host_sh("cd %s && mkdir tree && head -c 30M /dev/urandom >tree/big", scratch->dir);
	source_fd = openat(scratch->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	req.source_fd = source_fd;
	make_fixture(&fixture, scratch, "v", 0, NULL);
	assert_int_equal(backend->create(&fixture.volume, &req, &err), -1);
	if (!strstr(err.text, "does not fit"))
		fail_msg("%s (%s)", err.text, err.hint);
	assert_non_null(strstr(err.hint, "--size"));
	assert_int_equal(faccessat(scratch->fd, "v/image", F_OK, 0), -1);
}

static void a_full_disk_leaves_no_half_image(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	fake_host_sh("mount -t tmpfs -o size=256K none %s/mnt", scratch->dir);
	make_fixture(&fixture, scratch, "mnt", 0, NULL);
	assert_int_equal(create(&fixture, 1024 * MIB, 0, &err), -1);
	assert_non_null(strstr(err.text, "/mnt/image"));
	if (!strstr(err.hint, "full"))
		fail_msg("%s (%s)", err.text, err.hint);
	fake_host_sh("test \"$(df --output=used %s/mnt | tail -n 1)\" -eq 0", scratch->dir);
	scratch_unmount(scratch);
}

static void direct_io_is_as_asked_for(void **state)
{
	static const char *const choices[][2] = { { "direct-io=yes", NULL },
		                                  { "direct-io=no", NULL },
		                                  { "direct-io=auto", NULL } };
	const struct scratch *scratch = *state;

	for (int i = 0; i < 3; i++) {
		struct stor_attachment attachment;
		struct stor_err err = STOR_ERR_INIT;
		struct loop_info64 info = { 0 };
		struct fixture fixture;
		int block_bytes = 0;

		make_fixture(&fixture, scratch, "v", 0, choices[i]);
		if (!i)
			must_create(&fixture, 64 * MIB);
		if (attach(&fixture, 0, 2000, &attachment, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(ioctl(attachment.fd, LOOP_GET_STATUS64, &info), 0);
		assert_int_equal(!!(info.lo_flags & LO_FLAGS_DIRECT_IO), i == 0);
		assert_true(info.lo_flags & LO_FLAGS_AUTOCLEAR);
		assert_int_equal(ioctl(attachment.fd, BLKSSZGET, &block_bytes), 0);
		assert_int_equal(block_bytes, 4096);
		close(attachment.fd);
	}
}

static void discard_is_handed_to_core(void **state)
{
	static const char *const params[] = { "discard=yes", NULL };
	const struct scratch *scratch = *state;
	struct stor_attachment attachment;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, params);
	must_create(&fixture, 64 * MIB);
	assert_int_equal(attach(&fixture, 0, 0, &attachment, &err), 0);
	assert_int_equal(attachment.flags, STOR_ATTACHED_DISCARD);
	close(attachment.fd);
	assert_int_equal(attach(&fixture, STOR_ATTACH_READ_ONLY, 2000, &attachment, &err), 0);
	assert_int_equal(attachment.flags, 0);
	close(attachment.fd);
}

/* The kernel refuses filesystems whose blocks are smaller than the device's. */
static void small_blocks_mount(void **state)
{
	static const char *const makers[] = { "mke2fs -q -t ext4 -b 1024",
		                              "mkfs.xfs -q -s size=512",
		                              "mkfs.btrfs -q >/dev/null" };
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < 3; i++) {
		cleanup_close int mount_fd = -1;
		struct fixture fixture;

		fake_host_sh("cd %s && rm -f img && truncate -s 320M img && %s img", scratch->dir,
		             makers[i]);
		make_fixture(&fixture, scratch, "img", STOR_VOLUME_FOREIGN, NULL);
		mount_fd = must_mount(&fixture, 0);
		assert_int_equal(mkdirat(mount_fd, "d", 0755), 0);
	}
}

static void only_regular_files_are_attached(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_attachment attachment;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	assert_int_equal(mknodat(scratch->fd, "disk", S_IFBLK | 0600, makedev(7, 1)), 0);
	assert_int_equal(mkfifoat(scratch->fd, "fifo", 0600), 0);
	make_fixture(&fixture, scratch, "disk", STOR_VOLUME_FOREIGN, NULL);
	assert_int_equal(attach(&fixture, 0, 0, &attachment, &err), -1);
	assert_int_equal(err.status, STOR_UNSUPPORTED);
	assert_string_not_equal(err.hint, "");
	err_clear(&err);
	make_fixture(&fixture, scratch, "fifo", STOR_VOLUME_FOREIGN, NULL);
	assert_int_equal(attach(&fixture, 0, 0, &attachment, &err), -1);
	assert_non_null(strstr(err.text, "not a regular file"));
	err_clear(&err);
	make_fixture(&fixture, scratch, "nothing", STOR_VOLUME_FOREIGN, NULL);
	assert_int_equal(attach(&fixture, 0, 0, &attachment, &err), -1);
	assert_int_equal(err.status, STOR_NOT_FOUND);
}

/* Each child makes and mounts its own; they start at the same moment. */
static void a_hundred_attach_at_once(void **state)
{
	const struct scratch *scratch = *state;
	int gate[2], failed = 0, status;
	char byte;

	fake_host_sh(
		"cd %s && truncate -s 4M img && mke2fs -q -t ext4 -O ^has_journal img && for i "
		"in $(seq %d); do cp --sparse=always img img$i; done",
		scratch->dir, PARALLEL);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	for (int i = 1; i <= PARALLEL; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			struct fsmount_opts opts = { .userns_fd = -1 };
			struct stor_attachment attachment;
			struct stor_err err = STOR_ERR_INIT;
			struct fixture fixture;
			char name[16];
			int mount_fd = -1;

			snprintf(name, sizeof(name), "img%d", i);
			make_fixture(&fixture, scratch, name, STOR_VOLUME_FOREIGN, NULL);
			close(gate[1]);
			if (read(gate[0], &byte, 1) < 0)
				_exit(2);
			if (!attach(&fixture, 0, 0, &attachment, &err))
				mount_fd = fsmount_block(attachment.fd, &opts, NULL, &err);
			if (mount_fd < 0)
				fprintf(stderr, "%s\n", err.text);
			_exit(mount_fd < 0);
		}
	}
	close(gate[0]);
	close(gate[1]);
	while (wait(&status) > 0)
		failed += status != 0;
	assert_int_equal(failed, 0);
}

static void resizing_moves_the_device_and_back(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_resize_req req = { .struct_size = sizeof(req), .control_fd = -1 };
	cleanup_close int mount_fd = -1, root_fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	struct stat st;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	must_create(&fixture, 64 * MIB);
	mount_fd = must_mount(&fixture, 0);
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	req.root_fd = root_fd;
	/* Up, and down again where the filesystem did not follow; never into the filesystem. */
	for (int i = 0; i < 3; i++) {
		static const uint64_t sizes[] = { 128 * MIB, 64 * MIB, 63 * MIB };
		int result;

		req.size_bytes = sizes[i];
		result = backend->resize(&fixture.volume, &req, &err);
		assert_int_equal(result, i == 2 ? -1 : 0);
		assert_int_equal(fstatat(scratch->fd, "v/image", &st, 0), 0);
		assert_true((uint64_t)st.st_size == sizes[i == 2 ? 1 : i]);
		assert_int_equal(fstat(root_fd, &st), 0);
		fake_host_sh("test \"$(cat /sys/dev/block/%u:%u/size)\" = %llu", major(st.st_dev),
		             minor(st.st_dev), (unsigned long long)sizes[i == 2 ? 1 : i] / 512);
	}
	assert_int_equal(err.status, STOR_UNSUPPORTED);
}

/* No journal, no spare superblocks, no room to grow: little to write, and whole all the same. */
static void what_is_short_lived_is_small(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;
	struct stat st;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	assert_int_equal(create(&fixture, 0, STOR_CREATE_EPHEMERAL, &err), 0);
	assert_int_equal(fstatat(scratch->fd, "v/image", &st, 0), 0);
	assert_true(st.st_blocks * 512 < 512 << 10);
	fake_host_sh(
		"e2fsck -fn %s/v/image >/dev/null 2>&1 && ! dumpe2fs -h %s/v/image 2>/dev/null "
		"| grep -q has_journal",
		scratch->dir, scratch->dir);
	mount_fd = must_mount(&fixture, STOR_ATTACH_EPHEMERAL);
	assert_int_equal(mkdirat(mount_fd, "upper", 0755), 0);
}

static int count_notes(void *ctx, const char *key, const char *value)
{
	assert_non_null(value);
	*(int *)ctx += !strcmp(key, "note");
	return 0;
}

static int check(const struct fixture *fixture, uint32_t flags)
{
	enum stor_verdict verdict = STOR_VERDICT_DAMAGED;
	struct stor_err err = STOR_ERR_INIT;
	int notes = 0;
	struct stor_check_req req = {
		.struct_size = sizeof(req), .flags = flags, .emit = count_notes, .emit_ctx = &notes
	};

	if (backend->check(&fixture->volume, &req, &verdict, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(notes > 0);
	return (int)verdict;
}

static void damage_is_found_and_repaired(void **state)
{
	const struct scratch *scratch = *state;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	must_create(&fixture, 64 * MIB);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_CLEAN);
	/* A link count that -p mends, then a directory that only -y does. */
	fake_host_sh("debugfs -w -R 'sif <2> links_count 9' %s/v/image 2>/dev/null", scratch->dir);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_DAMAGED);
	assert_int_equal(check(&fixture, STOR_CHECK_REPAIR), STOR_VERDICT_REPAIRED);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_CLEAN);
	fake_host_sh("debugfs -w -R 'sif <2> mode 0100644' %s/v/image 2>/dev/null", scratch->dir);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_DAMAGED);
	assert_int_equal(check(&fixture, STOR_CHECK_REPAIR), STOR_VERDICT_REPAIRED);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_CLEAN);
	/* The first superblock is gone; e2fsck has the spare ones. */
	fake_host_sh(
		"dd if=/dev/zero of=%s/v/image bs=1024 seek=1 count=1 conv=notrunc status=none",
		scratch->dir);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_DAMAGED);
}

/* After a crash the journal holds changes; to replay them is no repair of damage. */
static void a_journal_to_replay_is_no_damage(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int mount_fd = -1, fd = -1;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	must_create(&fixture, 64 * MIB);
	mount_fd = must_mount(&fixture, 0);
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(mkdirat(mount_fd, name, 0755), 0);
	}
	fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fsync(fd), 0);
	/* What the disk has now is what a crash would leave; and a block whose new content is in
	 * the journal was being written when it came. */
	fake_host_sh("cd %s && sync v/image && cp --sparse=always v/image img && dumpe2fs img "
	             ">dump 2>/dev/null && grep -q needs_recovery dump && dd if=/dev/zero of=img "
	             "bs=4096 count=1 conv=notrunc status=none seek=$(sed -n 's/.*Block bitmap at "
	             "\\([0-9]*\\).*/\\1/p' dump | head -n 1) && ! e2fsck -fn img >/dev/null 2>&1",
	             scratch->dir);
	make_fixture(&fixture, scratch, "img", STOR_VOLUME_FOREIGN, NULL);
	assert_int_equal(check(&fixture, 0), STOR_VERDICT_CLEAN);
	/* And the image itself was left as it was. */
	fake_host_sh("dumpe2fs -h %s/img 2>/dev/null | grep -q needs_recovery", scratch->dir);
}

static void xfs_and_btrfs_are_checked_by_their_own(void **state)
{
	static const char *const makers[] = { "mkfs.xfs -q", "mkfs.btrfs -q >/dev/null" };
	const struct scratch *scratch = *state;

	for (size_t i = 0; i < 2; i++) {
		struct fixture fixture;

		fake_host_sh("cd %s && rm -f img && truncate -s 320M img && %s img", scratch->dir,
		             makers[i]);
		make_fixture(&fixture, scratch, "img", STOR_VOLUME_FOREIGN, NULL);
		assert_int_equal(check(&fixture, 0), STOR_VERDICT_CLEAN);
		fake_host_sh("cd %s && dd if=/dev/urandom of=img bs=4K seek=%s conv=notrunc "
		             "status=none",
		             scratch->dir, i ? "9400 count=20000" : "1 count=512");
		assert_int_equal(check(&fixture, 0), STOR_VERDICT_DAMAGED);
	}
}

/* Free blocks become holes, and nothing else does. */
static void compacting_keeps_every_file(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_compact_req req = { .struct_size = sizeof(req),
		                        .root_fd = -1,
		                        .control_fd = -1 };
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	fake_host_sh("cd %s && mkdir tree && seq 200000 >tree/kept && head -c 30M /dev/urandom "
	             ">tree/gone && truncate -s 100M img && mke2fs -q -t ext4 -b 1024 -d tree img "
	             "&& debugfs -w -R 'rm gone' img 2>/dev/null",
	             scratch->dir);
	make_fixture(&fixture, scratch, "img", STOR_VOLUME_FOREIGN, NULL);
	if (backend->compact(&fixture.volume, &req, &err) < 0)
		fail_msg("%s", err.text);
	assert_in_range(req.freed_bytes, 29 * MIB, 60 * MIB);
	fake_host_sh("cd %s && e2fsck -fn img >/dev/null 2>&1 && debugfs -R 'dump kept out' img "
	             "2>/dev/null && cmp tree/kept out",
	             scratch->dir);
}

static void what_is_thrown_away_is_not_written(void **state)
{
	static char data[16 << 20];
	const struct scratch *scratch = *state;
	struct stor_release_req req = { .struct_size = sizeof(req), .flags = STOR_RELEASE_DISCARD };
	cleanup_close int mount_fd = -1, root_fd = -1, fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	must_create(&fixture, 64 * MIB);
	mount_fd = must_mount(&fixture, STOR_ATTACH_EPHEMERAL);
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(mount_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	close_fd(&fd);
	req.root_fd = root_fd;
	assert_int_equal(backend->release(&fixture.volume, &req, &err), 0);
	close_fd(&root_fd);
	close_fd(&mount_fd);
	mount_fd = must_mount(&fixture, 0);
	assert_int_equal(faccessat(mount_fd, "file", F_OK, 0), -1);
}

static void images_are_claimed_by_their_superblock(void **state)
{
	const struct scratch *scratch = *state;
	cleanup_close int image_fd = -1, text_fd = -1;
	struct fixture fixture;

	make_fixture(&fixture, scratch, "v", 0, NULL);
	must_create(&fixture, 64 * MIB);
	fake_host_sh("seq 100000 >%s/text", scratch->dir);
	image_fd = openat(scratch->fd, "v/image", O_RDONLY | O_CLOEXEC);
	text_fd = openat(scratch->fd, "text", O_RDONLY | O_CLOEXEC);
	assert_in_range(probe("image", image_fd), 1, 100);
	assert_int_equal(probe("text", text_fd), 0);
	assert_int_equal(probe(".", scratch->fd), 0);
}

extern const struct stor_backend *stor_backend_init(void);

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parameters_shape_the_filesystem),
		TEST(the_default_is_large_and_sparse),
		TEST(what_it_cannot_make_is_refused),
		TEST(a_source_that_does_not_fit_is_named),
		TEST(a_full_disk_leaves_no_half_image),
		TEST(direct_io_is_as_asked_for),
		TEST(discard_is_handed_to_core),
		TEST(small_blocks_mount),
		TEST(only_regular_files_are_attached),
		TEST(a_hundred_attach_at_once),
		TEST(resizing_moves_the_device_and_back),
		TEST(what_is_short_lived_is_small),
		TEST(damage_is_found_and_repaired),
		TEST(a_journal_to_replay_is_no_damage),
		TEST(xfs_and_btrfs_are_checked_by_their_own),
		TEST(compacting_keeps_every_file),
		TEST(what_is_thrown_away_is_not_written),
		TEST(images_are_claimed_by_their_superblock),
	};
	struct stor_err err = STOR_ERR_INIT;

	backend = stor_backend_init();
	if (backend->load(fake_host_load(), &err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
