/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder for one unit test: see scratch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/loopdev.h"
#include "core/base/proc.h"
#include "core/base/str.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/scratch.h"

/* What is done once in the process. */
static void prepare_process(void)
{
	static bool is_prepared;
	char modules[4096 + 16];

	if (is_prepared)
		return;
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(proc_self_dir(modules, 4096), 0);
	strcat(modules, "/../modules");
	assert_int_equal(setenv("STOR_MODULES", modules, 1), 0);
	fake_host_load();
	is_prepared = true;
}

void scratch_make_dir(char *dir, size_t size)
{
	const char *parent = getenv("TMPDIR");
	int length = snprintf(dir, size, "%s/unit-XXXXXX", parent ? parent : "/tmp");

	assert_true(length > 0 && (size_t)length < size);
	assert_non_null(mkdtemp(dir));
}

int scratch_setup(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	prepare_process();
	assert_non_null(scratch);
	scratch_make_dir(scratch->dir, sizeof(scratch->dir));
	scratch->fd = open(scratch->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(scratch->fd >= 0);
	assert_int_equal(mkdirat(scratch->fd, "mnt", 0755), 0);
	*state = scratch;
	return 0;
}

int scratch_loop_below(const char *folder)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	int found = -1;

	assert_non_null(dir);
	while (found < 0 && (entry = readdir(dir))) {
		char path[300], text[4096] = "";
		int fd, number;

		if (sscanf(entry->d_name, "loop%d", &number) != 1)
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof(text) - 1) > 0 && str_starts(text, folder))
			found = number;
		close(fd);
	}
	closedir(dir);
	return found;
}

int scratch_wait_no_loop(const char *folder)
{
	const struct timespec pause_time = { .tv_nsec = 10000000 };
	int number = -1;

	for (int i = 0; i < 300 && (number = scratch_loop_below(folder)) >= 0; i++)
		nanosleep(&pause_time, NULL);
	return number;
}

int scratch_teardown(void **state)
{
	struct scratch *scratch = *state;
	char *path = NULL;
	int number;

	if (asprintf(&path, "%s/mnt", scratch->dir) >= 0)
		umount2(path, MNT_DETACH);
	free(path);
	number = scratch_wait_no_loop(scratch->dir);
	close(scratch->fd);
	fake_host_sh("chattr -R -i %s 2>/dev/null; rm -rf --one-file-system %s", scratch->dir,
	             scratch->dir);
	free(scratch);
	if (number >= 0)
		print_error("left behind: /dev/loop%d\n", number);
	return number >= 0 ? -1 : 0;
}

int scratch_loop(const struct scratch *scratch, const char *name, bool read_only)
{
	struct loopdev_opts opts = { .read_only = read_only };
	struct stor_err err = STOR_ERR_INIT;
	struct stor_superblock sb;
	int fd, loop_fd;

	fd = openat(scratch->fd, name, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	assert_true(fd >= 0);
	/* The device of a mount that has just ended may still be going away. */
	assert_int_equal(copyfile_lock(fd, read_only ? LOCK_SH : LOCK_EX, 2000), 0);
	assert_int_equal(stor_superblock_read(fd, &sb), 0);
	opts.block_bytes = sb.block_bytes;
	loop_fd = loopdev_attach(fd, name, &opts, &err);
	close(fd);
	if (loop_fd < 0)
		fail_msg("%s", err.text);
	return loop_fd;
}

const char *scratch_mountinfo(const struct scratch *scratch, int mount_fd)
{
	static char line[1024];
	char wanted[64];
	bool found = false;
	FILE *mounts;

	if (move_mount(mount_fd, "", scratch->fd, "mnt", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		fail_msg("move_mount failed");
	snprintf(wanted, sizeof(wanted), " %s/mnt ", scratch->dir);
	mounts = fopen("/proc/self/mountinfo", "re");
	assert_non_null(mounts);
	while (!found && fgets(line, sizeof(line), mounts))
		found = strstr(line, wanted) != NULL;
	fclose(mounts);
	assert_true(found);
	return line;
}

void scratch_unmount(const struct scratch *scratch)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/mnt", scratch->dir);
	assert_int_equal(umount2(path, 0), 0);
}

static void write_map(pid_t pid, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0 100000 65536", 14), 14);
	close(fd);
}

int scratch_userns(void)
{
	int ready[2], userns_fd;
	char path[64], byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (unshare(CLONE_NEWUSER) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	snprintf(path, sizeof(path), "/proc/%ld/ns/user", (long)pid);
	userns_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(userns_fd >= 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return userns_fd;
}
