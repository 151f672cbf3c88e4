/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes under test: made, attached, mounted and let go as core would. */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#define RELEASE_WAIT_MS 10000

void vol_prepare(struct suite *s, const char *name, const char *extra, struct vol *vol)
{
	struct strv given = STRV_INIT;
	struct stor_err err = STOR_ERR_INIT;

	memset(vol, 0, sizeof(*vol));
	for (size_t i = 0; i < s->params.count; i++)
		strv_add(&given, s->params.items[i]);
	if (extra)
		strv_add(&given, extra);
	vol->path = xasprintf("%s/%s", s->dir, name);
	require(s, !mkdir(vol->path, 0700), "make directory %s: %s", vol->path, strerror(errno));
	if (params_parse(&vol->params, s->backend, &given, NULL, SUITE_SCOPES, &err) < 0)
		fail(s, "parameters: %s", err.text);
	strv_free(&given);
	vol->ref.path = vol->path;
	vol->ref.values = vol->params.handed;
}

struct stor_create_req create_request(struct suite *s, int source_fd, const char *source_path)
{
	struct stor_create_req req = { .source_fd = source_fd, .source_path = source_path };
	const char *types = s->backend->ops.fs_types;

	if (types)
		req.size_bytes = str_starts(types, "ext") ? 128u << 20 : 512u << 20;
	return req;
}

void vol_create(struct suite *s, const char *name, const char *source_path, struct vol *vol)
{
	cleanup_close int source_fd = -1;
	struct stor_err err = STOR_ERR_INIT;
	struct stor_create_req req;

	vol_prepare(s, name, NULL, vol);
	if (source_path) {
		source_fd = open(source_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		require(s, source_fd >= 0, "open %s: %s", source_path, strerror(errno));
	}
	req = create_request(s, source_fd, source_path);
	if (guarded(s, "create", backend_create(s->backend, &vol->ref, &req, &err)) < 0)
		fail(s, "create: %s", err.text);
}

/* A detached mount of the filesystem on the device; -1 with errno. */
static int mount_block_as(int block_fd, const char *type, bool is_read_only)
{
	cleanup_close int fs_fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
	char source[32];

	snprintf(source, sizeof(source), "/proc/self/fd/%d", block_fd);
	if (fs_fd < 0 ||
	    syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
	    (is_read_only && syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0) ||
	    (!strcmp(type, "xfs") &&
	     syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_FLAG, "nouuid", NULL, 0) < 0) ||
	    syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC,
	                    is_read_only ? MOUNT_ATTR_RDONLY : 0);
}

static int mount_block(int block_fd, bool is_read_only)
{
	static const char *const types[] = { "ext4", "xfs", "btrfs", "erofs", "squashfs" };
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(types) / sizeof(types[0]); i++)
		fd = mount_block_as(block_fd, types[i], is_read_only);
	return fd;
}

static int count_handed_over(const struct stor_attachment *at)
{
	return (at->fd >= 0) + (at->lock_fd >= 0) + (at->control_fd >= 0) + (at->server_pidfd >= 0);
}

int vol_attach(struct suite *s, const struct vol *vol, const struct attach_how *how,
               struct mounted *m, struct stor_err *err)
{
	bool is_read_only = how->flags & STOR_ATTACH_READ_ONLY || how->snapshot;
	struct stor_attach_req req = { .flags = how->flags,
		                       .busy_wait_ms = how->wait_ms,
		                       .snapshot = how->snapshot,
		                       .userns_fd = how->userns_fd > 0 ? how->userns_fd : -1 };
	struct guard before;
	int result;

	*m = (struct mounted){ .mount_fd = -1, .root_fd = -1 };
	guard_begin(s, &before);
	result = backend_attach(s->backend, &vol->ref, &req, &m->at, err);
	guard_end(s, &before, "attach", result < 0 ? 0 : count_handed_over(&m->at));
	if (result < 0)
		return -1;
	m->mount_fd =
		m->at.kind == STOR_ATTACHED_MOUNT ? m->at.fd : mount_block(m->at.fd, is_read_only);
	require(s, m->mount_fd >= 0, "attach: its block device cannot be mounted: %s",
	        strerror(errno));
	m->root_fd = openat(m->mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(s, m->root_fd >= 0, "attach: open the root: %s", strerror(errno));
	return 0;
}

void vol_use(struct suite *s, const struct vol *vol, const struct attach_how *how,
             struct mounted *m)
{
	const struct attach_how writing = { .wait_ms = RELEASE_WAIT_MS };
	struct stor_err err = STOR_ERR_INIT;

