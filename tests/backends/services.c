/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend that uses every service of its host, as a driver would that cannot tie its device to a
 * descriptor: an ext4 image on a loop device without AUTOCLEAR, found again by a token; a server
 * process that holds the lock and grows the image on request; and a library call in isolation.
 * STOR_FAULT makes one of these go wrong. Needs mkfs.ext4 (a real backend makes no such call).
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <stor/backend.h>
#include <stor/util.h>

#define IMAGE_BYTES (16u << 20)

static const struct stor_host *host;

static int services_load(const struct stor_host *services, struct stor_err *err)
{
	(void)err;
	host = services;
	return 0;
}

static bool has_fault(const char *name)
{
	const char *wanted = getenv("STOR_FAULT");

	return wanted && !strcmp(wanted, name);
}

static int open_image(const struct stor_volume *volume, int flags, struct stor_err *err)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/disk", volume->path);
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		           "services: open %s", path);
	return fd;
}

static int services_create(const struct stor_volume *volume, const struct stor_create_req *req,
                           struct stor_err *err)
{
	cleanup_close int fd = open_image(volume, O_RDWR | O_CREAT | O_EXCL, err);
	cleanup_close int temp_fd = host->temp_file(err);
	const char *argv[] = { "mkfs.ext4", "-q", "-F", NULL, NULL };
	char path[4096];
	int status;

	if (fd < 0 || temp_fd < 0)
		return -1;
	if (req->source_fd >= 0)
		return host->fail(err, STOR_UNSUPPORTED, 0, "services: makes empty volumes only");
	if (ftruncate(fd, IMAGE_BYTES) < 0)
		return host->fail(err, STOR_FAILED, errno, "services: create %s", volume->path);
	snprintf(path, sizeof(path), "%s/disk", volume->path);
	argv[3] = path;
	status = host->run_program(argv, NULL, NULL, err);
	if (status > 0)
		host->fail(err, STOR_FAILED, 0, "services: mkfs.ext4 ended with status %d", status);
	return status ? -1 : 0;
}

/* --- the server ------------------------------------------------------------------------------ */

struct serving {
	int image_fd; /* with the lock */
	bool dies_at_once, dies_on_request;
};

/* Requests and answers are one number of 8 bytes: the size wanted, the size reached. */
static int serve(void *arg, int control_fd)
{
	const struct serving *serving = arg;
	uint64_t size;

	if (serving->dies_at_once)
		return 3;
	if (send(control_fd, "r", 1, MSG_NOSIGNAL) != 1)
		return 1;
	while (recv(control_fd, &size, sizeof(size), MSG_WAITALL) == sizeof(size)) {
		if (serving->dies_on_request)
			return 4;
		if (ftruncate(serving->image_fd, (off_t)size) < 0)
			size = 0;
		if (send(control_fd, &size, sizeof(size), MSG_NOSIGNAL) != sizeof(size))
			break;
	}
	return 0;
}

static int start_server(const struct stor_volume *volume, int image_fd, struct stor_server *server,
                        struct stor_err *err)
{
	struct serving serving = { .image_fd = image_fd,
		                   .dies_at_once = has_fault("server-dies-at-once"),
		                   .dies_on_request = has_fault("server-dies-on-request") };
	const int kept[] = { image_fd, -1 };
	char name[4200], ready;
	struct stor_server_req req = { .struct_size = sizeof(req),
		                       .name = name,
		                       .main = serve,
		                       .arg = &serving,
		                       .keep_fds = kept };

	snprintf(name, sizeof(name), "stor-services %s", volume->path);
	if (host->spawn_server(&req, server, err) < 0)
		return -1;
	if (recv(server->control_fd, &ready, 1, 0) == 1)
		return 0;
	close_fd(&server->control_fd);
	close_fd(&server->pidfd);
	return host->fail(err, STOR_FAILED, 0, "services: %s: its server ended at once",
	                  volume->path);
}

/* --- attach and detach ----------------------------------------------------------------------- */

/* The device; -2 when somebody else took that number meanwhile; -1 with err filled. */
static int configure_loop(int number, int image_fd, struct stor_err *err)
{
	struct loop_config config = { .fd = (uint32_t)image_fd, .block_size = 512 };
	cleanup_close int fd = -1;
	char path[32];

	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
		close_fd(&fd);
		if (errno == EBUSY)
			return -2;
	}
	if (fd < 0)
		return host->fail(err, STOR_FAILED, errno, "services: set up %s", path);
	return steal_fd(&fd);
}

/* The token comes before the device. As configure_loop(). */
static int try_device(const struct stor_attach_req *req, int image_fd, struct stor_err *err)
{
	cleanup_close int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control_fd < 0 ? -1 : ioctl(control_fd, LOOP_CTL_GET_FREE);
	char token[32];
	int fd;

	if (number < 0)
		return host->fail(err, STOR_FAILED, errno, "services: find a free loop device");
	snprintf(token, sizeof(token), "loop%d", number);
	if (req->record_token(req->record_token_ctx, token, err) < 0)
		return -1;
	if (has_fault("killed-after-token"))
		kill(getpid(), SIGKILL);
	fd = configure_loop(number, image_fd, err);
	if (fd >= 0 && has_fault("killed-after-device"))
		kill(getpid(), SIGKILL);
	return fd;
}

