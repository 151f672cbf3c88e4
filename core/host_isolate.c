/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a call in a child process: its result and its report come back through shared memory, and
 * a crash or a hang of it is an error here. */
#include "core/host.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/sized.h"

/* What parent and child share; `out` follows, on a boundary that suits any type. */
struct shared {
	int result;
	bool is_finished;
	struct stor_err err;
	_Alignas(max_align_t) unsigned char out[];
};

/* Does not return. */
static void run_child(const struct stor_call_req *req, struct shared *shared, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(125);
	shared->result = req->call(req->arg, shared->out, &shared->err);
	shared->is_finished = true;
	_exit(0);
}

/* Waits until the child ends. Returns 1 when it had to be killed because its time was over, else 0;
 * -1 with errno. */
static int wait_bounded(pid_t pid, uint32_t timeout_ms)
{
	cleanup_close int pidfd = sys_pidfd_open(pid);
	struct pollfd ready = { .fd = pidfd, .events = POLLIN };
	int64_t end = monotonic_ms() + timeout_ms;

	if (pidfd < 0)
		return -1;
	for (;;) {
		int64_t left = timeout_ms ? end - monotonic_ms() : -1;
		int n;

		if (timeout_ms && left <= 0)
			break;
		n = poll(&ready, 1, left > INT32_MAX ? INT32_MAX : (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
	kill(pid, SIGKILL);
	return 1;
}

/* Turns how the child ended into this call's result. */
static int take_result(const struct stor_call_req *req, const struct shared *shared, int status,
                       bool is_late, struct stor_err *err)
{
	if (is_late && !shared->is_finished) {
		err_fail(err, STOR_FAILED, 0, "isolated call: not done after %u ms",
		         req->timeout_ms);
		return -1;
	}
	if (!shared->is_finished && WIFSIGNALED(status))
		return err_fail(err, STOR_FAILED, 0, "isolated call: ended by signal %d (%s)",
		                WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (!shared->is_finished)
		return err_fail(err, STOR_FAILED, 0,
		                "isolated call: it left the process with status %d",
		                WEXITSTATUS(status));
	if (req->out_size)
		memcpy(req->out, shared->out, req->out_size);
	if (shared->err.status != STOR_OK) {
		if (shared->err.hint[0])
			err_hint(err, "%s", shared->err.hint);
		err_fail(err, shared->err.status, 0, "%s", shared->err.text);
		err->errnum = shared->err.errnum;
		return -1;
	}
	return shared->result
	               ? err_fail(err, STOR_FAILED, 0, "isolated call: failed without saying why")
	               : 0;
}

static int call_isolated(const struct stor_call_req *req, struct stor_err *err)
{
	size_t size = sizeof(struct shared) + req->out_size;
	struct shared *shared =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int is_late, status, result;
	pid_t parent = getpid(), pid;

	if (shared == MAP_FAILED)
		return err_fail(err, STOR_FAILED, errno, "isolated call: shared memory");
	pid = fork();
	if (!pid)
		run_child(req, shared, parent);
	if (pid < 0) {
		err_fail(err, STOR_FAILED, errno, "isolated call: fork");
		munmap(shared, size);
		return -1;
	}
	is_late = wait_bounded(pid, req->timeout_ms);
	if (is_late < 0) {
		err_fail(err, STOR_FAILED, errno, "isolated call: wait");
		kill(pid, SIGKILL);
	}
	status = proc_wait(pid);
	result = is_late < 0 ? -1 : take_result(req, shared, status, is_late, err);
	munmap(shared, size);
	return result;
}

int host_call_isolated(const struct stor_call_req *req, struct stor_err *err)
{
	struct stor_call_req known;

	if (sized_take(&known, sizeof(known), req,
	               STOR_SIZE_UP_TO(struct stor_call_req, out_size)) < 0)
		return err_fail(err, STOR_FAILED, 0,
		                "isolated call: struct_size is smaller than in any version");
	return call_isolated(&known, err);
}
