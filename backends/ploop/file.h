/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files and the directory that they lie in, as the engine sees them. Everything that this backend
 * writes goes through these two interfaces, so that tests can record it, replay any part of it, and
 * make it fail.
 *
 * Every operation returns 0 or a negative errno value unless it says otherwise.
 */
#ifndef PLOOP_FILE_H
#define PLOOP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ploop_file;

struct ploop_file_ops {
	/* What lies beyond the end reads as zeros. */
	int (*pread)(struct ploop_file *file, void *data, size_t length, uint64_t offset);
	/* All of it, or an error; extends the file. */
	int (*pwrite)(struct ploop_file *file, const void *data, size_t length, uint64_t offset);
	/* What was written, and the size, are durable when it returns. */
	int (*sync)(struct ploop_file *file);
	int (*truncate)(struct ploop_file *file, uint64_t size);
	/* The range reads as zeros, has its blocks, and lies within the file afterwards. */
	int (*zero)(struct ploop_file *file, uint64_t offset, uint64_t length);
	/* The range, which begins at the end of the file or before, has its blocks and lies within
	 * the file afterwards; its content stays as it is. At once or not at all: the filesystem
	 * may be unable to. */
	int (*extend)(struct ploop_file *file, uint64_t offset, uint64_t length);
	/* Make the range free of holes, and of blocks that were never written except where whole
	 * granules of them are, each in one piece. Nobody writes to it meanwhile. Its content stays
	 * as it is. */
	int (*seal)(struct ploop_file *file, uint64_t offset, uint64_t length, uint64_t granule);
	int (*size)(struct ploop_file *file, uint64_t *size);
	void (*close)(struct ploop_file *file);
};

struct ploop_file {
	const struct ploop_file_ops *ops;
	int fd; /* of a real file; -1 otherwise */
	/* Of a volume that nobody sees again after its use: sync() and seal() do nothing. */
	bool is_throwaway;
};

#define PLOOP_OPEN_WRITE 1u
#define PLOOP_OPEN_CREATE 2u /* new; EEXIST when it exists; implies PLOOP_OPEN_WRITE */
#define PLOOP_OPEN_LOCK 4u   /* flock: exclusive to write, shared to read; EWOULDBLOCK */
#define PLOOP_OPEN_OWN 8u    /* a file of the directory itself: no symbolic link; ELOOP */

struct ploop_dir;

struct ploop_dir_ops {
	/* Names with a slash are paths: absolute, or relative to the directory. */
	int (*open)(struct ploop_dir *dir, const char *name, unsigned flags,
	            struct ploop_file **file);
	/* Replaces what has the name `to`. */
	int (*rename)(struct ploop_dir *dir, const char *from, const char *to);
	int (*unlink)(struct ploop_dir *dir, const char *name);
	/* Names made, changed and removed before are durable when it returns. */
	int (*sync)(struct ploop_dir *dir);
	/* Calls `each` for every name, in no order, until it returns non-zero, which is returned.
	 */
	int (*list)(struct ploop_dir *dir, int (*each)(void *ctx, const char *name), void *ctx);
	void (*close)(struct ploop_dir *dir);
};

struct ploop_dir {
	const struct ploop_dir_ops *ops;
	bool is_throwaway; /* so are the files that are opened in it from now on */
};

/* A real directory; keeps a copy of the descriptor. NULL with errno. */
struct ploop_dir *ploop_dir_open_fd(int dir_fd);

/* A file that is open already; the descriptor is taken over on success. */
int ploop_file_from_fd(int fd, struct ploop_file **file);

/*
 * Read and write a real file past the page cache from now on, if it can do so with pieces that
 * begin and end at multiples of granule_bytes, and is not thrown away; else it goes on as it was.
 */
void ploop_file_go_direct(struct ploop_file *file, uint32_t granule_bytes);

static inline void ploop_dir_close(struct ploop_dir *dir)
{
	if (dir)
		dir->ops->close(dir);
}

static inline void ploop_file_close(struct ploop_file *file)
{
	if (file)
		file->ops->close(file);
}

static inline void ploop_cleanup_file(struct ploop_file **file)
{
	ploop_file_close(*file);
}
#define cleanup_ploop_file __attribute__((cleanup(ploop_cleanup_file)))

#endif
