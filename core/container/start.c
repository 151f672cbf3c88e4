/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making the container's first process: see start.h. */
#include "core/container/start.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/proc.h"
#include "core/container/child.h"
#include "core/container/child_kill.h"

#define STACK_BYTES ((size_t)256 << 10)

int process_receive_master(int socket_fd)
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
		         plan->clone_flags & CLONE_NEWNET ? ", net" : "");
	return 125;
}

#ifdef __x86_64__
/*
 * clone3(2) with a stack for the child, which the C library does not offer: only this call takes a
 * cgroup to be born into. The child calls child_main(), which does not return.
 */
static pid_t clone_into_cgroup(struct clone_args *args, struct child *child)
{
	register int (*entry)(void *) __asm__("r12") = child_main;
	register void *argument __asm__("r13") = child;
	long result = SYS_clone3;

	__asm__ volatile("syscall\n\t"
	                 "test %%rax, %%rax\n\t"
	                 "jnz 1f\n\t"
	                 "xor %%ebp, %%ebp\n\t"
	                 "mov %[argument], %%rdi\n\t"
	                 "call *%[entry]\n\t"
	                 "ud2\n"
	                 "1:"
	                 : "+a"(result)
	                 : "D"(args),
	                   "S"(sizeof(*args)), [entry] "r"(entry), [argument] "r"(argument)
	                 : "rcx", "r11", "memory");
	if (result < 0) {
		errno = (int)-result;
		return -1;
	}
	return (pid_t)result;
}
#endif

static pid_t clone_process(struct plan *plan, struct child *child, void *stack, int *pidfd)
{
	unsigned long flags = plan->clone_flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD;

#ifdef __x86_64__
	if (plan->cgroup.entry.into_fd >= 0) {
		struct clone_args args = {
			.flags = flags | CLONE_INTO_CGROUP,
			.pidfd = (uint64_t)(uintptr_t)pidfd,
			.exit_signal = SIGCHLD,
			.stack = (uint64_t)(uintptr_t)stack,
			.stack_size = STACK_BYTES,
			.cgroup = (uint64_t)plan->cgroup.entry.into_fd,
		};

		return clone_into_cgroup(&args, child);
	}
#endif
	return clone(child_main, (char *)stack + STACK_BYTES, (int)flags | SIGCHLD, child, pidfd);
}

/*
 * The child runs in this process's memory, on a stack of its own, and this process stands still
 * until it has executed or ended: nothing is copied, and its report needs no pipe.
 */
static int clone_child(struct plan *plan, struct child *child, void *stack, struct process *process,
                       struct stor_err *err)
{
	kill_point("clone");
	process->pid = clone_process(plan, child, stack, &process->pidfd);
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
	process->master_fd = process_receive_master(socket_fd);
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
