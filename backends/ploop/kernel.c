/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching by the kernel's ploop driver: see kernel.h. */
#include "ploop/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/blockdev.h"
#include "common/copyfile.h"
#include "common/host.h"
#include "ploop/driver.h"
#include "ploop/format.h"
#include "ploop/libploop.h"

/* "kernel COOKIE TOP" */
#define TOKEN_PREFIX "kernel "
#define COOKIE_PREFIX "stor-"
#define COOKIE_BYTES (sizeof(COOKIE_PREFIX) + 16)
#define TOP_MAX (STOR_TOKEN_MAX - sizeof(TOKEN_PREFIX) - COOKIE_BYTES)

/* How long the kernel may take to unmount what its last user left. */
#define DETACH_WAIT_MS 10000

#define DEVICE_PATH_BYTES (sizeof("/dev/") + PLOOP_DRIVER_NAME_BYTES)

/* --- taking it down
 * -------------------------------------------------------------------------------
 */

/* Nobody has mounted it or its partition. */
static bool wait_unmounted(const char *path)
{
	static const struct timespec pause = { .tv_nsec = 10000000 };
	int64_t end_ms = monotonic_ms() + DETACH_WAIT_MS;

	for (;;) {
		cleanup_close int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

		/* What else may be wrong libploop tells. */
		if (fd >= 0 || errno != EBUSY)
			return true;
		if (monotonic_ms() >= end_ms)
			return false;
		nanosleep(&pause, NULL);
	}
}

static int fail_busy(const char *path, struct stor_err *err)
{
	host->fail(err, STOR_BUSY, 0, "ploop: %s is still in use", path);
	host->hint(err,
	           "grep it in /proc/*/mountinfo; the next stor command after that takes it down");
	return -1;
}

static int stop_device(const char *cookie, const char *name, struct stor_err *err)
{
	char path[DEVICE_PATH_BYTES], left[PLOOP_DRIVER_NAME_BYTES];
	const struct libploop_job job = { .op = LIBPLOOP_UMOUNT, .dir_fd = -1, .device = path };
	struct libploop_answer answer;

	snprintf(path, sizeof(path), "/dev/%s", name);
	/* Mounted, libploop would unmount it. */
	if (!wait_unmounted(path))
		return fail_busy(path, err);
	if (libploop_run(&job, &answer, err))
		return host->fail(err, STOR_FAILED, 0, "ploop: take down %s", path);
	kill_point("ploop-kernel-down");
	if (answer.result == LIBPLOOP_ABSENT) {
		host->fail(err, STOR_UNSUPPORTED, 0,
		           "ploop: take down %s: libploop cannot be loaded: %s", path, answer.text);
		host->hint(err, "install the package ploop; the next stor command then does it");
		return -1;
	}
	if (answer.result == LIBPLOOP_DONE || !ploop_driver_find(cookie, left))
		return 0;
	if (libploop_status(&answer) == STOR_BUSY || strstr(answer.text, strerror(EBUSY)))
		return fail_busy(path, err);
	return host->fail(err, STOR_FAILED, 0, "ploop: take down %s: libploop refused (%d): %s",
	                  path, answer.code, answer.text);
}

static int take_down(const char *cookie, struct stor_err *err)
{
	char name[PLOOP_DRIVER_NAME_BYTES];

	return ploop_driver_find(cookie, name) ? stop_device(cookie, name, err) : 0;
}

/* --- attach -----------------------------------------------------------------------------------
 */

static const char *refuses_image(const struct ploop_link *link)
{
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header;
	const char *why;

	if (link->is_raw)
		return NULL;
	if (link->file->ops->pread(link->file, raw, sizeof(raw), 0))
		return "an image cannot be read";
	why = ploop_header_parse(raw, &header);
	/* libploop takes change tracking data for damage, and clears it away. */
	if (!why)
		why = ploop_header_needs_engine(&header);
	if (why)
		return why;
	/* libploop would mend it, but less carefully than the engine. */
	return header.mark ? "an image was not closed by its last user" : NULL;
}

const char *ploop_kernel_refuses(const struct ploop_volume *pv)
{
	if (!pv->has_descriptor)
		return "a lone image has no " PLOOP_DESCRIPTOR_NAME;
	if (strlen(pv->links[pv->count - 1].name) > TOP_MAX)
		return "the name of its image is too long";
	for (unsigned i = 0; i < pv->count; i++) {
		const char *why = refuses_image(&pv->links[i]);

		if (why)
			return why;
	}
	return NULL;
}

static int record_token(const struct ploop_volume *pv, const struct stor_attach_req *req,
                        char cookie[COOKIE_BYTES], struct stor_err *err)
{
	char token[STOR_TOKEN_MAX + 1];
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return host->fail(err, STOR_FAILED, errno, "ploop: random number");
	snprintf(cookie, COOKIE_BYTES, COOKIE_PREFIX "%016" PRIx64, random);
	snprintf(token, sizeof(token), TOKEN_PREFIX "%s %s", cookie, pv->links[pv->count - 1].name);
	return req->record_token(req->record_token_ctx, token, err);
}

/* libploop takes the descriptor's lock itself. What it makes a device of is looked at after. */
static int make_device(struct ploop_volume *pv, const char *cookie, struct libploop_answer *answer,
                       struct stor_err *err)
{
	const struct libploop_job job = { .op = LIBPLOOP_MOUNT,
		                          .dir_fd = pv->dir_fd,
		                          .cookie = cookie };
	int r;

