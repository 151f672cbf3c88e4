/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making the container's first process: see start.h. */
#include "core/container/start.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/proc.h"
#include "core/container/child.h"
#include "core/container/child_kill.h"

#define STACK_BYTES ((size_t)256 << 10)

/* Takes the terminal's master, which the child sent before it executed. */
static int receive_master(int socket_fd)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return -1;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int))) {
		errno = EPROTO;
		return -1;
	}
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

static int clone_failed(const struct plan *plan, struct stor_err *err)
{
	int errnum = errno;

	err_fail(err, STOR_FAILED, errnum, "make the container's namespaces");
	if (errnum == EPERM)
		err_hint(err, "stor needs root privileges");
	else if (errnum == ENOSPC || errnum == EUSERS)
		err_hint(err, "a limit below /proc/sys/user/ is reached");
	else if (errnum == EINVAL)
		err_hint(err, "the kernel lacks one of the namespaces pid, mnt, ipc, uts, cgroup%s",
		         plan->makes_net ? ", net" : "");
	return 125;
}

/*
 * The child runs in this process's memory, on a stack of its own, and this process stands still
 * until it has executed or ended: nothing is copied, and its report needs no pipe.
 */
static int clone_child(struct plan *plan, struct child *child, void *stack, struct process *process,
                       struct stor_err *err)
{
	int flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
	            CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD |
	            (plan->makes_net ? CLONE_NEWNET : 0) | (plan->keeps_mounts ? CLONE_FILES : 0);

	kill_point("clone");
	process->pid =
		clone(child_main, (char *)stack + STACK_BYTES, flags, child, &process->pidfd);
	if (process->pid < 0)
		return clone_failed(plan, err);
	kill_point("cloned");
	if (child->report->step != STEP_NONE) {
		proc_wait(process->pid);
		close_fd(&process->pidfd);
		close_fd(&child->report->mounts_fd);
		return report_to_error(child->report, plan, err);
	}
	process->mounts_fd = child->report->mounts_fd;
	return 0;
}

static int start_with_stack(struct plan *plan, void *stack, struct process *process,
                            struct stor_err *err)
{
	cleanup_free struct user_ids *ids = xmalloc(sizeof(*ids));
	struct report report = { .step = STEP_NONE, .mounts_fd = -1 };
	struct child child = {
		.plan = plan,
		.report = &report,
		.ids = ids,
		.home = plan->home,
		.root_fd = -1,
		.old_fd = -1,
	};
	cleanup_close int socket_fd = -1;
	int status, ends[2];

	if (plan->config->tty) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
			err_fail(err, STOR_FAILED, errno, "make a socket");
			return 125;
		}
		socket_fd = ends[0];
		plan->console_fd = ends[1];
	}
	child_kill_prepare();
	status = clone_child(plan, &child, stack, process, err);
	if (status || !plan->config->tty)
		return status;
	process->master_fd = receive_master(socket_fd);
	if (process->master_fd >= 0)
		return 0;
	/* It died on the way, by a signal. */
	kill(process->pid, SIGKILL);
	proc_wait(process->pid);
	close_fd(&process->pidfd);
	close_fd(&process->mounts_fd);
	err_fail(err, STOR_FAILED, errno, "the container's first process gave no terminal");
	return 125;
}

int start_process(struct plan *plan, struct process *process, struct stor_err *err)
{
	void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	int status;

	if (stack == MAP_FAILED) {
		err_fail(err, STOR_FAILED, errno, "make a stack");
		return 125;
	}
	status = start_with_stack(plan, stack, process, err);
	munmap(stack, STACK_BYTES);
	return status;
}
