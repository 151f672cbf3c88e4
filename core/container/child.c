/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of the steps between clone and exec, and those that need no file of their own. */
#include "core/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/sys.h"
#include "core/container/child_kill.h"
#include "core/container/netns.h"

int child_fail(struct child *child, enum report_step step, int errnum, const char *detail)
{
	struct report *r = child->report;

	r->errnum = errnum;
	if (detail) {
		size_t n = strnlen(detail, sizeof(r->detail) - 1);

		memcpy(r->detail, detail, n);
		r->detail[n] = '\0';
	}
	r->step = step;
	return -1;
}

/*
 * Die with stor. The kernel forgets the death signal whenever credentials change, and sends none
 * for a parent that is gone already: so this is called after each change, and looks.
 */
static int die_with_parent(struct child *child)
{
	struct pollfd parent = { .fd = child->plan->parent_pidfd, .events = POLLIN };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return child_fail(child, STEP_SETUP, errno, "set the death signal");
	if (poll(&parent, 1, 0) != 0)
		return child_fail(child, STEP_PARENT_GONE, 0, NULL);
	return 0;
}

/*
 * Leaves the mount namespace open in the parent, whose table of descriptors is this process's too
 * until here.
 */
static int share_mounts(struct child *child)
{
	if (!child->plan->keeps_mounts)
		return 0;
	child->report->mounts_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (child->report->mounts_fd < 0)
		return child_fail(child, STEP_SETUP, errno, "open /proc/self/ns/mnt");
	if (unshare(CLONE_FILES) < 0)
		return child_fail(child, STEP_SETUP, errno, "copy the table of descriptors");
	return 0;
}

/*
 * stor may have been started with signals ignored; the command starts with a clean sheet. By the
 * system call, for the C library keeps two signals to itself, which its posix_spawn() ignores.
 */
static void reset_signals(void)
{
	/* The kernel's struct sigaction, whose size differs by architecture: handler, flags,
	 * restorer and mask, all 0. */
	static const unsigned long as_made[8];

	for (int i = 1; i < _NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP)
			syscall(SYS_rt_sigaction, i, as_made, NULL, (size_t)_NSIG / 8);
}

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_identity(struct child *child)
{
	const char *hostname = child->plan->hostname;

	umask(0);
	if (setsid() < 0)
		return child_fail(child, STEP_SETUP, errno, "make a session");
	if (sethostname(hostname, strlen(hostname)) < 0)
		return child_fail(child, STEP_SETUP, errno, "set the host name");
	if (child->plan->net_fd >= 0 && setns(child->plan->net_fd, CLONE_NEWNET) < 0)
		return child_fail(child, STEP_SETUP, errno, "join the network namespace");
	if ((child->plan->clone_flags & CLONE_NEWNET) && netns_raise_loopback() < 0)
		return child_fail(child, STEP_SETUP, errno, "bring lo up");
	return 0;
}

static int lookup_user(struct child *child)
{
	const struct plan *plan = child->plan;
	enum user_result result =
		users_lookup(child->root_fd, &plan->user, child->ids, &child->report->which);
	size_t length;

	if (result != USER_FOUND) {
		child->report->index = result;
		return child_fail(child, STEP_USER, 0, NULL);
	}
	if (!plan->env[plan->env_count])
		return 0;
	/* The environment's last entry is child->home, "HOME=" so far. */
	length = strlen(child->ids->home) + 1;
	if (length <= sizeof(plan->home) - 5)
		memcpy(child->home + 5, child->ids->home, length);
	return 0;
}

