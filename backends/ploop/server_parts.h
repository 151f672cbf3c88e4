/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of a volume's server share. */
#ifndef PLOOP_SERVER_PARTS_H
#define PLOOP_SERVER_PARTS_H

#include "common/export.h"
#include "ploop/engine.h"
#include "ploop/server.h"

/* --- messages on the control socket --- */

enum ploop_control_op {
	PLOOP_CONTROL_GROW = 1, /* argument: bytes */
	/* With the new top's descriptor; name: for messages. With that of the volume's folder too:
	 * what is staged there becomes its DiskDescriptor.xml when the top can be written to. */
	PLOOP_CONTROL_PUSH,
	PLOOP_CONTROL_REBASE,  /* with those below the top; argument: the base is raw */
	PLOOP_CONTROL_COMPACT, /* answers bytes freed */
	PLOOP_CONTROL_USAGE,
};

/* More than a message takes besides a full chain. */
#define PLOOP_CONTROL_FDS_MAX 128

struct ploop_control_request {
	uint32_t op;  /* enum ploop_control_op */
	uint32_t fds; /* how many come with it */
	uint64_t
		number; /* of no other request, so that an answer nobody fetched is known as such */
	uint64_t argument;
	char name[256];
};

struct ploop_control_answer {
	uint64_t number; /* that of the request; 0: the server begins to serve, or does not */
	uint32_t status; /* enum stor_status; the rest tells why, or the result */
	int32_t errnum;
	char text[512], hint[256];
	uint64_t freed_bytes;
	uint32_t is_over_uring; /* number 0: how requests come */
	struct ploop_usage usage;
};

/* --- the server --- */

struct server_io;

struct ploop_server {
	struct ploop_executor executor;
	struct ploop_engine *engine;
	/* The executor queues in the ring; otherwise it performs I/O at once, as is right while
	 * nobody turns the ring. */
	bool is_turning;
	struct ring ring;
	struct server_io *spare; /* of the executor */
	struct export_target target;
	struct export *export;
	int fuse_fd, control_fd;
	int top_fd; /* of the top's file, which is locked exclusively; of the engine */
	uint32_t cluster_sectors;
	/* As in struct ploop_server_params. */
	int direct_after_ms;
	unsigned shared_files;
	uint32_t granule_bytes; /* of the engine's requests */
	bool is_direct;
	bool is_throwaway; /* the image is left as it is at the end */
	bool is_partition; /* what is served ends with the disk's partition */
	struct ring_op control_op;
	bool is_asked; /* the control socket has something to say */
};

/* Fill in executor and target of a server. */
void ploop_server_prepare(struct ploop_server *server, const struct ploop_server_params *params);
/* Free what the executor keeps. */
void ploop_server_spare_free(struct ploop_server *server);

/* The main function of the process (struct stor_server_req); arg: the server. */
int ploop_server_main(void *arg, int control_fd);

/* Use the files past the page cache, also those that came since. */
void ploop_server_go_direct(struct ploop_server *server);

/* Watch the control socket. */
void ploop_control_poll(struct ploop_server *server);
/* Read one request, do it, and answer. */
void ploop_control_handle(struct ploop_server *server);
/* Tell the maker that the server begins to serve, or why it does not. */
void ploop_control_started(struct ploop_server *server, bool has_failed);
/* From now on, what fails in this process is kept for the next answer. */
struct stor_err *ploop_control_own_errors(void);

/* For the other side: the answer to a request, within timeout_ms (-1: without end). `what`: the
 * object and the operation. 0, or -1 with err filled. */
int ploop_control_receive(int control_fd, uint64_t number, int timeout_ms, const char *what,
                          struct ploop_control_answer *answer, struct stor_err *err);

#endif
