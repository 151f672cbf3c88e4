/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a container's start can cost: floor ROOT COMMAND [ARG…] runs a command in new pid,
 * mount, ipc, uts, cgroup and net namespaces with ROOT as its root and a fresh /proc, and nothing
 * else. ROOT is a directory; or a file with ext4 in it, which is given to a loop device and mounted
 * detached; or BASE:UPPER, two such files, of which the first is mounted read-only below a copy of
 * the second, made for this start, as an overlay. With --veth before ROOT, the network has a pair
 * of interfaces to where it was started. With --system FOLDER before ROOT, the container has all
 * that raw_system.h names: what any program that offers the same must ask of the kernel; a
 * directory is then below an overlay of the container's own, kept in FOLDER. With --limits FOLDER
 * instead, it has limits, too.
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

#include "core/later.h"
#include "tests/bench/raw_attach.h"
#include "tests/bench/raw_cgroup.h"
#include "tests/bench/raw_system.h"
#include "tests/bench/raw_veth.h"

extern int umount2(const char *target, int flags);
#define FLAG_REC 16384ul
#define FLAG_PRIVATE (1ul << 18)
#define FLAG_DETACH 2

/* Detached mounts: the root, or the two layers of an overlay. */
struct root {
	int base, upper; /* upper: -1 without an overlay */
};

/* What --system keeps of a container outside of it. */
struct container {
	char name[4096];
	int folder, mounts; /* -1: none. mounts: its mount namespace, with the overlay */
	struct raw_cgroup cgroup;
};

static int open_tree(int at, const char *path, unsigned flags)
{
	return (int)check(path, syscall(SYS_open_tree, at, path,
	                                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
}

/* A new file with the data of `from`, which only the loop device knows once it is attached. */
static void copy_image(const char *from, const char *to)
{
	int in = (int)check(from, open(from, O_RDONLY | O_CLOEXEC));
	int out = (int)check(to, open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	off_t end = check(from, lseek(in, 0, SEEK_END)), at = 0, hole;
	static char data[1 << 20];

	check(to, ftruncate(out, end));
	while ((at = lseek(in, at, SEEK_DATA)) >= 0) {
		for (hole = lseek(in, at, SEEK_HOLE); at < hole;) {
			size_t size = (size_t)(hole - at);
			ssize_t n = pread(in, data, size < sizeof(data) ? size : sizeof(data), at);

			check(to, pwrite(out, data, (size_t)check(from, n), at));
			at += n;
		}
	}
	close(in);
	close(out);
}

static int open_upper(const char *image)
{
	char copy[4096], device[32];
	int tree;

	snprintf(copy, sizeof(copy), "%s.%ld", image, (long)getpid());
	copy_image(image, copy);
	tree = raw_attach(copy, false, device, sizeof(device));
	check(copy, unlink(copy));
	check("upper", mkdirat(tree, "upper", 0755));
	check("work", mkdirat(tree, "work", 0700));
	return tree;
}

static struct root open_root(char *path)
{
	struct root root = { -1, -1 };
	char *upper = strchr(path, ':'), device[32];
	struct stat st;

	if (upper)
		*upper++ = '\0';
	check(path, stat(path, &st));
	if (S_ISDIR(st.st_mode))
		root.base = open_tree(AT_FDCWD, path, 0);
	else
		root.base = raw_attach(path, upper, device, sizeof(device));
	if (upper)
		root.upper = open_upper(upper);
	return root;
}

static void move_to(int tree, const char *place)
{
	check("move_mount",
	      syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH));
}

static int mount_overlay(const struct root *root)
{
	static const char *const options[][2] = {
		{ "lowerdir", "/mnt" },
		{ "upperdir", "/media/upper" },
		{ "workdir", "/media/work" },
	};
	int fs = (int)check("fsopen", syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC));

	move_to(root->base, "/mnt");
	move_to(root->upper, "/media");
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		check(options[i][0], syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, options[i][0],
		                             options[i][1], 0));
	check("mount overlay", syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	return (int)check("fsmount", syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
}

static void run_inside(const struct root *root, const struct container *container, char **argv)
{
	int tree = root->base;

	if (container)
		raw_cgroup_enter(&container->cgroup);
	check("private", mount(NULL, "/", NULL, FLAG_REC | FLAG_PRIVATE, NULL));
	if (root->upper >= 0)
		tree = mount_overlay(root);
	move_to(tree, "/mnt");
	check("fchdir", fchdir(tree));
	check("pivot_root", syscall(SYS_pivot_root, ".", "."));
	check("umount", umount2(".", FLAG_DETACH));
	check("proc", mount("proc", "/proc", "proc", FLAG_NOSUID | FLAG_NODEV | FLAG_NOEXEC, NULL));
	if (container) {
		raw_dev();
		raw_hide();
		raw_cgroup_show(&container->cgroup);
		raw_confine();
	}
	execv(argv[0], argv);
	check(argv[0], -1);
}

/* A record of the container, its control group; and over a directory, an overlay with an upper
 * layer beside it. */
static struct container begin(const char *folder, bool limits, struct root *root,
                              struct clone_args *args)
{
	struct container container = { .folder = -1, .mounts = -1 };
	struct stat st;

	container.folder = raw_container(folder, container.name, sizeof(container.name));
	container.cgroup = raw_cgroup(limits, args);
	check("root", fstatat(root->base, "", &st, AT_EMPTY_PATH));
	if (root->upper < 0 && S_ISDIR(st.st_mode) && later_is_unnoticed(root->base))
		root->upper = open_tree(container.folder, "", AT_EMPTY_PATH);
	return container;
}

static void note_running(struct container *container, const struct root *root, pid_t pid)
{
	char name[64];

	raw_running(container->folder, pid);
	if (root->upper < 0 || !later_is_unnoticed(root->upper))
		return;
	snprintf(name, sizeof(name), "/proc/%ld/ns/mnt", (long)pid);
	container->mounts = open(name, O_RDONLY | O_CLOEXEC);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(struct root *root, bool has_veth, const char *folder, bool limits, char **argv)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct container container = { .folder = -1, .mounts = -1 };
	int status;
	pid_t pid;

	args.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
	             CLONE_VFORK;
	if (has_veth)
		raw_veth();
	else
		args.flags |= CLONE_NEWNET;
	if (folder)
		container = begin(folder, limits, root, &args);
	pid = (pid_t)check("clone3", syscall(SYS_clone3, &args, sizeof(args)));
	if (!pid)
		run_inside(root, folder ? &container : NULL, argv);
	if (folder)
		note_running(&container, root, pid);
	status = wait_for(pid);
	close(root->upper);
	close(root->base);
	if (folder) {
		raw_remove(container.folder, container.name);
		raw_cgroup_remove(&container.cgroup);
	}
	later_close(&container.mounts);
	return status;
}

int main(int argc, char **argv)
{
	const char *folder = NULL;
	bool has_veth = false, limits = false;
	struct root root;
	int at = 1;

	if (at < argc && !strcmp(argv[at], "--veth")) {
		has_veth = true;
		at++;
	}
	if (at + 1 < argc && (!strcmp(argv[at], "--system") || !strcmp(argv[at], "--limits"))) {
		limits = !strcmp(argv[at], "--limits");
		folder = argv[at + 1];
		at += 2;
	}
	if (argc - at < 2) {
		fprintf(stderr,
		        "usage: floor [--veth] [--system|--limits FOLDER] ROOT COMMAND [ARG...]\n");
		return 2;
	}
	root = open_root(argv[at]);
	return run(&root, has_veth, folder, limits, argv + at + 1);
}
