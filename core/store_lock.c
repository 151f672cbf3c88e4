/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks between stor commands. All keys share one file, in which the byte at the key's hash is
 * locked: no file per key needs removing, and the kernel drops a killed process's locks. They
 * belong to the open file description, so two in one process exclude each other too.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/store.h"

uint64_t store_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash;
}

/* Tries for wait_ms. 0, or -1 with errno (EAGAIN: held all the time). */
static int wait_for_lock(int fd, struct flock *lock, uint32_t wait_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (uint32_t waited = 0;; waited++) {
		if (fcntl(fd, wait_ms == STORE_WAIT_FOREVER ? F_OFD_SETLKW : F_OFD_SETLK, lock) ==
		    0)
			return 0;
		if (errno == EINTR)
			continue;
		if ((errno != EAGAIN && errno != EACCES) || waited >= wait_ms)
			return -1;
		nanosleep(&pause, NULL);
	}
}

int store_lock(struct store *store, const char *key, bool exclusive, uint32_t wait_ms,
               struct stor_err *err)
{
	struct flock lock = {
		.l_type = exclusive ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(store_hash(key) >> 2),
		.l_len = 1,
	};
	cleanup_close int fd =
		openat(store->state_fd, "locks", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open %s/locks", store->state_path);
	if (wait_for_lock(fd, &lock, wait_ms) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return err_fail(err, STOR_BUSY, 0, "another stor command works on it");
		return err_fail(err, STOR_FAILED, errno, "lock %s/locks", store->state_path);
	}
	return steal_fd(&fd);
}