	if (pv->lock_fd >= 0 && flock(pv->lock_fd, LOCK_UN) < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: unlock %s", pv->path);
	r = libploop_run(&job, answer, err);
	kill_point("ploop-kernel-device");
	if (r)
		return host->fail(err, STOR_FAILED, 0, "ploop: attach=kernel: %s", pv->path);
	if (pv->lock_fd >= 0 && copyfile_lock(pv->lock_fd, LOCK_SH, PLOOP_RELEASE_WAIT_MS))
		return host->fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, errno,
		                  "ploop: lock %s", pv->path);
	return 0;
}

static int open_device(const char *path)
{
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISBLK(st.st_mode)) {
		errno = ENOTBLK;
		return -1;
	}
	return steal_fd(&fd);
}

/* Its partition, or all of a disk without a partition table. */
static int open_filesystem(const struct ploop_volume *pv, const char *name, struct stor_err *err)
{
	char path[DEVICE_PATH_BYTES + 2];
	cleanup_close int disk_fd = -1;
	struct ploop_extent extent;
	struct blockdev *disk;
	int fd, r;

	snprintf(path, sizeof(path), "/dev/%s", name);
	disk_fd = open_device(path);
	disk = disk_fd < 0 ? NULL : blockdev_open_file(disk_fd);
	if (!disk)
		return host->fail(err, STOR_FAILED, errno, "ploop: %s: open %s", pv->path, path);
	r = ploop_find_filesystem(disk, pv->path, &extent, err);
	blockdev_close(disk);
	if (r)
		return -1;
	if (!extent.is_partition)
		return steal_fd(&disk_fd);
	snprintf(path, sizeof(path), "/dev/%sp1", name);
	fd = open_device(path);
	return fd < 0 ? host->fail(err, STOR_FAILED, errno, "ploop: %s: open %s", pv->path, path)
	              : fd;
}

/* Of the very file that is locked here: until libploop had its lock, another might have put a new
 * top on it. */
static int check_device(const struct ploop_volume *pv, const char *cookie,
                        char name[PLOOP_DRIVER_NAME_BYTES], struct stor_err *err)
{
	char holder[PLOOP_DRIVER_NAME_BYTES];

	if (!ploop_driver_find(cookie, name))
		return host->fail(err, STOR_FAILED, 0,
		                  "ploop: attach=kernel: %s: libploop made no device", pv->path);
	if (!ploop_volume_is_served(pv, true, holder) || strcmp(name, holder) != 0)
		return host->fail(err, STOR_BUSY, 0,
		                  "ploop: attach=kernel: %s: it changed meanwhile", pv->path);
	return 0;
}

int ploop_kernel_attach(struct ploop_volume *pv, const struct stor_attach_req *req,
                        struct stor_attachment *attachment, char *why, size_t size,
                        struct stor_err *err)
{
	char cookie[COOKIE_BYTES], name[PLOOP_DRIVER_NAME_BYTES];
	struct libploop_answer answer = { .result = LIBPLOOP_ABSENT };

	if (record_token(pv, req, cookie, err))
		return -1;
	kill_point("ploop-kernel-token");
	if (make_device(pv, cookie, &answer, err))
		return -1;
	if (answer.result == LIBPLOOP_ABSENT) {
		snprintf(why, size, "libploop, of the package ploop, cannot be loaded: %s",
		         answer.text);
		return 1;
	}
	if (answer.result == LIBPLOOP_REFUSED && libploop_status(&answer) == STOR_BUSY)
		return host->fail(err, STOR_BUSY, 0, "ploop: attach=kernel: %s: %s", pv->path,
		                  answer.text);
	if (answer.result == LIBPLOOP_REFUSED) {
		snprintf(why, size, "libploop refused (%d): %s", answer.code,
		         *answer.text ? answer.text : "it did not say why");
		return take_down(cookie, err) ? -1 : 1;
	}
	if (check_device(pv, cookie, name, err))
		return -1;
	attachment->fd = open_filesystem(pv, name, err);
	if (attachment->fd < 0)
		return -1;
	attachment->how = "kernel";
	return 0;
}

/* --- detach -----------------------------------------------------------------------------------
 */

bool ploop_kernel_has_token(const char *token)
{
	return !strncmp(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX));
}

/* -1 with errno. The descriptor may be another one by now, or damaged: it is not asked. */
static int open_top(const char *volume_path, const char *name)
{
	char dir[PATH_MAX], *slash;
	cleanup_close int dir_fd = -1;
	struct stat st;

	snprintf(dir, sizeof(dir), "%s", volume_path);
	slash = strrchr(dir, '/');
	if (slash && !stat(dir, &st) && !S_ISDIR(st.st_mode))
		slash[1] = '\0';
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

int ploop_kernel_detach(const struct stor_volume *volume, const char *token, struct stor_err *err)
{
	const char *cookie_start = token + strlen(TOKEN_PREFIX);
	const char *space = strchr(cookie_start, ' ');
	char cookie[COOKIE_BYTES];
	cleanup_close int top_fd = -1;

	if (!space || (size_t)(space - cookie_start) != COOKIE_BYTES - 1)
		return host->fail(err, STOR_FAILED, 0, "ploop: unknown token \"%s\"", token);
	snprintf(cookie, sizeof(cookie), "%s", cookie_start);
	top_fd = open_top(volume->path, space + 1);
	if (top_fd < 0 && errno != ENOENT && errno != ENOTDIR)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s of %s", space + 1,
		                  volume->path);
	if (top_fd >= 0 && copyfile_lock(top_fd, LOCK_EX, DETACH_WAIT_MS))
		return host->fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, errno,
		                  "ploop: lock %s of %s", space + 1, volume->path);
	return take_down(cookie, err);
}
