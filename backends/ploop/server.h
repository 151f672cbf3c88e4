/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The `engine` export: a chain of image files, served as a block device by a process of its own. */
#ifndef PLOOP_SERVER_H
#define PLOOP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "ploop/engine.h"

struct ploop_server_params {
	const char *name; /* for ps: "stor-ploop /var/lib/stor/volumes/v1" */
	/* The chain; its executor is not used. The files are taken over, also on failure. */
	const struct ploop_open_params *open;
	bool read_only;
	bool is_throwaway; /* nobody sees the image again when the server is gone */
	bool direct_io;    /* of the loop device */
	/* So long after its start the server uses the image files past the page cache, in which a
	 * start finds what another has read; -1: never. */
	int direct_after_ms;
	unsigned
		shared_files; /* the lowest ones of the chain, which are used through it for ever */
	uint32_t block_bytes; /* logical block size of the device; 0: 512 */
	/* The part of the disk that the device is; size 0: to its end. */
	uint64_t offset_bytes, size_bytes;
	bool is_partition; /* ... which is the disk's partition, and grows with it */
	int lock_fd; /* whose lock lasts as long as the server; -1: none. The caller keeps its own
	              */
};

/*
 * Opens the chain, starts the process that serves it, and fills the attachment: kind BLOCK, fd a
 * loop device (AUTOCLEAR) over its FUSE file, control_fd, server_pidfd, how "engine" and the way of
 * its requests if that is not /dev/fuse. The volume's lock, a flock on the open image files, lives
 * exactly as long as the server, and the server as long as the device is used. 0, or -1 with err
 * filled.
 */
int ploop_server_attach(const struct ploop_server_params *params,
                        struct stor_attachment *attachment, struct stor_err *err);

#endif
