/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend that has every callback of version 1 and uses every service: the example snapdir, with
 * what it lacks added in the simplest way that keeps the contract. Built against the frozen header,
 * and against one of a later stor.
 */
#include <stor/backend.h>

/* The example has an entry point of its own. */
#define stor_backend_init snapdir_init
#include "plugins/examples/snapdir/snapdir.c" // NOLINT(bugprone-suspicious-include)
#undef stor_backend_init

#include <stdlib.h>
#include <sys/socket.h>

#define LEAST_BYTES (1u << 20)
#define SPARE_BYTES (12u << 20)

/* The last of them tells whether all entries are where this header has them. */
enum { EVERY_LAST = SNAPDIR_ATIME + 1 };

static const struct stor_param every_params[] = {
	[SNAPDIR_COPY] = { "copy", STOR_PARAM_ENUM, STOR_PARAM_CREATE, "auto", "auto|reflink|full",
	                   "As snapdir has it" },
	[SNAPDIR_ATIME] = { "atime", STOR_PARAM_BOOL, STOR_PARAM_ATTACH, "no", NULL,
	                    "As snapdir has it" },
	[EVERY_LAST] = { "last", STOR_PARAM_UINT, STOR_PARAM_CREATE | STOR_PARAM_ATTACH, "4711",
	                 NULL, "Known to be 4711" },
	{ .key = NULL },
};

/* --- a size, kept as a number in a file ------------------------------------------------------- */

static int keep_size(const struct stor_volume *volume, uint64_t size_bytes, struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);
	cleanup_close int fd = -1;

	if (volume_fd < 0)
		return -1;
	fd = openat(volume_fd, "size", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || pwrite_all(fd, &size_bytes, sizeof(size_bytes), 0) < 0)
		return host->fail(err, STOR_FAILED, errno, "every: size of %s", volume->path);
	return 0;
}

/* In a process of its own, as a library would be asked. */
static int read_size(void *arg, void *out, struct stor_err *err)
{
	cleanup_close int fd = openat(*(int *)arg, "size", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread_all(fd, out, sizeof(uint64_t), 0) != sizeof(uint64_t))
		return host->fail(err, STOR_FAILED, 0, "every: the size is cut");
	return 0;
}

static int every_resize(const struct stor_volume *volume, const struct stor_resize_req *req,
                        struct stor_err *err)
{
	if (req->size_bytes < LEAST_BYTES)
		return host->fail(err, STOR_USAGE, 0, "every: %s is not made so small",
		                  volume->path);
	return keep_size(volume, req->size_bytes, err);
}

static int every_info(const struct stor_volume *volume, struct stor_info *info,
                      struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);
	uint64_t size_bytes = 0;
	const struct stor_call_req req = { .struct_size = sizeof(req),
		                           .timeout_ms = 60000,
		                           .call = read_size,
		                           .arg = &volume_fd,
		                           .out = &size_bytes,
		                           .out_size = sizeof(size_bytes) };

	if (!volume->values[EVERY_LAST].is_set || volume->values[EVERY_LAST].number != 4711)
		return host->fail(err, STOR_FAILED, 0, "every: its values lie elsewhere");
	if (volume_fd < 0 || host->call_isolated(&req, err) < 0)
		return -1;
	if (size_bytes)
		info->size_bytes = size_bytes;
	return snapdir_info(volume, info, err);
}

/* --- create, clone, attach -------------------------------------------------------------------- */

static int every_create(const struct stor_volume *volume, const struct stor_create_req *req,
                        struct stor_err *err)
{
	static const char *const argv[] = { "true", NULL };
	cleanup_close int temp_fd = host->temp_file(err);

	host->log(STOR_LOG_DEBUG, "every: create %s for stor %s", volume->path, host->version);
	if (temp_fd < 0 || host->progress("create", 1, 2, err) < 0)
		return -1;
	if (host->run_program(argv, NULL, NULL, err) != 0)
		return host->fail(err, STOR_FAILED, 0, "every: true is not true");
	if (snapdir_create(volume, req, err) < 0) {
		host->hint(err, "it is a test");
		return -1;
	}
	return keep_size(volume, req->size_bytes ? req->size_bytes : LEAST_BYTES, err);
}

static int every_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
                       struct stor_err *err)
{
	return snapdir_clone(volume, req, err) < 0 ? -1 : keep_size(volume, LEAST_BYTES, err);
}

/* Holds the lock as long as stor holds the other end. */
static int hold(void *arg, int control_fd)
{
	char byte = 0;

	(void)arg;
	send(control_fd, &byte, 1, MSG_NOSIGNAL);
	while (recv(control_fd, &byte, 1, 0) == 1)
		;
	return 0;
}

/* Moves the lock from stor into a server. */
static int serve(const struct stor_volume *volume, struct stor_attachment *attachment,
                 struct stor_err *err)
{
	const int kept[] = { attachment->lock_fd, -1 };
	const struct stor_server_req req = {
		.struct_size = sizeof(req), .name = "stor-every", .main = hold, .keep_fds = kept
	};
	struct stor_server server = { .struct_size = sizeof(server),
		                      .pidfd = -1,
		                      .control_fd = -1 };
	char byte;

