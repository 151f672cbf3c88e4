/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine export: an image served as a block device, used as one, asked while it is used, and
 * ended in every way. What would hang is killed by a guard, and fails. */
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
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/fsmount.h"
#include "ploop/client.h"
#include "ploop/image.h"
#include "ploop/server.h"
#include "tests/ploop/served.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/scratch.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)
#define MIB (UINT64_C(1) << 20)

static void a_filesystem_lives_on_it(void **state)
{
	const struct scratch *scratch = *state;
	uint64_t full, trimmed;
	struct served served;

	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_IN_USE);
	served_mkfs(&served);
	served_mount(scratch, &served);
	/* Nothing of it stands in a table of mounts. */
	fake_host_sh("! grep -q ' - fuse[^ ]* stor ' /proc/self/mountinfo /proc/1/mountinfo");
	fake_host_sh("cd %s/mnt && timeout 50 fio --name=x --filename=data --size=48M --bs=4k "
	             "--bsrange=4k-256k --rw=randwrite --iodepth=32 --ioengine=libaio --direct=1 "
	             "--verify=crc32c --verify_fatal=1 --fsync=500 >../fio 2>&1 || "
	             "{ cat ../fio; exit 1; }",
	             scratch->dir);
	fake_host_sh("cd %s && md5sum mnt/data >sum", scratch->dir);
	fake_host_sh("cd %s/mnt && head -c 64M /dev/urandom >more && sync -f . && rm more && "
	             "sync -f .",
	             scratch->dir);
	full = served_allocated(&served);
	fake_host_sh("timeout 30 fstrim %s/mnt && sync -f %s/mnt", scratch->dir, scratch->dir);
	trimmed = served_allocated(&served);
	if (full < 110 * MIB || trimmed > full - 56 * MIB)
		fail_msg("allocated: %llu, after the trim %llu", (unsigned long long)full,
		         (unsigned long long)trimmed);
	scratch_unmount(scratch);
	served_end(&served);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_CLOSED);

	served_begin_one(&served, "disk", true);
	fake_host_sh("timeout 30 e2fsck -fn %s >/dev/null 2>&1", served.device);
	served_end(&served);
	served_begin_one(&served, "disk", false);
	served_mount(scratch, &served);
	fake_host_sh("cd %s && md5sum -c --quiet sum", scratch->dir);
	scratch_unmount(scratch);
	served_end(&served);
}

static void zeros_are_zeros(void **state)
{
	struct served served;

	(void)state;
	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	/* Writes, holes that end within clusters, and what remains between. */
	fake_host_sh("d=%s && exp=$(mktemp) && truncate -s 8M $exp && "
	             "head -c 8M /dev/urandom | tee $exp | dd of=$d bs=1M oflag=direct "
	             "iflag=fullblock 2>/dev/null && "
	             "for r in '4096 8192' '262144 524288' '1000448 2097152'; do set -- $r; "
	             "blkdiscard -z -o $1 -l $2 $d && fallocate -p -o $1 -l $2 $exp; done && "
	             "blkdiscard -o 4194304 -l 1048576 $d && "
	             "fallocate -p -o 4194304 -l 1048576 $exp && "
	             "dd if=$d bs=1M count=8 iflag=direct 2>/dev/null | cmp - $exp && rm $exp",
	             served.device);
	served_end(&served);
}

static void it_is_locked_while_it_is_served(void **state)
{
	const struct scratch *scratch = *state;
	struct ploop_link link;
	struct served served;

	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	assert_int_equal(served_open_image("disk", PLOOP_OPEN_WRITE, &link), -EWOULDBLOCK);
	assert_int_equal(served_open_image("disk", 0, &link), -EWOULDBLOCK);
	served_end(&served);
	served_begin_one(&served, "disk", true);
	assert_int_equal(served_open_image("disk", PLOOP_OPEN_WRITE, &link), -EWOULDBLOCK);
	assert_int_equal(served_open_image("disk", 0, &link), 0);
	ploop_file_close(link.file);
	fake_host_sh("! dd if=/dev/zero of=%s count=1 2>/dev/null", served.device);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_CLOSED);
	served_end(&served);
}

