/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying the content of one file into another, empty one; and locking files. */
#ifndef COMMON_COPYFILE_H
#define COMMON_COPYFILE_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

/* Shared over the files of one operation. */
struct copyfile {
	enum stor_clone_mode mode; /* AUTO, REFLINK or COPY */
	bool no_reflink;           /* it was tried and cannot be done here */
	bool no_kernel_copy;       /* likewise for copy_file_range() */
	uint64_t done_bytes;       /* for the progress bar */
	uint64_t total_bytes;      /* 0: not known */
};

/*
 * Make to_fd the same as from_fd, which has `size` bytes, holes included. AUTO shares the blocks
 * where the filesystem can, else lets the kernel copy; REFLINK is STOR_UNSUPPORTED where they
 * cannot be shared; COPY shares nothing. `path` names the file in messages.
 */
int copyfile_content(struct copyfile *copy, int from_fd, int to_fd, uint64_t size, const char *path,
                     struct stor_err *err);

/* flock(), tried each millisecond for at most wait_ms. Returns 0, or -1 with errno: EWOULDBLOCK
 * when somebody still has it. */
int copyfile_lock(int fd, int operation, uint32_t wait_ms);

#endif