	if (host->spawn_server(&req, &server, err) < 0)
		return -1;
	attachment->control_fd = server.control_fd;
	attachment->server_pidfd = server.pidfd;
	close_fd(&attachment->lock_fd);
	if (recv(server.control_fd, &byte, 1, 0) != 1)
		return host->fail(err, STOR_FAILED, 0, "every: the server of %s is gone",
		                  volume->path);
	return 0;
}

/* With a server for a writer: info() tells when that one is gone. While it is attached there is a
 * file for compact() to remove, as blocks of deleted files are. */
static int every_attach(const struct stor_volume *volume, const struct stor_attach_req *req,
                        struct stor_attachment *attachment, struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);
	cleanup_close int fd = -1;

	if (volume_fd < 0 || snapdir_attach(volume, req, attachment, err) < 0)
		return -1;
	if (req->flags & STOR_ATTACH_READ_ONLY || req->snapshot)
		return 0;
	if (serve(volume, attachment, err) < 0)
		return -1;
	fd = openat(volume_fd, "spare", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, SPARE_BYTES) != 0)
		return host->fail(err, STOR_FAILED, 0, "every: attach %s", volume->path);
	return 0;
}

static int every_detach(const struct stor_volume *volume, const struct stor_detach_req *req,
                        struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, 0, "every: %s: \"%s\" is no token of this backend",
	                  volume->path, req->token);
}

static int every_release(const struct stor_volume *volume, const struct stor_release_req *req,
                         struct stor_err *err)
{
	if (faccessat(req->root_fd, ".", F_OK, 0) < 0)
		return host->fail(err, STOR_FAILED, errno, "every: release %s", volume->path);
	return 0;
}

/* --- what snapdir lacks ----------------------------------------------------------------------- */

static int every_compact(const struct stor_volume *volume, struct stor_compact_req *req,
                         struct stor_err *err)
{
	cleanup_close int volume_fd = snapdir_open(volume, "", err);

	if (volume_fd < 0)
		return -1;
	if (unlinkat(volume_fd, "spare", 0) < 0 && errno != ENOENT)
		return host->fail(err, STOR_FAILED, errno, "every: compact %s", volume->path);
	req->freed_bytes = SPARE_BYTES;
	return 0;
}

/* How files are copied later is all that there is to convert. */
static int every_convert(const struct stor_volume *volume, const struct stor_convert_req *req,
                         struct stor_err *err)
{
	(void)volume;
	(void)req;
	(void)err;
	return 0;
}

/* A stream names the folder that holds the state, in a line. */
static int every_send(const struct stor_volume *volume, const struct stor_stream_req *req,
                      struct stor_err *err)
{
	if (dprintf(req->fd, "%s/live\n", volume->path) < 0)
		return host->fail(err, STOR_FAILED, errno, "every: send %s", volume->path);
	return 0;
}

static int every_receive(const struct stor_volume *volume, const struct stor_stream_req *req,
                         struct stor_err *err)
{
	cleanup_close int source_fd = -1;
	char line[PATH_MAX];
	ssize_t n = read(req->fd, line, sizeof(line));

	if (n < 1 || line[n - 1] != '\n')
		return host->fail(err, STOR_FAILED, 0, "every: receive %s: the stream is cut",
		                  volume->path);
	line[n - 1] = '\0';
	source_fd = open(line, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source_fd < 0)
		return host->fail(err, STOR_FAILED, errno, "every: receive %s", line);
	return make_live(volume, source_fd, snapdir_copy_mode(volume), err);
}

static int every_examine(const struct stor_examine_req *req, struct stor_err *err)
{
	const struct stor_finding finding = { .struct_size = sizeof(finding),
		                              .what = "true",
		                              .is_there = true,
		                              .detail = "a program that succeeds" };

	(void)err;
	return req->emit(req->emit_ctx, &finding);
}

static struct stor_backend every_backend = {
	.min_host_size = STOR_SIZE_UP_TO(struct stor_host, run_program),
	.name = "every",
	.version = "1",
	.summary = "Has every callback of version 1 of the ABI",
	.params = every_params,
	.flags = STOR_BACKEND_SIZED,
	.load = snapdir_load,
	.probe = snapdir_probe,
	.create = every_create,
	.attach = every_attach,
	.detach = every_detach,
	.release = every_release,
	.info = every_info,
	.destroy = snapdir_destroy,
	.clone = every_clone,
	.resize = every_resize,
	.check = snapdir_check,
	.snapshot = snapshots_take,
	.snapshot_list = snapshots_list,
	.snapshot_delete = snapshots_delete,
	.rollback = snapshots_rollback,
	.merge = snapshots_delete, /* copies have no chains */
	.compact = every_compact,
	.convert = every_convert,
	.send = every_send,
	.receive = every_receive,
	.examine = every_examine,
};

STOR_REGISTER_BACKEND(every_backend)
