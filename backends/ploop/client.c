/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a volume's server: see client.h. */
#include "ploop/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/server_parts.h"

static int server_gone(const char *what, int errnum, struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, errnum, "%s: its server has ended", what);
}

/* One answer, whatever it answers. */
static int receive(int control_fd, int timeout_ms, const char *what,
                   struct ploop_control_answer *answer, struct stor_err *err)
{
	struct pollfd ready = { .fd = control_fd, .events = POLLIN };
	ssize_t n;
	int r;

	do
		r = poll(&ready, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (!r) {
		host->fail(err, STOR_FAILED, ETIMEDOUT, "%s: wait for its server", what);
		return -1;
	}
	do
		n = recv(control_fd, answer, sizeof(*answer), MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(*answer))
		return 0;
	if (n <= 0)
		server_gone(what, n < 0 ? errno : 0, err);
	else
		host->fail(err, STOR_FAILED, EPROTO, "%s: talk to its server", what);
	return -1;
}

int ploop_control_receive(int control_fd, uint64_t number, int timeout_ms, const char *what,
                          struct ploop_control_answer *answer, struct stor_err *err)
{
	/* Who asked before may have been killed before it got its answer. */
	do {
		if (receive(control_fd, timeout_ms, what, answer, err))
			return -1;
	} while (answer->number != number);
	if (!answer->status)
		return 0;
	answer->text[sizeof(answer->text) - 1] = '\0';
	answer->hint[sizeof(answer->hint) - 1] = '\0';
	/* The text ends with that of errnum already. */
	host->fail(err, (enum stor_status)answer->status, 0, "%s", answer->text);
	if (answer->hint[0])
		host->hint(err, "%s", answer->hint);
	return -1;
}

static uint64_t new_number(void)
{
	static uint32_t count;
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	/* Never 0, and never that of another process. */
	return ((uint64_t)getpid() << 40) ^ ((uint64_t)now.tv_sec << 30) ^ (uint64_t)now.tv_nsec ^
	       (uint64_t)++count << 56;
}

/* fds: request->fds of them. */
static int call(int control_fd, struct ploop_control_request *request, const int *fds,
                const char *what, struct ploop_control_answer *answer, struct stor_err *err)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * PLOOP_CONTROL_FDS_MAX)];
	} control = { .room = { 0 } };
	struct iovec data = { request, sizeof(*request) };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	size_t bytes = request->fds * sizeof(int);
	ssize_t n;

	if (control_fd < 0)
		return server_gone(what, 0, err);
	if (bytes) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(&control.header), fds, bytes);
	}
	request->number = new_number();
	do
		n = sendmsg(control_fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return server_gone(what, errno, err);
	return ploop_control_receive(control_fd, request->number, -1, what, answer, err);
}

/* The loop device that the filesystem of root_fd is on. */
static int open_loop(int root_fd, struct stor_err *err)
{
	char path[64], target[256], *name;
	struct stat st;
	ssize_t n = -1;
	int fd = -1;

	if (!fstat(root_fd, &st)) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(st.st_dev),
		         minor(st.st_dev));
		n = readlink(path, target, sizeof(target) - 1);
	}
	if (n > 0) {
		target[n] = '\0';
		name = strrchr(target, '/');
		snprintf(path, sizeof(path), "/dev/%.32s", name ? name + 1 : target);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	return fd < 0 ? host->fail(err, STOR_FAILED, errno, "ploop: open loop device") : fd;
}

int ploop_client_grow(int control_fd, int root_fd, uint64_t size_bytes, struct stor_err *err)
{
	struct ploop_control_request request = { .op = PLOOP_CONTROL_GROW, .argument = size_bytes };
	cleanup_close int loop_fd = open_loop(root_fd, err);
	struct ploop_control_answer answer;

	if (loop_fd < 0 || call(control_fd, &request, NULL, "ploop: grow", &answer, err))
		return -1;
	if (ioctl(loop_fd, LOOP_SET_CAPACITY) < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: grow loop device");
	return 0;
}

int ploop_client_push(int control_fd, int fd, int dir_fd, const char *name, struct stor_err *err)
{
	struct ploop_control_request request = { .op = PLOOP_CONTROL_PUSH,
		                                 .fds = dir_fd < 0 ? 1 : 2 };
	struct ploop_control_answer answer;
	const int fds[] = { fd, dir_fd };

	snprintf(request.name, sizeof(request.name), "%s", name);
	return call(control_fd, &request, fds, "ploop: new top", &answer, err);
}

int ploop_client_rebase(int control_fd, const int *fds, unsigned count, bool is_raw,
                        struct stor_err *err)
{
	struct ploop_control_request request = { .op = PLOOP_CONTROL_REBASE,
		                                 .fds = count,
		                                 .argument = is_raw };
	struct ploop_control_answer answer;

	return call(control_fd, &request, fds, "ploop: new chain", &answer, err);
}

int ploop_client_compact(int control_fd, uint64_t *freed_bytes, struct stor_err *err)
{
	struct ploop_control_request request = { .op = PLOOP_CONTROL_COMPACT };
	struct ploop_control_answer answer;

	if (call(control_fd, &request, NULL, "ploop: compact", &answer, err))
		return -1;
	*freed_bytes = answer.freed_bytes;
	return 0;
}

int ploop_client_usage(int control_fd, struct ploop_usage *usage, struct stor_err *err)
{
	struct ploop_control_request request = { .op = PLOOP_CONTROL_USAGE };
	struct ploop_control_answer answer;

	if (call(control_fd, &request, NULL, "ploop: usage", &answer, err))
		return -1;
	*usage = answer.usage;
	return 0;
}
