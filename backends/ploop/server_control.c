/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's end of its control socket: what others ask of a volume while it is used. */
#include "ploop/server_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"

/* --- errors of this process --- */

/* stor's error objects belong to the process that is to report them. Here what would fill one fills
 * the answer instead; nothing else of them is known to a backend, so one will do. */
static struct ploop_control_answer report;
static struct stor_host own_host;

static __attribute__((format(printf, 4, 5))) int keep_failure(struct stor_err *err,
                                                              enum stor_status status, int errnum,
                                                              const char *format, ...)
{
	size_t used;
	va_list args;

	(void)err;
	/* The first one is nearest to the cause. */
	if (report.status)
		return -1;
	report.status = status == STOR_OK ? STOR_FAILED : status;
	report.errnum = errnum;
	va_start(args, format);
	vsnprintf(report.text, sizeof(report.text), format, args);
	va_end(args);
	used = strlen(report.text);
	if (errnum)
		snprintf(report.text + used, sizeof(report.text) - used, ": %s", strerror(errnum));
	return -1;
}

static __attribute__((format(printf, 2, 3))) void keep_hint(struct stor_err *err,
                                                            const char *format, ...)
{
	va_list args;

	(void)err;
	va_start(args, format);
	if (!report.hint[0])
		vsnprintf(report.hint, sizeof(report.hint), format, args);
	va_end(args);
}

/* Nobody looks at this process, and who asked waits with a progress of its own. */
static int no_progress(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                       struct stor_err *err)
{
	(void)what;
	(void)done_bytes;
	(void)total_bytes;
	(void)err;
	return 0;
}

struct stor_err *ploop_control_own_errors(void)
{
	own_host = *host;
	own_host.fail = keep_failure;
	own_host.hint = keep_hint;
	own_host.progress = no_progress;
	host = &own_host;
	return (struct stor_err *)&report;
}

/* --- requests --- */

/* Takes the descriptor over. */
static int push(struct ploop_server *server, const struct ploop_control_request *request, int fd,
                struct stor_err *err)
{
	struct ploop_link link = { .name = request->name };
	int r = fd < 0 ? -EBADF : ploop_file_from_fd(fd, &link.file);

	if (r) {
		close_fd(&fd);
		return host->fail(err, STOR_FAILED, -r, "ploop: take over \"%s\"", request->name);
	}
	if (!ploop_engine_push(server->engine, &link, err))
		return 0;
	ploop_file_close(link.file);
	return -1;
}

static int grow(struct ploop_server *server, uint64_t size_bytes, struct stor_err *err)
{
	int r;

	if (ploop_engine_grow(server->engine, size_bytes, err))
		return -1;
	server->target.size_bytes = ploop_engine_size(server->engine);
	r = export_grown(server->export);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: tell the kernel of the new size") : 0;
}

static void perform(struct ploop_server *server, const struct ploop_control_request *request,
                    int *fd)
{
	struct stor_err *err = (struct stor_err *)&report;

	switch (request->op) {
	case PLOOP_CONTROL_GROW:
		grow(server, request->argument, err);
		break;
	case PLOOP_CONTROL_PUSH:
		push(server, request, steal_fd(fd), err);
		break;
	case PLOOP_CONTROL_COMPACT:
		ploop_engine_compact(server->engine, &report.freed_bytes, err);
		break;
	case PLOOP_CONTROL_USAGE:
		ploop_engine_usage(server->engine, &report.usage, err);
		break;
	default:
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: the server does not know request %u",
		           request->op);
		break;
	}
}

/* The engine stands still meanwhile, and does its I/O at once: nobody turns the ring. */
static void perform_quiet(struct ploop_server *server, const struct ploop_control_request *request,
                          int *fd)
{
	ploop_engine_hold(server->engine);
	while (!ploop_engine_is_quiet(server->engine))
		if (ring_turn(&server->ring, 0, -1) < 0)
			break;
	if (ploop_engine_is_quiet(server->engine)) {
		server->is_turning = false;
		perform(server, request, fd);
		server->is_turning = true;
	} else {
		host->fail((struct stor_err *)&report, STOR_FAILED, EIO, "ploop: wait for I/O");
	}
	ploop_engine_release(server->engine);
}

/* --- messages --- */

static void send_report(struct ploop_server *server, uint32_t op)
{
	report.op = op;
	/* Whoever asked may be gone, or never read its answer. */
	if (send(server->control_fd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		host->log(STOR_LOG_DEBUG, "ploop: answer: %s", strerror(errno));
	memset(&report, 0, sizeof(report));
}

void ploop_control_started(struct ploop_server *server, bool has_failed)
{
	if (!has_failed)
		memset(&report, 0, sizeof(report));
	send_report(server, PLOOP_CONTROL_STARTED);
}

/* Returns the length; *fd is a descriptor that came along, or -1. */
static ssize_t receive(int control_fd, struct ploop_control_request *request, int *fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { request, sizeof(*request) };
	struct msghdr message = { .msg_iov = &data,
		                  .msg_iovlen = 1,
		                  .msg_control = control.room,
		                  .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*fd = -1;
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return n;
}

void ploop_control_handle(struct ploop_server *server)
{
	struct ploop_control_request request;
	cleanup_close int fd = -1;
	ssize_t n = receive(server->control_fd, &request, &fd);

	server->is_asked = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		ploop_control_poll(server);
		return;
	}
	/* Nobody holds the other end any more, or somebody talks nonsense. */
	if (n != (ssize_t)sizeof(request)) {
		close_fd(&server->control_fd);
		return;
	}
	request.name[sizeof(request.name) - 1] = '\0';
	memset(&report, 0, sizeof(report));
	perform_quiet(server, &request, &fd);
	send_report(server, request.op);
	ploop_control_poll(server);
}

static void polled(struct ring_op *op, int result)
{
	struct ploop_server *server =
		(void *)((char *)op - offsetof(struct ploop_server, control_op));

	(void)result;
	server->is_asked = true;
}

void ploop_control_poll(struct ploop_server *server)
{
	struct io_uring_sqe *sqe = ring_queue(&server->ring);

	server->control_op.done = polled;
	io_uring_prep_poll_add(sqe, server->control_fd, POLLIN);
	ring_submit(&server->ring, sqe, &server->control_op);
}
