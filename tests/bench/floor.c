/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a container's start can cost: floor ROOT COMMAND [ARG…] runs a command in new pid,
 * mount, ipc, uts, cgroup and net namespaces with ROOT as its root and a fresh /proc, and nothing
 * else. ROOT is a directory, or a file with ext4 in it, which is given to a loop device and mounted
 * detached.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* glibc's <sys/mount.h> and <linux/mount.h> cannot both be included. */
extern int mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data);
extern int umount2(const char *target, int flags);
#define FLAG_NOSUID 2ul
#define FLAG_NODEV 4ul
#define FLAG_NOEXEC 8ul
#define FLAG_REC 16384ul
#define FLAG_PRIVATE (1ul << 18)
#define FLAG_DETACH 2

static long check(const char *what, long result)
{
	if (result < 0) {
		fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
		_exit(125);
	}
	return result;
}

/* The file as a loop device that goes with its last user. */
static int attach_loop(const char *file, char *device, size_t size)
{
	struct loop_config config = { .block_size = 4096 };
	int control, loop;

	config.fd = (uint32_t)check(file, open(file, O_RDWR | O_CLOEXEC));
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	control = (int)check("loop-control", open("/dev/loop-control", O_RDWR | O_CLOEXEC));
	for (;;) {
		long number = check("LOOP_CTL_GET_FREE", ioctl(control, LOOP_CTL_GET_FREE));

		snprintf(device, size, "/dev/loop%ld", number);
		loop = (int)check(device, open(device, O_RDWR | O_CLOEXEC));
		if (!ioctl(loop, LOOP_CONFIGURE, &config))
			break;
		if (errno != EBUSY)
			check("LOOP_CONFIGURE", -1);
		close(loop);
	}
	close(control);
	close((int)config.fd);
	return loop;
}

static int mount_ext4(const char *device)
{
	int fs = (int)check("fsopen", syscall(SYS_fsopen, "ext4", FSOPEN_CLOEXEC));

	check("source", syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", device, 0));
	check("mount ext4", syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	return (int)check("fsmount", syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
}

/* The root as a detached mount. */
static int open_root(const char *root)
{
	struct stat st;
	char device[32];
	int loop, tree;

	check(root, stat(root, &st));
	if (S_ISDIR(st.st_mode))
		return (int)check("open_tree", syscall(SYS_open_tree, AT_FDCWD, root,
		                                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	loop = attach_loop(root, device, sizeof(device));
	tree = mount_ext4(device);
	close(loop);
	return tree;
}

static void run_inside(int tree, char **argv)
{
	check("private", mount(NULL, "/", NULL, FLAG_REC | FLAG_PRIVATE, NULL));
	check("move_mount",
	      syscall(SYS_move_mount, tree, "", AT_FDCWD, "/mnt", MOVE_MOUNT_F_EMPTY_PATH));
	check("fchdir", fchdir(tree));
	check("pivot_root", syscall(SYS_pivot_root, ".", "."));
	check("umount", umount2(".", FLAG_DETACH));
	check("proc", mount("proc", "/proc", "proc", FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC, NULL));
	execv(argv[0], argv);
	check(argv[0], -1);
}

int main(int argc, char **argv)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int tree, status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: floor ROOT COMMAND [ARG...]\n");
		return 2;
	}
	tree = open_root(argv[1]);
	args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
	             CLONE_NEWNET | CLONE_VFORK;
	pid = (pid_t)check("clone3", syscall(SYS_clone3, &args, sizeof(args)));
	if (!pid)
		run_inside(tree, argv + 2);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 125;
	close(tree);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
