/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See shutdown.h. */
#include "common/shutdown.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "common/host.h"

/* ext4 and xfs share the request, each under a name of its own that no header of linux/ has. */
#define FS_IOC_SHUTDOWN _IOR('X', 125, uint32_t)
#define SHUTDOWN_NO_LOG_FLUSH 2u
/* Of used space. Measured: equal at some 8 MiB written, 4 times as fast at 256 MiB. */
#define WORTH_SHUTDOWN_BYTES (8u << 20)

/*
 * Shut down, the filesystem forgets its dirty blocks. That costs it more (1 to 2 ms, for the kernel
 * logs it) than the unmount of a filesystem in which little was written, and so is done only where
 * there may be much. A filesystem that does not know the request is unmounted as any other.
 */
void shutdown_discarded(const struct stor_release_req *req, const char *backend)
{
	uint32_t how = SHUTDOWN_NO_LOG_FLUSH;
	struct statfs fs;

	if (!(req->flags & STOR_RELEASE_DISCARD) || fstatfs(req->root_fd, &fs) < 0 ||
	    (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize < WORTH_SHUTDOWN_BYTES)
		return;
	if (ioctl(req->root_fd, FS_IOC_SHUTDOWN, &how) < 0)
		host->log(STOR_LOG_DEBUG, "%s: shut filesystem down: %s", backend, strerror(errno));
}