/* fio under way on the mounted filesystem; returns its shell's process number. */
static pid_t start_load(const struct scratch *scratch)
{
	char command[512];
	pid_t pid;

	snprintf(command, sizeof(command),
	         "cd %s/mnt && exec timeout 40 fio --name=x --filename=load --size=32M --bs=4k "
	         "--rw=randrw --iodepth=32 --ioengine=libaio --direct=1 --time_based "
	         "--runtime=30 >../fio 2>&1",
	         scratch->dir);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	fake_host_sh("for i in $(seq 400); do test -s %s/mnt/load && exit 0; sleep 0.02; done; "
	             "exit 1",
	             scratch->dir);
	fake_host_sh("sleep 0.5");
	return pid;
}

static void kill_under_load(const struct scratch *scratch, bool kills_watcher)
{
	struct served served;
	int status = 0;
	pid_t load;

	served_begin_one(&served, "disk", false);
	served_mkfs(&served);
	served_mount(scratch, &served);
	fake_host_sh("cp /bin/sh %s/mnt/kept && sync -f %s/mnt", scratch->dir, scratch->dir);
	load = start_load(scratch);
	assert_int_equal(kill(kills_watcher ? served.watcher : served.server, SIGKILL), 0);
	assert_int_equal(waitpid(load, &status, 0), load);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) && WEXITSTATUS(status) != 124);
	fake_host_sh("grep -q 'Input/output error\\|error=5' %s/fio || { cat %s/fio; exit 1; }",
	             scratch->dir, scratch->dir);
	scratch_unmount(scratch);
	served_end(&served);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_IN_USE);
	/* It opens by itself, and what was synced is there. */
	served_begin_one(&served, "disk", false);
	served_mount(scratch, &served);
	fake_host_sh("cmp /bin/sh %s/mnt/kept", scratch->dir);
	scratch_unmount(scratch);
	fake_host_sh("timeout 30 e2fsck -fn %s >/dev/null 2>&1 || true", served.device);
	served_end(&served);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_CLOSED);
}

static void killed_under_load_it_leaves_nothing(void **state)
{
	served_make_image("disk");
	kill_under_load(*state, false);
}

static void killed_with_its_watcher_it_leaves_nothing(void **state)
{
	served_make_image("disk");
	kill_under_load(*state, true);
}

static void stopped_it_goes_on(void **state)
{
	struct served served;

	(void)state;
	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(kill(served.server, SIGSTOP), 0);
		fake_host_sh("timeout 10 dd if=/dev/zero of=%s bs=1M count=1 oflag=direct "
		             "2>/dev/null",
		             served.device);
	}
	/* Nor does it end when it is asked to. */
	assert_int_equal(kill(served.server, SIGTERM), 0);
	fake_host_sh("timeout 10 dd if=%s of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null",
	             served.device);
	/* With its watcher, which core makes go on when it lets a volume go. */
	assert_int_equal(kill(served.watcher, SIGSTOP), 0);
	assert_int_equal(kill(served.server, SIGSTOP), 0);
	assert_int_equal(kill(served.watcher, SIGCONT), 0);
	served_end(&served);
}

