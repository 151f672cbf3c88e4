/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What needs nothing of its own on the disk. host: the command with the image's tree as its root,
 * and no container. floor: the least that a container is, new namespaces and a root that is pivoted
 * to, made by this program without a decision. bwrap.
 */
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/subject.h"
#include "core/base/proc.h"

static char *cannot_limit(const struct subject *subject, const struct row *row)
{
	return *row->limits ? xasprintf("%s has no limits", subject->name) : NULL;
}

/* --- host and floor -------------------------------------------------------------------------- */

static int fail(const char *what)
{
	fprintf(stderr, "stor-bench: %s: %s\n", what, strerror(errno));
	return 125;
}

static int execute(char **argv)
{
	/* As containers have it: nothing of the host's. */
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		NULL
	};

	execvpe(argv[0], argv, (char *const *)environment);
	fail(argv[0]);
	return errno == ENOENT ? 127 : 126;
}

int bare_host(const char *root, char **argv)
{
	/* A /proc is all that programs cannot do without. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    chdir(root) < 0 || mount("proc", "proc", "proc", 0, NULL) < 0 ||
	    mount("/dev", "dev", NULL, MS_BIND | MS_REC, NULL) < 0 || chroot(".") < 0)
		return fail(root);
	return execute(argv);
}

static int floor_child(const char *root, char **argv)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(root, root, NULL, MS_BIND, NULL) < 0 || chdir(root) < 0 ||
	    mount("/dev", "dev", NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount("proc", "proc", "proc", 0, NULL) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		return fail(root);
	return execute(argv);
}

int bare_floor(const char *root, char **argv)
{
	const uint64_t namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
	                            CLONE_NEWCGROUP | CLONE_NEWNET;
	struct clone_args args = { .flags = namespaces | CLONE_VFORK, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	int status;

	if (pid < 0)
		return fail("clone");
	if (!pid)
		_exit(floor_child(root, argv));
	status = proc_wait((pid_t)pid);
	return proc_exit_code(status);
}

static int wrap_bare(const struct bench *bench, const struct subject *subject,
                     const struct row *row, const struct strv *payload, struct command *command,
                     struct stor_err *err)
{
	(void)err;
	strv_add(&command->argv, bench->self);
	strv_take(&command->argv, xasprintf("--%s", subject->does->name));
	strv_take(&command->argv, bench_root(bench, row->image));
	strv_add_all(&command->argv, payload);
	return 0;
}

const struct subject_kind subject_floor = {
	.name = "floor",
	.kind = DATA_FLOOR,
	.no_network = "floor has no network",
	.cannot = cannot_limit,
	.wrap = wrap_bare,
};

const struct subject_kind subject_host = {
	.name = "host",
	.kind = DATA_HOST,
	.cannot = cannot_limit,
	.wrap = wrap_bare,
};

/* --- bwrap ----------------------------------------------------------------------------------- */

static int wrap_bwrap(const struct bench *bench, const struct subject *subject,
                      const struct row *row, const struct strv *payload, struct command *command,
                      struct stor_err *err)
{
	static const char *const words[] = {
		"bwrap",         "--unshare-pid",    "--unshare-ipc",     "--unshare-uts",
		"--unshare-net", "--unshare-cgroup", "--die-with-parent", "--clearenv",
		"--bind",
	};
	static const char *const rest[] = { "/", "--proc", "/proc", "--dev", "/dev", "--" };

	(void)subject;
	(void)err;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		strv_add(&command->argv, words[i]);
	strv_take(&command->argv, bench_root(bench, row->image));
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++)
		strv_add(&command->argv, rest[i]);
	strv_add_all(&command->argv, payload);
	return 0;
}

const struct subject_kind subject_bwrap = {
	.name = "bwrap",
	.kind = DATA_PEER,
	.program = "bwrap",
	.no_network = "bwrap makes no networks",
	.cannot = cannot_limit,
	.wrap = wrap_bwrap,
};
