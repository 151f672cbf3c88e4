/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The export with nothing behind it: a raw file through FUSE, each request passed on as it came, by
 * the same event loop. What the engine takes beyond this is the engine's; what this takes beyond a
 * loop device on the same file is the way through user space.
 */
#ifndef BENCH_RAW_EXPORT_H
#define BENCH_RAW_EXPORT_H

#include <fcntl.h>
#include <linux/falloc.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/export.h"
#include "common/loopdev.h"

struct transport {
	struct export_target target;
	struct ring ring;
	int fd;
};

struct transport_op {
	struct ring_op op;
	struct export_request *request;
};

static inline void transport_done(struct ring_op *op, int result)
{
	struct export_request *request = ((struct transport_op *)op)->request;
	bool is_data = request->op == EXPORT_READ || request->op == EXPORT_WRITE;

	if (result >= 0)
		result = is_data && (uint64_t)result != request->length ? -EIO : 0;
	export_complete(request, result);
}

static inline void transport_submit(struct export_target *target, struct export_request *request)
{
	struct transport *transport = (struct transport *)target;
	struct transport_op *op = request->room;
	struct io_uring_sqe *sqe = ring_queue(&transport->ring);

	*op = (struct transport_op){ { transport_done }, request };
	switch (request->op) {
	case EXPORT_READ:
		io_uring_prep_read(sqe, transport->fd, request->data, (unsigned)request->length,
		                   request->offset);
		break;
	case EXPORT_WRITE:
		io_uring_prep_write(sqe, transport->fd, request->data, (unsigned)request->length,
		                    request->offset);
		break;
	case EXPORT_FLUSH:
		io_uring_prep_fsync(sqe, transport->fd, IORING_FSYNC_DATASYNC);
		break;
	case EXPORT_ZERO:
		io_uring_prep_fallocate(sqe, transport->fd, FALLOC_FL_ZERO_RANGE,
		                        (off_t)request->offset, (off_t)request->length);
		break;
	}
	ring_submit(&transport->ring, sqe, &op->op);
}

/* As the engine's server: one thread, its priority, and its looking for news. */
static inline int transport_serve(struct transport *transport, int fuse_fd)
{
	struct stor_err err = STOR_ERR_INIT;
	struct export *export;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, -10);
	if (ring_init(&transport->ring, 256, export_wants_wide_ring(), &err))
		return 1;
	export = export_start(&transport->ring, fuse_fd, &transport->target, &err);
	while (export && !export_is_over(export))
		if (ring_turn(&transport->ring, export_depth(export) > 4 ? 0 : 50, -1) < 0)
			return 1;
	return export ? 0 : 1;
}

/* A loop device with direct I/O on the served file; *pidfd is the server's. -1 with err filled. */
static inline int transport_attach(const char *file, int *pidfd, struct stor_err *err)
{
	struct loopdev_opts opts = { .io = LOOPDEV_DIRECT, .block_bytes = 4096 };
	struct transport transport = { .fd = open(file, O_RDWR | O_DIRECT | O_CLOEXEC) };
	struct export_mount mount;
	struct stat st;
	int file_fd, loop_fd;
	pid_t pid;

	if (transport.fd < 0 || fstat(transport.fd, &st) || export_mount_create(file, &mount, err))
		return -1;
	transport.target = (struct export_target){ .size_bytes = (uint64_t)st.st_size,
		                                   .discard_bytes = 1u << 20,
		                                   .room_bytes = sizeof(struct transport_op),
		                                   .submit = transport_submit };
	pid = fork();
	if (!pid) {
		close(mount.mount_fd);
		_exit(transport_serve(&transport, mount.fuse_fd));
	}
	close(mount.fuse_fd);
	close(transport.fd);
	*pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
	file_fd = export_mount_open(&mount, file, false, err);
	loop_fd = file_fd < 0 ? -1 : loopdev_attach(file_fd, file, &opts, err);
	close(file_fd);
	close(mount.mount_fd);
	return loop_fd;
}

#endif