static void it_changes_while_it_is_used(void **state)
{
	const struct scratch *scratch = *state;
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_link links[2];
	struct served served;
	cleanup_close int root_fd = -1;
	uint64_t freed = 0;
	struct statfs fs;
	int status;
	pid_t load;

	served_make_image("disk");
	served_make_image("top");
	served_begin_one(&served, "disk", false);
	served_mkfs(&served);
	served_mount(scratch, &served);
	root_fd = openat(scratch->fd, "mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fake_host_sh("head -c 60M /dev/urandom >%s/mnt/old && head -c 8M /dev/urandom >%s/mnt/kept "
	             "&& cd %s && sync -f mnt && md5sum mnt/kept >sum && rm mnt/old && sync -f mnt "
	             "&& fstrim mnt",
	             scratch->dir, scratch->dir, scratch->dir);
	load = start_load(scratch);
	if (ploop_client_compact(served.attachment.control_fd, &freed, &err))
		fail_msg("%s", err.text);
	if (freed < 20 * MIB)
		fail_msg("compact freed %llu", (unsigned long long)freed);
	assert_int_equal(served_open_image("top", PLOOP_OPEN_WRITE, &links[1]), 0);
	if (ploop_client_push(served.attachment.control_fd, links[1].file->fd, -1, "top", &err))
		fail_msg("%s", err.text);
	ploop_file_close(links[1].file);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_CLOSED);
	assert_true(served_mark(scratch, "top") == PLOOP_MARK_IN_USE);
	if (ploop_client_grow(served.attachment.control_fd, root_fd, 2 * SERVED_BYTES, &err))
		fail_msg("%s", err.text);
	fake_host_sh("test $(blockdev --getsize64 %s) -eq %llu", served.device,
	             (unsigned long long)(2 * SERVED_BYTES));
	/* What the last block of the device now holds can be written and read. */
	fake_host_sh("d=%s && printf x%%4095s | dd of=$d bs=4096 seek=%llu oflag=direct "
	             "conv=notrunc 2>/dev/null && dd if=$d bs=4096 skip=%llu iflag=direct "
	             "2>/dev/null | grep -q ^x",
	             served.device, (unsigned long long)(2 * SERVED_BYTES / 4096 - 1),
	             (unsigned long long)(2 * SERVED_BYTES / 4096 - 1));
	kill(load, SIGTERM);
	assert_int_equal(waitpid(load, &status, 0), load);
	assert_int_equal(fstatfs(root_fd, &fs), 0);
	close_fd(&root_fd);
	scratch_unmount(scratch);
	served_end(&served);
	assert_true(served_mark(scratch, "top") == PLOOP_MARK_CLOSED);

	assert_int_equal(served_open_image("disk", 0, &links[0]), 0);
	assert_int_equal(served_open_image("top", PLOOP_OPEN_WRITE, &links[1]), 0);
	served_begin(&served, links, 2, false);
	fake_host_sh("timeout 30 e2fsck -fn %s >/dev/null 2>&1", served.device);
	served_mount(scratch, &served);
	fake_host_sh("cd %s && md5sum -c --quiet sum", scratch->dir);
	scratch_unmount(scratch);
	served_end(&served);
}

static void refusals_say_why(void **state)
{
	struct stor_err err = STOR_ERR_INIT;
	struct served served;
	struct ploop_usage usage;
	struct ploop_link link;

	(void)state;
	served_make_image("disk");
	fake_host_sh("head -c 1M /dev/zero >%s/junk", ((const struct scratch *)*state)->dir);
	served_begin_one(&served, "disk", false);
	assert_int_equal(served_open_image("junk", PLOOP_OPEN_WRITE, &link), 0);
	assert_int_equal(
		ploop_client_push(served.attachment.control_fd, link.file->fd, -1, "junk", &err),
		-1);
	assert_non_null(strstr(err.text, "\"junk\""));
	ploop_file_close(link.file);
	/* It goes on as before. */
	fake_host_sh("timeout 10 dd if=/dev/zero of=%s bs=1M count=1 oflag=direct 2>/dev/null",
	             served.device);
	err_clear(&err);
	kill(served.server, SIGKILL);
	fake_host_sh("for i in $(seq 100); do kill -0 %d 2>/dev/null || exit 0; sleep 0.02; done",
	             served.watcher);
	assert_int_equal(ploop_client_usage(served.attachment.control_fd, &usage, &err), -1);
	assert_non_null(strstr(err.text, "server has ended"));
	served_end(&served);
}

static uint64_t file_bytes(const char *name)
{
	struct ploop_file *file;
	uint64_t size = 0;
	assert_int_equal(served_dir->ops->open(served_dir, name, 0, &file), 0);
	file->ops->size(file, &size);
	ploop_file_close(file);
	return size;
}

/* Zeros would take no room. */
static void must_fill(const struct served *served, unsigned from_mib, unsigned count)
{
	fake_host_sh("yes | head -c %uM | timeout 40 dd of=%s bs=1M seek=%u iflag=fullblock "
	             "oflag=direct conv=fsync 2>/dev/null",
	             count, served->device, from_mib);
}

