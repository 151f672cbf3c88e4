/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of an export share: the layout of its filesystem, its requests, and the slots that
 * they live in.
 *
 * Requests come in two ways. By /dev/fuse (export_dev.c) until the kernel has been told that there
 * is another one, and where it offers none; there, any slot takes any request. Through the ring
 * itself (export_uring.c), where the host has FUSE over io_uring on; there each slot belongs to one
 * of the kernel's queues, and what the kernel does not send that way still comes by /dev/fuse.
 */
#ifndef COMMON_EXPORT_FUSE_H
#define COMMON_EXPORT_FUSE_H

#include <linux/fuse.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "common/export.h"

#define EXPORT_FILE_NAME "disk"
#define EXPORT_FILE_INODE 2u
#define EXPORT_ROOT_MODE (S_IFDIR | 0500u)
#define EXPORT_PAGE_BYTES 4096u
/* The most that one request carries; by the ring, with many queues, it is less. */
#define EXPORT_PAYLOAD_BYTES (1u << 20)
/* With a full payload each: what a loaded server holds at most. */
#define EXPORT_SLOTS 56u
#define EXPORT_PAYLOADS_BYTES ((size_t)EXPORT_SLOTS * EXPORT_PAYLOAD_BYTES)
#define EXPORT_BACKGROUND 256u
#define EXPORT_FUSE_FILE 0 /* /dev/fuse in the ring's table of files */

/* What precedes the data of a write, which so begins at a page; other requests fit in, or continue
 * behind it where nobody reads them. */
struct export_head {
	struct fuse_in_header in;
	union {
		struct fuse_read_in read;
		struct fuse_write_in write;
		struct fuse_fallocate_in fallocate;
		struct fuse_open_in open;
		uint32_t init[5]; /* major, minor, readahead, flags, flags2 */
		char name[sizeof(struct fuse_write_in)];
	};
};

/* A small answer. */
union export_answer {
	struct fuse_init_out init;
	struct fuse_entry_out entry;
	struct fuse_attr_out attr;
	struct fuse_open_out open;
	struct fuse_statfs_out statfs;
	struct fuse_write_out write;
};

/* Requests of the kernel's queues, and where they live: see export_uring.c. */
struct export_entry;

struct export_slot {
	struct ring_op op; /* reading or answering it; an entry's: waiting for the next one too */
	struct export_request request;
	struct export *export;
	struct export_slot *next;
	struct iovec iov[2];
	struct export_head head;
	struct fuse_out_header out;
	union export_answer answer;
	char *payload;
	struct export_entry *entry; /* NULL: it came by /dev/fuse */
};

struct export
{
	struct ring *ring;
	struct export_target *target;
	int fuse_fd;
	struct export_slot slots[EXPORT_SLOTS];
	struct export_slot *free; /* the one used last first */
	char *payloads, *rooms;
	size_t room_bytes; /* of each */
	void *mapping;     /* what the payloads lie in */
	bool is_huge;
	struct ring_op poll_op;
	bool is_polling, is_gone;
	unsigned burst;                 /* how many reads to queue at once */
	unsigned reading, asked, found; /* of this burst: under way, begun, found a request */
	unsigned busy;                  /* requests not yet answered */
	struct export_uring *uring;     /* NULL: all comes by /dev/fuse */
};

/* --- export.c --- */

/* Handle the request in the slot, of which head and payload are filled. */
void export_begin(struct export_slot *slot);

/* --- export_fuse.c --- */

/* Answers everything but reads, writes, flushes and fallocates: the length of the answer, or a
 * negative errno value. INIT takes the ring as the way when it is offered and export->uring is
 * there. */
int export_fuse_answer(struct export *export, const struct export_head *head,
                       union export_answer *answer);

/* --- export_dev.c --- */

/* Wait for requests on /dev/fuse. */
void export_dev_poll(struct export *export);
void export_dev_slot_free(struct export_slot *slot);
/* The slot, which came by /dev/fuse, was answered or wants no answer. */
void export_dev_request_over(struct export_slot *slot);
/* Answer with slot->out and, behind it, length bytes at data. */
void export_dev_answer(struct export_slot *slot, void *data, size_t length);

/* --- export_uring.c --- */

/* Prepares for it if the kernel may offer it: the host has it on, and the ring's entries are wide.
 * Leaves export->uring NULL if not. */
void export_uring_prepare(struct export *export);
void export_uring_free(struct export *export);
/* The answer to INIT will agree to it. Returns the most that one request carries. */
unsigned export_uring_agree(struct export_uring *uring);
bool export_uring_is_agreed(const struct export_uring *uring);
/* INIT is answered: if that agreed to it, give the kernel the entries. */
void export_uring_register(struct export *export);
/* As export_dev_answer(). */
void export_uring_answer(struct export_slot *slot, void *data, size_t length);

#endif