	if (vol_attach(s, vol, how ? how : &writing, m, &err) < 0)
		fail(s, "attach: %s", err.text);
}

void vol_wait_in_use(struct suite *s, const struct vol *vol, bool wanted, const char *when)
{
	int64_t end = monotonic_ms() + RELEASE_WAIT_MS;

	while (vol_info(s, vol).in_use != wanted) {
		require(s, monotonic_ms() < end, "info: in_use is still %s %s",
		        wanted ? "false" : "true", when);
		sleep_ms(2);
	}
}

void vol_release(struct suite *s, const struct vol *vol, struct mounted *m)
{
	struct stor_err err = STOR_ERR_INIT;

	if (guarded(s, "release", backend_release(s->backend, &vol->ref, m->root_fd, 0, &err)) < 0)
		fail(s, "release: %s", err.text);
	close_fd(&m->root_fd);
	if (m->mount_fd != m->at.fd)
		close_fd(&m->mount_fd);
	close_fd(&m->at.fd);
	close_fd(&m->at.lock_fd);
	close_fd(&m->at.control_fd);
	close_fd(&m->at.server_pidfd);
	vol_wait_in_use(s, vol, false, "10 s after its release");
}

struct stor_info vol_info(struct suite *s, const struct vol *vol)
{
	struct stor_info info = { .emit = NULL };
	struct stor_err err = STOR_ERR_INIT;

	if (guarded(s, "info", backend_info(s->backend, &vol->ref, &info, &err)) < 0)
		fail(s, "info: %s", err.text);
	return info;
}

void vol_destroy(struct suite *s, struct vol *vol)
{
	struct stor_err err = STOR_ERR_INIT;

	if (guarded(s, "destroy", backend_destroy(s->backend, &vol->ref, &err)) < 0)
		fail(s, "destroy: %s", err.text);
	require(s, !rmdir(vol->path), "destroy left something in the volume's directory: %s",
	        strerror(errno));
}

void put_file(struct suite *s, int root_fd, const char *name, const char *text)
{
	cleanup_close int fd =
		openat(root_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	require(s, fd >= 0 && !pwrite_all(fd, text, strlen(text), 0), "write %s in the volume: %s",
	        name, strerror(errno));
}

void expect_file(struct suite *s, int root_fd, const char *name, const char *text)
{
	cleanup_close int fd = openat(root_fd, name, O_RDONLY | O_CLOEXEC);
	char found[256] = "";
	ssize_t n;

	require(s, fd >= 0, "%s is not in the volume: %s", name, strerror(errno));
	n = pread_all(fd, found, sizeof(found) - 1, 0);
	require(s, n >= 0, "read %s in the volume: %s", name, strerror(errno));
	require(s, !strcmp(found, text), "%s in the volume holds \"%s\", not \"%s\"", name, found,
	        text);
}

bool has_file(int root_fd, const char *name)
{
	return !faccessat(root_fd, name, F_OK, AT_SYMLINK_NOFOLLOW);
}

void expect_named(struct suite *s, const struct stor_err *err)
{
	static const char *const breaches[] = { "without saying why",
		                                "reported a failure and went on",
		                                "returned neither" };

	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++)
		require(s, !strstr(err->text, breaches[i]), "%s", err->text);
}

void expect_error(struct suite *s, int result, const struct stor_err *err, enum stor_status status,
                  const char *what)
{
	static const char *const names[] = { "success",   "a failure", "a usage error",
		                             "not found", "busy",      "not supported" };

	require(s, result < 0, "%s succeeded", what);
	require(s, err->status == status, "%s: reported as %s, not as %s: %s", what,
	        names[err->status], names[status], err->text);
	expect_named(s, err);
}