static int make_device(const struct stor_attach_req *req, int image_fd, struct stor_err *err)
{
	int fd;

	do
		fd = try_device(req, image_fd, err);
	while (fd == -2);
	return fd;
}

static int services_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                           struct stor_attachment *attachment, struct stor_err *err)
{
	cleanup_close int image_fd = open_image(volume, O_RDWR, err);
	struct stor_server server = { .struct_size = sizeof(server),
		                      .pidfd = -1,
		                      .control_fd = -1 };

	if (image_fd < 0)
		return -1;
	if (flock(image_fd, LOCK_EX | LOCK_NB) < 0)
		return host->fail(err, STOR_BUSY, 0, "services: %s is in use", volume->path);
	if (start_server(volume, image_fd, &server, err) < 0)
		return -1;
	attachment->fd = make_device(req, image_fd, err);
	if (attachment->fd < 0) {
		/* It ends when its socket closes. */
		close_fd(&server.control_fd);
		close_fd(&server.pidfd);
		return -1;
	}
	attachment->kind = STOR_ATTACHED_BLOCK;
	attachment->control_fd = server.control_fd;
	attachment->server_pidfd = has_fault("forgets-pidfd") ? -1 : server.pidfd;
	if (has_fault("forgets-pidfd"))
		close_fd(&server.pidfd);
	attachment->how = "loop device with a token";
	return 0;
}

static int services_detach(const struct stor_volume *volume, const struct stor_detach_req *req,
                           struct stor_err *err)
{
	cleanup_close int image_fd = open_image(volume, O_RDONLY, err);
	cleanup_close int fd = -1;
	struct loop_info64 status;
	struct stat st;
	char path[32];
	int number;

	if (image_fd < 0)
		return -1;
	if (sscanf(req->token, "loop%d", &number) != 1)
		return host->fail(err, STOR_USAGE, 0, "services: \"%s\" is no token", req->token);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* Already gone, or somebody else's by now. */
	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &status) < 0 || fstat(image_fd, &st) < 0 ||
	    status.lo_inode != st.st_ino || status.lo_device != st.st_dev)
		return 0;
	if (ioctl(fd, LOOP_CLR_FD, 0) < 0)
		return host->fail(err, STOR_FAILED, errno, "services: clear %s", path);
	return 0;
}

/* --- the rest -------------------------------------------------------------------------------- */

static int services_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                           struct stor_err *err)
{
	uint64_t size = req->size_bytes;

	if (req->control_fd < 0)
		return host->fail(err, STOR_UNSUPPORTED, 0, "services: %s is not attached",
		                  volume->path);
	if (send(req->control_fd, &size, sizeof(size), MSG_NOSIGNAL) != sizeof(size) ||
	    recv(req->control_fd, &size, sizeof(size), MSG_WAITALL) != sizeof(size))
		return host->fail(err, STOR_FAILED, 0, "services: %s: its server is gone",
		                  volume->path);
	return size == req->size_bytes
	               ? 0
	               : host->fail(err, STOR_FAILED, 0, "services: grow %s", volume->path);
}

struct measured {
	uint64_t size_bytes, allocated_bytes;
};

/* Stands for a library that must not run in stor's process. */
static int measure(void *arg, void *out, struct stor_err *err)
{
	struct measured *measured = out;
	struct stat st;

	if (has_fault("call-crashes"))
		raise(SIGABRT);
	while (has_fault("call-hangs"))
		pause();
	if (has_fault("call-fails"))
		return host->fail(err, STOR_BUSY, 0, "services: the library says no");
	if (fstat(*(int *)arg, &st) < 0)
		return host->fail(err, STOR_FAILED, errno, "services: examine");
	*measured = (struct measured){ (uint64_t)st.st_size, (uint64_t)st.st_blocks * 512 };
	return 0;
}

static int services_info(const struct stor_volume *volume, struct stor_info *info,
                         struct stor_err *err)
{
	cleanup_close int image_fd = open_image(volume, O_RDONLY, err);
	struct measured measured = { 0 };
	const struct stor_call_req req = { .struct_size = sizeof(req),
		                           .call = measure,
		                           .arg = &image_fd,
		                           .out = &measured,
		                           .out_size = sizeof(measured),
		                           .timeout_ms = has_fault("call-hangs") ? 500 : 30000 };

	if (image_fd < 0 || host->call_isolated(&req, err) < 0)
		return -1;
	info->size_bytes = measured.size_bytes;
	info->allocated_bytes = info->exclusive_bytes = measured.allocated_bytes;
	info->fs_type = "ext4";
	info->format = "raw image";
	info->in_use = flock(image_fd, LOCK_SH | LOCK_NB) < 0;
	return 0;
}

static int services_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                            struct stor_err *err)
{
	char path[4096];

	(void)req;
	snprintf(path, sizeof(path), "%s/disk", volume->path);
	if (unlink(path) < 0 && errno != ENOENT)
		return host->fail(err, STOR_FAILED, errno, "services: remove %s", path);
	return 0;
}

static struct stor_backend services_backend = {
	.name = "services",
	.version = "1",
	.summary = "Uses every service of its host, for tests",
	.fs_types = "ext4",
	.load = services_load,
	.create = services_create,
	.attach = services_attach,
	.detach = services_detach,
	.info = services_info,
	.destroy = services_destroy,
	.resize = services_resize,
};

STOR_REGISTER_BACKEND(services_backend)