static void it_grows_ahead_of_need(void **state)
{
	struct served served;

	(void)state;
	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	must_fill(&served, 0, 40);
	assert_true(file_bytes("disk") > SERVED_CLUSTER_BYTES + served_allocated(&served));
	served_end(&served);
	assert_true(file_bytes("disk") == SERVED_CLUSTER_BYTES + 40 * MIB);
}

static void a_full_disk_has_no_room_ahead(void **state)
{
	cleanup_close int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC), mount_fd = -1;
	struct served served;

	(void)state;
	assert_int_equal(fsconfig(fs_fd, FSCONFIG_SET_STRING, "size", "20m", 0), 0);
	assert_int_equal(fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, 0);
	ploop_dir_close(served_dir);
	served_dir = ploop_dir_open_fd(mount_fd);
	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	must_fill(&served, 0, 19);
	fake_host_sh("! yes | head -c 4M | timeout 40 dd of=%s bs=1M seek=100 iflag=fullblock "
	             "oflag=direct 2>/dev/null",
	             served.device);
	served_end(&served);
}

static uint64_t private_bytes(pid_t pid)
{
	return (uint64_t)served_number(
		       "awk '/^Private/ {s += $2} END {print s}' /proc/%d/smaps_rollup", pid) *
	       1024;
}

static void an_idle_server_is_small(void **state)
{
	struct served served;
	uint64_t bytes = 0;

	(void)state;
	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	fake_host_sh("timeout 40 fio --name=x --filename=%s --rw=write --bs=1M --iodepth=32 "
	             "--size=128M --direct=1 --ioengine=libaio >/dev/null",
	             served.device);
	for (int i = 0; i < 50; i++) {
		bytes = private_bytes(served.server) + private_bytes(served.watcher);
		if (bytes <= 4 * MIB)
			break;
		fake_host_sh("sleep 0.1");
	}
	if (bytes > 4 * MIB)
		fail_msg("%llu bytes", (unsigned long long)bytes);
	served_end(&served);
}

/* Read and written like any other, but nothing is done for whoever would open it next. */
static void what_is_thrown_away_is_left_as_it_is(void **state)
{
	const struct scratch *scratch = *state;
	struct served served;

	served_dir->is_throwaway = true;
	served_make_image("disk");
	served_begin_one(&served, "disk", false);
	served_mkfs(&served);
	served_mount(scratch, &served);
	fake_host_sh("cd %s/mnt && head -c 8M /dev/urandom | tee data | md5sum >../sum && "
	             "sync -f . && dd if=data bs=1M iflag=direct 2>/dev/null | md5sum | "
	             "cmp - ../sum",
	             scratch->dir);
	scratch_unmount(scratch);
	served_end(&served);
	assert_true(served_mark(scratch, "disk") == PLOOP_MARK_IN_USE);
}

/* Once more, with requests that come another way. */
static int run_over_uring(struct CMUnitTest *tests, size_t count)
{
	static char names[32][80];

	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "over_uring_%s", tests[i].name);
		tests[i].name = names[i];
	}
	if (!served_use_uring()) {
		printf("FUSE over io_uring: not tested, as this kernel has none\n");
		return 0;
	}
	return _cmocka_run_group_tests("over_uring", tests, count, NULL, NULL);
}

/* test_ploop_server [PATTERN]: chooses tests. */
int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		TEST(a_filesystem_lives_on_it),
		TEST(zeros_are_zeros),
		TEST(it_is_locked_while_it_is_served),
		TEST(killed_under_load_it_leaves_nothing),
		TEST(killed_with_its_watcher_it_leaves_nothing),
		TEST(stopped_it_goes_on),
		TEST(it_changes_while_it_is_used),
		TEST(refusals_say_why),
		TEST(it_grows_ahead_of_need),
		TEST(a_full_disk_has_no_room_ahead),
		TEST(an_idle_server_is_small),
		TEST(what_is_thrown_away_is_left_as_it_is),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL) |
	       run_over_uring(tests, sizeof(tests) / sizeof(tests[0]));
}
