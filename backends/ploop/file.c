/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real files and directories behind the interfaces of file.h. */
#include "ploop/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "common/extents.h"

#define ALIGNMENT 4096u
#define BOUNCE_BYTES (1u << 20)
#define NOT_WRITTEN (FIEMAP_EXTENT_UNWRITTEN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNKNOWN)

struct real_file {
	struct ploop_file file;
	bool is_direct;
};

struct real_dir {
	struct ploop_dir dir;
	int fd;
};

static bool needs_bounce(struct ploop_file *file, const void *data)
{
	return ((struct real_file *)file)->is_direct && (uintptr_t)data % ALIGNMENT;
}

/* Direct I/O of memory that is not aligned for it, piece by piece through memory that is. */
static int through_bounce(struct ploop_file *file, char *in, const char *out, size_t length,
                          uint64_t offset)
{
	cleanup_free char *bounce = aligned_alloc(ALIGNMENT, BOUNCE_BYTES);

	if (!bounce)
		return -ENOMEM;
	while (length) {
		size_t piece = length < BOUNCE_BYTES ? length : BOUNCE_BYTES;
		int r;

		if (out) {
			memcpy(bounce, out, piece);
			r = file->ops->pwrite(file, bounce, piece, offset);
			out += piece;
		} else {
			r = file->ops->pread(file, bounce, piece, offset);
			/* Without `out` there is `in`. */
			/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
			memcpy(in, bounce, piece);
			in += piece;
		}
		if (r)
			return r;
		length -= piece;
		offset += piece;
	}
	return 0;
}

static int real_pread(struct ploop_file *file, void *data, size_t length, uint64_t offset)
{
	ssize_t n;

	if (needs_bounce(file, data))
		return through_bounce(file, data, NULL, length, offset);
	n = pread_all(file->fd, data, length, offset);
	if (n < 0)
		return -errno;
	memset((char *)data + n, 0, length - (size_t)n);
	return 0;
}

static int real_pwrite(struct ploop_file *file, const void *data, size_t length, uint64_t offset)
{
	if (needs_bounce(file, data))
		return through_bounce(file, NULL, data, length, offset);
	return pwrite_all(file->fd, data, length, offset) ? -errno : 0;
}

static int real_sync(struct ploop_file *file)
{
	return !file->is_throwaway && fdatasync(file->fd) ? -errno : 0;
}

static int real_truncate(struct ploop_file *file, uint64_t size)
{
	return ftruncate(file->fd, (off_t)size) ? -errno : 0;
}

static int write_zeros(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	size_t room = length < BOUNCE_BYTES ? (size_t)length : BOUNCE_BYTES;
	cleanup_free char *zeros = NULL;

	room = (room + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	zeros = aligned_alloc(ALIGNMENT, room);
	if (!zeros)
		return -ENOMEM;
	memset(zeros, 0, room);
	while (length) {
		size_t piece = length < room ? (size_t)length : room;

		if (pwrite_all(file->fd, zeros, piece, offset))
			return -errno;
		offset += piece;
		length -= piece;
	}
	return 0;
}

static int real_zero(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	if (!fallocate(file->fd, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)length))
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	return write_zeros(file, offset, length);
}

static int real_extend(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	return fallocate(file->fd, 0, (off_t)offset, (off_t)length) ? -errno : 0;
}

/* A hole, or blocks never written: the kernel does not tell them apart here. */
static int seal_hole(struct ploop_file *file, uint64_t start, uint64_t end, uint64_t granule)
{
	uint64_t first = (start + granule - 1) / granule * granule;
	uint64_t last = end / granule * granule;

	if (first >= last)
		return write_zeros(file, start, end - start);
	if (fallocate(file->fd, 0, (off_t)first, (off_t)(last - first))) {
		if (errno != EOPNOTSUPP)
			return -errno;
		return write_zeros(file, start, end - start);
	}
	if (start < first) {
		int r = write_zeros(file, start, first - start);

		if (r)
			return r;
	}
	return last < end ? write_zeros(file, last, end - last) : 0;
}

