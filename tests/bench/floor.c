/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a container's start can cost: floor ROOT COMMAND [ARG…] runs a command in new pid,
 * mount, ipc, uts, cgroup and net namespaces with ROOT as its root and a fresh /proc, and nothing
 * else. ROOT is a directory, or a file with ext4 in it, which is given to a loop device and mounted
 * detached.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/raw_attach.h"

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

/* The root as a detached mount. */
static int open_root(const char *root)
{
	char device[32];
	struct stat st;

	check(root, stat(root, &st));
	if (S_ISDIR(st.st_mode))
		return (int)check("open_tree", syscall(SYS_open_tree, AT_FDCWD, root,
		                                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
	return raw_attach(root, device, sizeof(device));
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
