/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Content of files: see copyfile.h. */
#include "common/copyfile.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"

#define CHUNK_BYTES (4u << 20)
#define BUFFER_BYTES (1u << 20)

static int copy_failed(const char *what, const char *path, struct stor_err *err)
{
	int saved = errno;

	host->fail(err, STOR_FAILED, saved, "copy %s: %s", path, what);
	if (saved == ENOSPC || saved == EDQUOT)
		host->hint(err, "free some space on the filesystem of the store, or move the store "
		                "with --store");
	return -1;
}

/* 0: shared; 1: cannot be shared here, copy it; -1: failed. */
static int reflink(struct copyfile *copy, int from_fd, int to_fd, const char *path,
                   struct stor_err *err)
{
	if (!copy->no_reflink && !ioctl(to_fd, FICLONE, from_fd))
		return 0;
	if (!copy->no_reflink && errno != EOPNOTSUPP && errno != EXDEV && errno != EINVAL &&
	    errno != ENOTTY && errno != ETXTBSY && errno != EPERM)
		return copy_failed("share its blocks", path, err);
	if (copy->mode != STOR_CLONE_REFLINK) {
		/* EPERM and ETXTBSY are the one file's. */
		copy->no_reflink |= errno != EPERM && errno != ETXTBSY;
		return 1;
	}
	host->fail(err, STOR_UNSUPPORTED, errno, "share the blocks of %s", path);
	host->hint(err, "xfs and btrfs can, within one filesystem; clone=copy copies");
	return -1;
}

/* One piece by read and write, where the kernel does not copy between these files. Returns the
 * count, 0 at the end, or -1 with errno. */
static ssize_t copy_by_hand(int from_fd, int to_fd, off_t at, size_t length)
{
	cleanup_free char *buffer = malloc(BUFFER_BYTES);
	ssize_t n;

	if (!buffer)
		return -1;
	n = pread_all(from_fd, buffer, length < BUFFER_BYTES ? length : BUFFER_BYTES, (uint64_t)at);
	if (n > 0 && pwrite_all(to_fd, buffer, (size_t)n, (uint64_t)at) < 0)
		return -1;
	return n;
}

static ssize_t copy_piece(struct copyfile *copy, int from_fd, int to_fd, off_t at, size_t length)
{
	off_t from = at, to = at;
	ssize_t n;

	if (length > CHUNK_BYTES)
		length = CHUNK_BYTES;
	/* copy_file_range() shares blocks where it can, which COPY must not. */
	if (copy->mode == STOR_CLONE_COPY || copy->no_kernel_copy)
		return copy_by_hand(from_fd, to_fd, at, length);
	n = copy_file_range(from_fd, &from, to_fd, &to, length, 0);
	if (n > 0)
		return n;
	if (n < 0 && errno != EXDEV && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)
		return -1;
	copy->no_kernel_copy = n < 0;
	return copy_by_hand(from_fd, to_fd, at, length);
}

static int copy_range(struct copyfile *copy, int from_fd, int to_fd, off_t at, off_t end,
                      const char *path, struct stor_err *err)
{
	while (at < end) {
		ssize_t n = copy_piece(copy, from_fd, to_fd, at, (size_t)(end - at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return copy_failed("copy its content", path, err);
		if (!n)
			return host->fail(err, STOR_FAILED, 0, "copy %s: it became shorter", path);
		at += n;
		copy->done_bytes += (uint64_t)n;
		if (host->progress("copy", copy->done_bytes, copy->total_bytes, err) < 0)
			return -1;
	}
	return 0;
}

int copyfile_content(struct copyfile *copy, int from_fd, int to_fd, uint64_t size, const char *path,
                     struct stor_err *err)
{
	off_t at = 0, end = (off_t)size;
	int result;

	if (!size)
		return 0;
	if (copy->mode != STOR_CLONE_COPY) {
		result = reflink(copy, from_fd, to_fd, path, err);
		if (result <= 0)
			return result;
	}
	if (ftruncate(to_fd, end) < 0)
		return copy_failed("set its size", path, err);
	while (at < end) {
		off_t data = lseek(from_fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0;
		hole = data < 0 ? -1 : lseek(from_fd, data, SEEK_HOLE);
		if (data < 0 || hole < 0)
			return copy_failed("find its data", path, err);
		if (hole > end)
			hole = end;
		if (copy_range(copy, from_fd, to_fd, data, hole, path, err) < 0)
			return -1;
		at = hole;
	}
	return 0;
}

int copyfile_lock(int fd, int operation, uint32_t wait_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int64_t give_up = monotonic_ms() + wait_ms;

	for (;;) {
		if (!flock(fd, operation | LOCK_NB))
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -1;
		if (monotonic_ms() >= give_up) {
			errno = EWOULDBLOCK;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}
