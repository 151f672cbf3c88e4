/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk of any format as a file of the kernel: a FUSE filesystem with one regular file in it, on a
 * mount that is in nobody's mount table, so that a loop device can be made on the file.
 *
 *      loop device ──► file ──► mount ──► connection ──► /dev/fuse ──► export ──► target
 *
 * Each holds the next one. With the loop device's last user the mount goes, and with it the
 * connection, which ends the export. When the server dies, its descriptor of /dev/fuse goes, and
 * whatever waits for an answer gets EIO.
 *
 * The server is one thread that turns a ring: requests, answers and the target's own I/O all pass
 * through it.
 */
#ifndef COMMON_EXPORT_H
#define COMMON_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <stor/backend.h>

#include "common/ring.h"

/* --- what the server's maker does --- */

struct export_mount {
	int fuse_fd;  /* for the server; to be closed by everybody else once there is one */
	int mount_fd; /* the detached mount; an open file on it keeps it */
};

/* -1 with err filled: STOR_UNSUPPORTED where the kernel has no FUSE. */
int export_mount_create(const char *name, struct export_mount *mount, struct stor_err *err);

/* Opens the file, which a server must answer. Returns the descriptor, or -1 with err filled. */
int export_mount_open(const struct export_mount *mount, const char *name, bool read_only,
                      struct stor_err *err);

/* --- the server --- */

enum export_op { EXPORT_READ, EXPORT_WRITE, EXPORT_FLUSH, EXPORT_ZERO };

struct export_request {
	enum export_op op;
	void *data; /* READ, WRITE: begins at a page */
	/* Whole blocks of what the loop device was told, within the target's size. */
	uint64_t offset, length;
	void *room; /* target->room_bytes for the target's own use, zeroed once */
};

struct export_target {
	uint64_t size_bytes;
	uint32_t discard_bytes; /* smaller stretches are not worth a discard; a power of two */
	bool read_only;
	size_t room_bytes;
	/* Begin to do it; the target calls export_complete(), now or in a later turn. */
	void (*submit)(struct export_target *target, struct export_request *request);
};

struct export;

/* Requests can come through the ring itself, where the host has FUSE over io_uring on, if the
 * ring's entries are wide. */
bool export_wants_wide_ring(void);

/* Serves the connection fuse_fd, which it takes over on success; target and ring must live longer.
 * NULL with err filled. */
struct export *export_start(struct ring *ring, int fuse_fd, struct export_target *target,
                            struct stor_err *err);

/* result: 0 or a negative errno value. The request is the export's again. */
void export_complete(struct export_request *request, int result);

enum export_way {
	EXPORT_UNDECIDED, /* the kernel has not said yet what it offers; turn the ring */
	EXPORT_BY_DEVICE,
	EXPORT_BY_RING, /* FUSE over io_uring */
};
enum export_way export_way(const struct export *export);

/* The connection is gone, and nothing is under way any more. */
bool export_is_over(const struct export *export);

/* How many requests are under way. */
unsigned export_depth(const struct export *export);

/* Give the memory back that only load needs; for an idle export. */
void export_trim(struct export *export);

/* Tell the kernel that target->size_bytes grew. 0 or a negative errno value. */
int export_grown(struct export *export);

/* Frees it, and ends the connection if it is not over. */
void export_free(struct export *export);

#endif