/* Has every block of the range been written, by the filesystem's own account? It tells nothing of
 * what waits in the page cache. */
static bool is_written(int fd, uint64_t offset, uint64_t length)
{
	uint64_t at = offset, end = offset + length;
	const struct fiemap_extent *extent;
	struct extents walk;

	extents_begin(&walk, fd, offset, length);
	while (at < end && (extent = extents_next(&walk))) {
		if (extent->fe_logical > at || extent->fe_flags & NOT_WRITTEN)
			return false;
		at = extent->fe_logical + extent->fe_length;
	}
	return at >= end;
}

/* The content is written once more, and its blocks are then of those that were. */
static int rewrite(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	cleanup_free char *buffer = aligned_alloc(ALIGNMENT, BOUNCE_BYTES);
	int r = buffer ? 0 : -ENOMEM;

	for (uint64_t done = 0; done < length && !r; done += BOUNCE_BYTES) {
		size_t piece = length - done < BOUNCE_BYTES ? length - done : BOUNCE_BYTES;

		r = file->ops->pread(file, buffer, piece, offset + done);
		if (!r)
			r = file->ops->pwrite(file, buffer, piece, offset + done);
	}
	return r;
}

/*
 * Granules that were never written may lie in several pieces on the disk, where its room is
 * scattered or an extent cannot be longer; `ploop` wants whole ones. What the page cache has not
 * written yet must not be.
 */
static int seal_pieces(struct ploop_file *file, uint64_t offset, uint64_t end, uint64_t granule)
{
	const struct fiemap_extent *extent;
	struct extents walk;
	int r = 0;

	extents_begin(&walk, file->fd, offset, end - offset);
	while (!r && (extent = extents_next(&walk))) {
		uint64_t start = extent->fe_logical > offset ? extent->fe_logical : offset;
		uint64_t stop = extent->fe_logical + extent->fe_length;

		if (extent->fe_flags & FIEMAP_EXTENT_UNWRITTEN &&
		    (extent->fe_logical % granule || extent->fe_length % granule))
			r = rewrite(file, start, (stop < end ? stop : end) - start);
	}
	return r;
}

