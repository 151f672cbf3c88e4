/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a server process: forked twice, so that it is nobody's child and no zombie stays; it
 * sends a pidfd of itself over its control socket once it is set up, so that the descriptor is
 * certainly its own, however soon it dies.
 */
#include "core/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/sized.h"

#define KEEP_MAX 256

/* Borrowed; NULL: servers are where this process is. */
static struct cgroup *server_cgroup;

void host_put_servers_into(struct cgroup *cgroup)
{
	server_cgroup = cgroup;
}

/* Room for one descriptor in a control message. */
union fd_message {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static int send_fd(int socket_fd, int fd)
{
	union fd_message control = { .room = { 0 } };
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data,
		                  .msg_iovlen = 1,
		                  .msg_control = control.room,
		                  .msg_controllen = sizeof(control.room) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* The descriptor, or -1: the other side ended before it sent one. */
static int receive_fd(int socket_fd)
{
	union fd_message control;
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data,
		                  .msg_iovlen = 1,
		                  .msg_control = control.room,
		                  .msg_controllen = sizeof(control.room) };
	struct cmsghdr *header;
	ssize_t n;
	int fd;

	do
		n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	header = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static void reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigemptyset(&standard.sa_mask);
	for (int number = 1; number < NSIG; number++)
		sigaction(number, &standard, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the new process: everything that struct stor_server_req promises. */
static int become_server(const struct stor_server_req *req, int *kept, size_t count, int control_fd,
                         int peer_fd)
{
	bool keeps_peer = req->flags & STOR_SERVER_KEEPS_PEER;
	int null_fd, self_fd, result;

	reset_signals();
	if (setsid() < 0 || chdir("/") < 0)
		return -1;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || dup2(keeps_peer ? peer_fd : null_fd, STOR_SERVER_PEER_FD) < 0 ||
	    dup2(null_fd, STDOUT_FILENO) < 0 || dup2(null_fd, STDERR_FILENO) < 0 ||
	    proc_close_others(kept, count) < 0)
		return -1;
	host_set_title(req->name);
	self_fd = sys_pidfd_open(getpid());
	if (self_fd < 0)
		return -1;
	result = send_fd(control_fd, self_fd);
	close(self_fd);
	return result;
}

/* A fork into a cgroup of version 2. What the C library would do about it is for threads, and the
 * process between has one. */
static pid_t fork_into(int cgroup_fd)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup_fd,
	};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* The process between: makes the server and leaves. Does not return. */
static void run_between(const struct stor_server_req *req, const struct cgroup_entry *entry,
                        int *kept, size_t count, int control_fd, int peer_fd)
{
	pid_t pid;

	if (cgroup_enter(entry) < 0)
		_exit(errno);
	pid = entry->into_fd >= 0 ? fork_into(entry->into_fd) : fork();
	if (pid)
		_exit(pid < 0 ? errno : 0);
	if (become_server(req, kept, count, control_fd, peer_fd) < 0)
		_exit(125);
	_exit(req->main(req->arg, control_fd));
}

/* keep_fds and the control socket. Returns how many, or -1. */
static int list_kept(const struct stor_server_req *req, int control_fd, int *kept,
                     struct stor_err *err)
{
	int count = 0;

	for (const int *fd = req->keep_fds; fd && *fd != -1; fd++) {
		if (count == KEEP_MAX - 1)
			return err_fail(err, STOR_FAILED, E2BIG, "start %s: descriptors to keep",
			                req->name);
		if (*fd <= STDERR_FILENO || fcntl(*fd, F_GETFD) < 0)
			return err_fail(err, STOR_FAILED, EBADF, "start %s: keep descriptor %d",
			                req->name, *fd);
		kept[count++] = *fd;
	}
	kept[count++] = control_fd;
	return count;
}

/* The request as this stor has it, and room for the answer. */
static int take_request(const struct stor_server_req *from, const struct stor_server *server,
                        struct stor_server_req *req, struct stor_err *err)
{
	const size_t least = STOR_SIZE_UP_TO(struct stor_server_req, keep_fds);

	if (sized_take(req, sizeof(*req), from, least) < 0 || !STOR_HAS(server, control_fd)) {
		err_fail(err, STOR_FAILED, 0,
		         "start a server: struct_size is smaller than in any version");
		return -1;
	}
	if (req->flags & ~STOR_SERVER_KEEPS_PEER) {
		err_fail(err, STOR_UNSUPPORTED, 0,
		         "start %s: flags 0x%x, which this stor does not know", req->name,
		         req->flags);
		return -1;
	}
	return 0;
}

static int spawn(const struct stor_server_req *req, struct stor_server *server,
                 struct stor_err *err)
{
	cleanup_close int our_fd = -1, their_fd = -1;
	cleanup_cgroup_entry struct cgroup_entry entry = CGROUP_ENTRY_INIT;
	int ends[2], kept[KEEP_MAX] = { 0 }, count, pidfd, errnum;
	pid_t pid;

	if (server_cgroup && cgroup_open_servers(server_cgroup, &entry, err) < 0)
		return err_context(err, "start %s", req->name);

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_fail(err, STOR_FAILED, errno, "start %s: socket pair", req->name);
	our_fd = ends[0];
	their_fd = ends[1];
	count = list_kept(req, their_fd, kept, err);
	if (count < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return err_fail(err, STOR_FAILED, errno, "start %s: fork", req->name);
	if (!pid)
		run_between(req, &entry, kept, (size_t)count, their_fd, our_fd);
	close_fd(&their_fd);
	errnum = proc_exit_code(proc_wait(pid));
	if (errnum)
		return err_fail(err, STOR_FAILED, errnum, "start %s%s", req->name,
		                server_cgroup ? " in the container's cgroup" : "");
	pidfd = receive_fd(our_fd);
	if (pidfd < 0)
		return err_fail(err, STOR_FAILED, 0, "start %s: it ended before it began",
		                req->name);
	server->pidfd = pidfd;
	server->control_fd = steal_fd(&our_fd);
	return 0;
}

int host_spawn_server(const struct stor_server_req *req, struct stor_server *server,
                      struct stor_err *err)
{
	struct stor_server_req known;

	return take_request(req, server, &known, err) < 0 ? -1 : spawn(&known, server, err);
}
