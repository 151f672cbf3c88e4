/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small inline helpers for backends, and for stor itself: descriptors and memory that free
 * themselves at the end of their scope, reads and writes that are never short, and a clock.
 */
#ifndef STOR_UTIL_H
#define STOR_UTIL_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline void stor_cleanup_free(void *ptr)
{
	int saved = errno;

	free(*(void **)ptr);
	errno = saved;
}

static inline void stor_cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* The variable must be initialised where it is declared: NULL, or -1. */
#define cleanup_free __attribute__((cleanup(stor_cleanup_free)))
#define cleanup_close __attribute__((cleanup(stor_cleanup_close)))

/* Give a descriptor up: returns it, and leaves -1 behind for the cleanup to find. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Close now, and leave -1 behind. errno is kept. */
static inline void close_fd(int *fd)
{
	stor_cleanup_close(fd);
	*fd = -1;
}

/* As steal_fd(), for a pointer. */
#define steal_ptr(ptr)                                                                             \
	(__extension__({                                                                           \
		__typeof__(*(ptr)) *steal_where_ = (ptr);                                          \
		__typeof__(*(ptr)) steal_what_ = *steal_where_;                                    \
		*steal_where_ = NULL;                                                              \
		steal_what_;                                                                       \
	}))

/* Write all of it at an offset. Returns 0, or -1 with errno. */
static inline int pwrite_all(int fd, const void *data, size_t size, uint64_t offset)
{
	const char *at = (const char *)data;

	while (size) {
		ssize_t n = pwrite(fd, at, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (!n)
				errno = EIO;
			return -1;
		}
		at += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Read until `size` bytes or the end of the file. Returns the count, or -1 with errno. */
static inline ssize_t pread_all(int fd, void *data, size_t size, uint64_t offset)
{
	char *at = (char *)data;
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, at + got, size - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* The time since some moment before, by a clock that nobody sets. */
static inline int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline int64_t monotonic_ms(void)
{
	return monotonic_ns() / 1000000;
}

#endif