static int seal_holes(struct ploop_file *file, uint64_t offset, uint64_t end, uint64_t granule)
{
	uint64_t at = offset;

	while (at < end) {
		off_t hole = lseek(file->fd, (off_t)at, SEEK_HOLE), data;
		uint64_t stop;
		int r;

		if (hole < 0)
			return -errno;
		if ((uint64_t)hole >= end)
			return 0;
		data = lseek(file->fd, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			return -errno;
		stop = data < 0 || (uint64_t)data > end ? end : (uint64_t)data;
		r = seal_hole(file, (uint64_t)hole, stop, granule);
		if (r)
			return r;
		at = stop;
	}
	return 0;
}

static int real_seal(struct ploop_file *file, uint64_t offset, uint64_t length, uint64_t granule)
{
	uint64_t end = offset + length;
	int r;

	/* For other programs, which will not see it. */
	if (file->is_throwaway)
		return 0;
	/* What was written and waits in the page cache counts as a hole until it is on its way. */
	if (fdatasync(file->fd))
		return -errno;
	if (is_written(file->fd, offset, length))
		return 0;
	/* What was read and is in the page cache counts as data, though no block of it was written.
	 */
	posix_fadvise(file->fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
	r = seal_holes(file, offset, end, granule);
	if (!r && fdatasync(file->fd))
		r = -errno;
	return r ? r : seal_pieces(file, offset, end, granule);
}

static int real_size(struct ploop_file *file, uint64_t *size)
{
	off_t end = lseek(file->fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	*size = (uint64_t)end;
	return 0;
}

static void real_close(struct ploop_file *file)
{
	close_fd(&file->fd);
	free(file);
}

static const struct ploop_file_ops real_file_ops = {
	.pread = real_pread,
	.pwrite = real_pwrite,
	.sync = real_sync,
	.truncate = real_truncate,
	.zero = real_zero,
	.extend = real_extend,
	.seal = real_seal,
	.size = real_size,
	.close = real_close,
};

int ploop_file_from_fd(int fd, struct ploop_file **file)
{
	int flags = fcntl(fd, F_GETFL);
	struct real_file *real = flags < 0 ? NULL : malloc(sizeof(*real));

	if (!real)
		return flags < 0 ? -errno : -ENOMEM;
	real->file = (struct ploop_file){ .ops = &real_file_ops, .fd = fd };
	real->is_direct = flags & O_DIRECT;
	*file = &real->file;
	return 0;
}

/* What direct I/O must be a multiple of; 0: the file has none. Linux 6.1 tells, of the filesystems
 * that know; no disk wants more than a page. */
static uint32_t direct_granule(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &sx) || !(sx.stx_mask & STATX_DIOALIGN))
		return ALIGNMENT;
	return sx.stx_dio_offset_align;
}

void ploop_file_go_direct(struct ploop_file *file, uint32_t granule_bytes)
{
	uint32_t granule = file->fd < 0 || file->is_throwaway ? 0 : direct_granule(file->fd);
	int flags = granule ? fcntl(file->fd, F_GETFL) : -1;

	if (flags < 0 || granule_bytes % granule)
		return;
	if (!fcntl(file->fd, F_SETFL, flags | O_DIRECT))
		((struct real_file *)file)->is_direct = true;
}

static int real_open(struct ploop_dir *dir, const char *name, unsigned flags,
                     struct ploop_file **file)
{
	bool writes = flags & (PLOOP_OPEN_WRITE | PLOOP_OPEN_CREATE);
	int mode = (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int dir_fd = ((struct real_dir *)dir)->fd;
	cleanup_close int fd = -1;
	struct real_file *real;
	struct stat st;

	if (flags & PLOOP_OPEN_CREATE)
		mode |= O_CREAT | O_EXCL;
	if (flags & PLOOP_OPEN_OWN)
		mode |= O_NOFOLLOW;
	fd = openat(dir_fd, name, mode, 0600);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (flags & PLOOP_OPEN_LOCK && flock(fd, (writes ? LOCK_EX : LOCK_SH) | LOCK_NB))
		return -errno;
	real = malloc(sizeof(*real));
	if (!real)
		return -ENOMEM;
	real->file = (struct ploop_file){ .ops = &real_file_ops,
		                          .fd = steal_fd(&fd),
		                          .is_throwaway = dir->is_throwaway };
	real->is_direct = false;
	*file = &real->file;
	return 0;
}

static int real_rename(struct ploop_dir *dir, const char *from, const char *to)
{
	int fd = ((struct real_dir *)dir)->fd;

	return renameat(fd, from, fd, to) ? -errno : 0;
}

static int real_unlink(struct ploop_dir *dir, const char *name)
{
	return unlinkat(((struct real_dir *)dir)->fd, name, 0) ? -errno : 0;
}

static int real_dir_sync(struct ploop_dir *dir)
{
	return !dir->is_throwaway && fsync(((struct real_dir *)dir)->fd) ? -errno : 0;
}

static int real_list(struct ploop_dir *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
	int fd = openat(((struct real_dir *)dir)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!stream) {
		r = -errno;
		close_fd(&fd);
		return r;
	}
	errno = 0;
	while (!r && (entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = each(ctx, entry->d_name);
		errno = 0;
	}
	if (!r)
		r = -errno;
	closedir(stream);
	return r;
}

static void real_dir_close(struct ploop_dir *dir)
{
	close_fd(&((struct real_dir *)dir)->fd);
	free(dir);
}

static const struct ploop_dir_ops real_dir_ops = {
	.open = real_open,
	.rename = real_rename,
	.unlink = real_unlink,
	.sync = real_dir_sync,
	.list = real_list,
	.close = real_dir_close,
};

struct ploop_dir *ploop_dir_open_fd(int dir_fd)
{
	cleanup_close int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	struct real_dir *real;

	if (fd < 0)
		return NULL;
	real = malloc(sizeof(*real));
	if (!real)
		return NULL;
	real->dir = (struct ploop_dir){ .ops = &real_dir_ops };
	real->fd = steal_fd(&fd);
	return &real->dir;
}