static int make_root(struct child *child)
{
	child_kill_point(child, "child-begin");
	if (die_with_parent(child) < 0 || share_mounts(child) < 0 || child_know_itself(child) < 0)
		return -1;
	reset_signals();
	child_kill_point(child, "child-guarded");
	if (child_join_cgroup(child) < 0)
		return -1;
	if (set_identity(child) < 0 || child_enter_root(child) < 0)
		return -1;
	child_kill_point(child, "child-root");
	if (child_mount_dev(child) < 0 || child_make_devices(child) < 0 ||
	    child_mount_system(child) < 0 || child_mount_cgroup(child) < 0 ||
	    child_leave_host(child) < 0)
		return -1;
	child_kill_point(child, "child-mounts");
	return 0;
}

static int fill_root(struct child *child)
{
	if (child_mount_all(child) < 0 || lookup_user(child) < 0 || child_take_stdio(child) < 0 ||
	    child_enter_workdir(child) < 0 || child_seal_root(child) < 0)
		return -1;
	child_kill_point(child, "child-filled");
	return 0;
}

/*
 * Whatever stor inherited or opened ends here, before the command's path is looked at: by
 * /proc/self/fd it could lead through a folder of the host. The table of descriptors is the
 * child's. What stays, for a moment, leads nowhere.
 */
static int close_descriptors(struct child *child)
{
	int low = child->plan->init_fd, high = child->plan->parent_pidfd;

	if (low > high) {
		low = child->plan->parent_pidfd;
		high = child->plan->init_fd;
	}
	if ((low > 3 && syscall(SYS_close_range, 3, low - 1, 0) < 0) ||
	    (high > (low < 3 ? 3 : low + 1) &&
	     syscall(SYS_close_range, low < 3 ? 3 : low + 1, high - 1, 0) < 0) ||
	    syscall(SYS_close_range, high + 1, CHILD_LAST_FD, 0) < 0)
		return child_fail(child, STEP_SETUP, errno, "close descriptors");
	return 0;
}

/* From the root on, all commands do the same. Returns only where even an exit was not possible. */
static void execute(struct child *child)
{
	umask(022);
	if (child_note_running(child) < 0)
		_exit(125);
	child_kill_point(child, "child-noted");
	if (close_descriptors(child) < 0 || child_check_command(child) < 0 ||
	    child_drop_privileges(child) < 0)
		_exit(125);
	if ((child->plan->outlives ? child_outlive_parent(child) : die_with_parent(child)) < 0)
		_exit(125);
	child_kill_point(child, "child-dropped");
	unblock_signals();
	if (child_seccomp(child) == 0)
		child_exec(child);
	syscall(SYS_exit_group, 125);
}

int child_main(void *arg)
{
	struct child *child = arg;

	if (make_root(child) < 0 || fill_root(child) < 0)
		_exit(125);
	execute(child);
	/* Under a filter of the user's own that allows no exit, this is one. */
	__builtin_trap();
}

/* --- joining a container --------------------------------------------------------------------- */

#define JOINED (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)

/* Into its cgroup first, as long as the host's tree is there. */
static int join(struct child *child)
{
	if (die_with_parent(child) < 0)
		return -1;
	reset_signals();
	if (child_join_cgroup(child) < 0)
		return -1;
	if (setns(child->plan->join_pidfd, JOINED) < 0)
		return child_fail(child, STEP_SETUP, errno, "join the container's namespaces");
	umask(0);
	if (setsid() < 0)
		return child_fail(child, STEP_SETUP, errno, "make a session");
	child->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (child->root_fd < 0)
		return child_fail(child, STEP_SETUP, errno, "open the container's root");
	return 0;
}

/*
 * What outlives stor is made a child of the container's first process: a zombie whose parent is
 * outside would keep the container from ending. This process stands still until the new one has
 * executed, and ends.
 */
static void move_to_container(void)
{
	long pid = syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid)
		_exit(pid < 0 ? 125 : 0);
}

void child_join_main(struct child *child)
{
	if (child->plan->outlives)
		move_to_container();
	if (join(child) < 0 || lookup_user(child) < 0 || child_take_stdio(child) < 0 ||
	    child_enter_workdir(child) < 0)
		_exit(125);
	execute(child);
	__builtin_trap();
}
