/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's end of its control socket: what others ask of a volume while it is used. */
#include "ploop/server_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/host.h"
#include "ploop/descriptor.h"
#include "ploop/partition.h"

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

/* Descriptors that came with a request; each is taken by who keeps it. */
struct parcel {
	int fds[PLOOP_CONTROL_FDS_MAX];
	unsigned count;
};

static void parcel_free(struct parcel *parcel)
{
	for (unsigned i = 0; i < parcel->count; i++)
		close_fd(&parcel->fds[i]);
	parcel->count = 0;
}

static int take_file(struct parcel *parcel, unsigned index, struct ploop_file **file)
{
	int r = index < parcel->count ? ploop_file_from_fd(parcel->fds[index], file) : -EBADF;

	if (!r)
		parcel->fds[index] = -1;
	return r;
}

/* ctx: the volume's folder. What cannot be made durable has happened all the same. */
static int put_descriptor(void *ctx)
{
	int dir_fd = *(const int *)ctx;

	kill_point("ploop-server-top");
	if (renameat(dir_fd, PLOOP_DESCRIPTOR_STAGED, dir_fd, PLOOP_DESCRIPTOR_NAME) < 0)
		return -errno;
	if (fsync(dir_fd) < 0)
		host->fail((struct stor_err *)&report, STOR_FAILED, errno,
		           "ploop: make " PLOOP_DESCRIPTOR_NAME " durable");
	kill_point("ploop-server-renamed");
	return 0;
}

static int push(struct ploop_server *server, const struct ploop_control_request *request,
                struct parcel *parcel, struct stor_err *err)
{
	struct ploop_commit commit = { put_descriptor, &parcel->fds[1] };
	struct ploop_link link = { .name = request->name };
	int r = take_file(parcel, 0, &link.file);

	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: take over \"%s\"", request->name);
	if (ploop_engine_push(server->engine, &link, parcel->count > 1 ? &commit : NULL, err)) {
		ploop_file_close(link.file);
		return -1;
	}
	/* Others may read it now. */
	flock(server->top_fd, LOCK_SH | LOCK_NB);
	server->top_fd = link.file->fd;
	return 0;
}

static int rebase(struct ploop_server *server, const struct ploop_control_request *request,
                  struct parcel *parcel, struct stor_err *err)
{
	cleanup_free struct ploop_link *links = calloc(parcel->count + 1, sizeof(*links));
	char name[sizeof("file 127")];
	int r = links ? 0 : -ENOMEM;

	for (unsigned i = 0; i < parcel->count && !r; i++) {
		snprintf(name, sizeof(name), "file %u", i & 127);
		links[i].name = strdup(name);
		links[i].is_raw = !i && request->argument;
		r = links[i].name ? take_file(parcel, i, &links[i].file) : -ENOMEM;
	}
	if (r)
		host->fail(err, STOR_FAILED, -r, "ploop: take over a chain");
	else
		r = ploop_engine_rebase(server->engine, links, parcel->count, err);
	for (unsigned i = 0; links && i < parcel->count; i++) {
		free((char *)(uintptr_t)links[i].name);
		if (r)
			ploop_file_close(links[i].file);
	}
	return r ? -1 : 0;
}

/* The partition, and what is served, end where the disk now ends. The guest's requests go on
 * already, but what they ask for is done at once. */
static int fit(struct ploop_server *server, struct stor_err *err)
{
	struct blockdev *disk = ploop_engine_blockdev(server->engine);
	uint64_t end = disk->size_bytes;
	int r;

	if (server->is_partition) {
		if (ploop_fit_partition(disk, server->cluster_sectors, "the disk", &end, err))
			return -1;
		r = blockdev_flush(disk);
		if (r)
			return host->fail(err, STOR_FAILED, -r, "ploop: write partition table");
	}
	if (end <= server->target.size_bytes)
		return 0;
	server->target.size_bytes = end;
	r = export_grown(server->export);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: tell the kernel of the new size") : 0;
}

static void perform(struct ploop_server *server, const struct ploop_control_request *request,
                    struct parcel *parcel)
{
	struct stor_err *err = (struct stor_err *)&report;

	switch (request->op) {
	case PLOOP_CONTROL_GROW:
		ploop_engine_grow(server->engine, request->argument, err);
		break;
	case PLOOP_CONTROL_PUSH:
		push(server, request, parcel, err);
		break;
	case PLOOP_CONTROL_REBASE:
		rebase(server, request, parcel, err);
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
                          struct parcel *parcel)
{
	struct stor_err *err = (struct stor_err *)&report;

	ploop_engine_hold(server->engine);
	while (!ploop_engine_is_quiet(server->engine))
		if (ring_turn(&server->ring, 0, -1) < 0)
			break;
	if (!ploop_engine_is_quiet(server->engine)) {
		host->fail(err, STOR_FAILED, EIO, "ploop: wait for I/O");
		ploop_engine_release(server->engine);
		return;
	}
	server->is_turning = false;
	perform(server, request, parcel);
	kill_point("ploop-server-done");
	if (server->is_direct)
		ploop_server_go_direct(server);
	ploop_engine_release(server->engine);
	if (request->op == PLOOP_CONTROL_GROW && !report.status)
		fit(server, err);
	server->is_turning = true;
}

/* --- messages --- */

static void send_report(struct ploop_server *server, uint64_t number)
{
	report.number = number;
	/* Whoever asked may be gone, or never read its answer. */
	if (send(server->control_fd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		host->log(STOR_LOG_DEBUG, "ploop: answer: %s", strerror(errno));
	memset(&report, 0, sizeof(report));
}

void ploop_control_started(struct ploop_server *server, bool has_failed)
{
	if (!has_failed)
		memset(&report, 0, sizeof(report));
	report.is_over_uring = !has_failed && export_way(server->export) == EXPORT_BY_RING;
	send_report(server, 0);
}

/* Returns the length. */
static ssize_t receive(int control_fd, struct ploop_control_request *request, struct parcel *parcel)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * PLOOP_CONTROL_FDS_MAX)];
	} control;
	struct iovec data = { request, sizeof(*request) };
	struct msghdr message = { .msg_iov = &data,
		                  .msg_iovlen = 1,
		                  .msg_control = control.room,
		                  .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(control_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	parcel->count = 0;
	if (header && header->cmsg_type == SCM_RIGHTS) {
		size_t bytes = header->cmsg_len - CMSG_LEN(0);

		memcpy(parcel->fds, CMSG_DATA(header), bytes);
		parcel->count = (unsigned)(bytes / sizeof(int));
	}
	return n;
}

void ploop_control_handle(struct ploop_server *server)
{
	struct ploop_control_request request;
	struct parcel parcel;
	ssize_t n = receive(server->control_fd, &request, &parcel);

	server->is_asked = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		ploop_control_poll(server);
		return;
	}
	/* Somebody talks nonsense. */
	if (n != (ssize_t)sizeof(request) || request.fds != parcel.count) {
		parcel_free(&parcel);
		close_fd(&server->control_fd);
		return;
	}
	request.name[sizeof(request.name) - 1] = '\0';
	memset(&report, 0, sizeof(report));
	perform_quiet(server, &request, &parcel);
	parcel_free(&parcel);
	send_report(server, request.number);
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
