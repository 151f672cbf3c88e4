/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that serves a volume, and the one that watches it.
 *
 * A server that is stopped would hang whoever uses the volume, in the kernel and beyond any signal;
 * its watcher, which is its parent, makes it go on. When the watcher dies the server does too, and
 * when the server ends the watcher follows: to everybody else they are one.
 *
 * The server must never wait for the filesystem that it serves. So its memory stays in memory
 * where that is permitted, and it opens nothing by name.
 */
#include "ploop/server_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"

#define RING_ENTRIES 256u
/* Looking for news costs the processor, sleeping and being woken costs the guest some 20 us. */
#define SPIN_US 50u
/* With more requests than these under way, what comes meanwhile is handled together; and those who
 * make the requests need the processor. */
#define SPIN_DEPTH 4u
/* Quiet for so long: what was needed under load is given back. */
#define IDLE_MS 1000

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

/* --- the watcher --- */

/* Does not return before the server has ended. */
static int watch(pid_t pid)
{
	siginfo_t info;

	prctl(PR_SET_NAME, "stor-watch");
	/* The locks and the connection are the server's alone. */
	syscall(SYS_close_range, 3, ~0u, 0);
	for (;;) {
		if (waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED) < 0) {
			if (errno == EINTR)
				continue;
			return 1;
		}
		if (info.si_code != CLD_STOPPED)
			return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
		kill(pid, SIGCONT);
	}
}

/* --- the server's process --- */

static bool may_lock_memory(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return !syscall(SYS_capget, &header, data) && data[0].effective & 1u << CAP_IPC_LOCK;
}

/* Both processes: neither outlives the other. */
static void refuse_to_be_killed_for_memory(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		host->log(STOR_LOG_DEBUG, "ploop: the server may be killed for its memory");
	close_fd(&fd);
}

/* Each is as good as this process may have it; the server works without them. */
static void stay_alive(void)
{
	/* As the kernel's own threads for block devices: whoever waits for this one cannot go on.
	 */
	setpriority(PRIO_PROCESS, 0, -10);
	/* Memory that this process asks for is not to be had by writing to what it serves. */
	prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	/* Without the capability, memory beyond a limit could then not be had at all. */
	if (may_lock_memory() && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		host->log(STOR_LOG_DEBUG, "ploop: the server's memory is not locked");
}

/* It ends when its volume is released, not when somebody asks. */
static void ignore_signals(void)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU
	};
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigemptyset(&ignore.sa_mask);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &ignore, NULL);
}

static int begin(struct ploop_server *server, struct stor_err *err)
{
	if (ring_init(&server->ring, RING_ENTRIES, export_wants_wide_ring(), err))
		return -1;
	server->export = export_start(&server->ring, server->fuse_fd, &server->target, err);
	if (!server->export) {
		ring_free(&server->ring);
		return -1;
	}
	server->is_turning = true;
	ploop_control_poll(server);
	/* What the kernel offers waits to be read, where there may be a choice. */
	while (export_way(server->export) == EXPORT_UNDECIDED && !export_is_over(server->export))
		if (ring_turn(&server->ring, 0, -1) < 0)
			break;
	return 0;
}

void ploop_server_go_direct(struct ploop_server *server)
{
	server->is_direct = true;
	ploop_engine_go_direct(server->engine, server->shared_files, server->granule_bytes);
}

/* Returns 0 when the volume was released, -1 when the ring failed. */
static int serve(struct ploop_server *server)
{
	int64_t from_ms = monotonic_ms();
	bool is_trimmed = false;

	while (!export_is_over(server->export)) {
		unsigned spin_us = export_depth(server->export) > SPIN_DEPTH ? 0 : SPIN_US;
		int count = ring_turn(&server->ring, spin_us, is_trimmed ? -1 : IDLE_MS);

		if (count < 0)
			return -1;
		if (!server->is_direct && server->direct_after_ms >= 0 &&
		    monotonic_ms() - from_ms >= server->direct_after_ms)
			ploop_server_go_direct(server);
		is_trimmed = !count && !export_depth(server->export);
		if (is_trimmed)
			export_trim(server->export);
		if (server->is_asked)
			ploop_control_handle(server);
	}
	/* What was answered may still have work to finish: a flush that nobody asked for. */
	ploop_engine_hold(server->engine);
	while (!ploop_engine_is_quiet(server->engine))
		if (ring_turn(&server->ring, SPIN_US, -1) < 0)
			return -1;
	server->is_turning = false;
	ploop_engine_release(server->engine);
	return 0;
}

static int run(struct ploop_server *server)
{
	struct stor_err *err = ploop_control_own_errors();
	bool has_failed = begin(server, err) < 0;
	int result = 0;

	ploop_control_started(server, has_failed);
	if (has_failed)
		close_fd(&server->fuse_fd);
	else if (serve(server) < 0)
		/* I/O may be under way that nobody will hear of: the image stays as after a power
		 * cut. */
		_exit(1);
	if (!has_failed) {
		export_free(server->export);
		ring_free(&server->ring);
	}
	/* What the flush at the end cannot write leaves the mark for the next one to see. */
	if (server->is_throwaway)
		ploop_engine_abandon(server->engine);
	else if (ploop_engine_close(server->engine, err))
		result = 1;
	ploop_server_spare_free(server);
	return result;
}

int ploop_server_main(void *arg, int control_fd)
{
	struct ploop_server *server = arg;
	pid_t watcher = getpid(), pid;

	refuse_to_be_killed_for_memory();
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid)
		return watch(pid);
	/* A signal to the watcher's group is not one to the server. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != watcher)
		_exit(1);
	server->control_fd = control_fd;
	ignore_signals();
	stay_alive();
	_exit(run(server));
}
