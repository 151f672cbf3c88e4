/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See exec.h. Unlike the first process, this one is among others, which may have the capability to
 * trace it; so it shares no memory with stor but the page of its report, and is not to be looked
 * into (PR_SET_DUMPABLE).
 */
#include "core/container/exec.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/container/child.h"
#include "core/container/plan.h"
#include "core/container/start.h"

#define STATUS_FAILED 125

/* A fork, with a pidfd, whose parent goes on when it has executed or ended. The kernel puts it into
 * the namespace for processes that setns() has set; into_fd: and into this cgroup. */
static pid_t fork_process(int into_fd, int *pidfd)
{
	struct clone_args args = {
		.flags = CLONE_VFORK | CLONE_PIDFD | (into_fd >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)(into_fd >= 0 ? into_fd : 0),
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* What it wrote is not trusted. */
static void check_report(struct report *report, const struct plan *plan)
{
	report->detail[sizeof(report->detail) - 1] = '\0';
	if ((report->step == STEP_ULIMIT && report->index >= plan->config->ulimit_count) ||
	    (report->step == STEP_USER && report->which >= plan->config->group_add.count &&
	     report->index == USER_UNKNOWN_ADDED) ||
	    report->step == STEP_MOUNT || report->step == STEP_MOUNT_POINT)
		report->step = STEP_PRIVILEGES;
	else if (report->step >= STEP_NOT_FOUND && report->index >= plan->exec_paths.count)
		report->index = 0;
}

/* Whatever else this process starts is none of the container's. Keeps errno. */
static void leave_processes(const struct plan *plan)
{
	int errnum = errno;

	if (setns(plan->parent_pidfd, CLONE_NEWPID) < 0)
		log_debug("leave the container's processes: %m");
	errno = errnum;
}

static int start(struct plan *plan, struct report *report, struct process *process,
                 struct stor_err *err)
{
	cleanup_free struct user_ids *ids = xmalloc(sizeof(*ids));
	struct child child = {
		.plan = plan,
		.report = report,
		.ids = ids,
		.home = plan->home,
		.root_fd = -1,
		.old_fd = -1,
	};

	if (setns(plan->join_pidfd, CLONE_NEWPID) < 0)
		return err_fail(err, STOR_FAILED, errno, "join the container's processes");
	process->pid = fork_process(plan->cgroup.entry.into_fd, &process->pidfd);
	if (process->pid)
		leave_processes(plan);
	if (process->pid < 0)
		/* ENOMEM is how the kernel says that the namespace has no first process. */
		return err_fail(err, STOR_FAILED, errno == ENOMEM ? 0 : errno,
		                errno == ENOMEM ? "the container has ended"
		                                : "make a process in the container");
	if (process->pid == 0)
		child_join_main(&child);
	if (report->step == STEP_NONE && !plan->outlives)
		return 0;
	/* With a command that outlives this process, it was only between. */
	proc_wait(process->pid);
	close_fd(&process->pidfd);
	return report->step == STEP_NONE ? 0 : -1;
}

static int start_reported(struct plan *plan, struct process *process, struct stor_err *err)
{
	struct report *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct report report;
	int status = 0;

	if (shared == MAP_FAILED) {
		err_fail(err, STOR_FAILED, errno, "make shared memory");
		return STATUS_FAILED;
	}
	shared->mounts_fd = -1;
	if (start(plan, shared, process, err) < 0) {
		report = *shared;
		check_report(&report, plan);
		status = err->status != STOR_OK ? STATUS_FAILED
		                                : report_to_error(&report, plan, err);
	}
	munmap(shared, sizeof(*shared));
	return status;
}

/* With a terminal, its master comes over a socket. */
static int start_connected(struct plan *plan, struct process *process, struct stor_err *err)
{
	cleanup_close int socket_fd = -1;
	int status, ends[2];

	if (plan->config->tty) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
			err_fail(err, STOR_FAILED, errno, "make a socket");
			return STATUS_FAILED;
		}
		socket_fd = ends[0];
		plan->console_fd = ends[1];
	}
	status = start_reported(plan, process, err);
	if (status || !plan->config->tty)
		return status;
	process->master_fd = process_receive_master(socket_fd);
	if (process->master_fd >= 0)
		return 0;
	err_fail(err, STOR_FAILED, errno, "the command's process gave no terminal");
	return STATUS_FAILED;
}

int container_exec(const struct container_config *config, int pidfd, pid_t first,
                   const struct cgroup *cgroup, struct stor_err *err)
{
	cleanup_plan struct plan plan = PLAN_INIT;
	struct process process = PROCESS_INIT;
	int status = STATUS_FAILED;
	sigset_t old;

	if (plan_make_exec(&plan, config, err) < 0 ||
	    plan_join_cgroup(&plan, cgroup, first, err) < 0)
		return STATUS_FAILED;
	plan.join_pidfd = pidfd;
	monitor_prepare(&old);
	status = start_connected(&plan, &process, err);
	plan_free(&plan);
	plan = (struct plan)PLAN_INIT;
	if (status == 0 && !config->is_detached) {
		status = monitor_wait(&process, config, err);
		status = status < 0 ? STATUS_FAILED : status;
	}
	close_fd(&process.pidfd);
	close_fd(&process.master_fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}
