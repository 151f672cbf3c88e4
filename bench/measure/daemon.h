/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server of a peer, as dockerd: in the room, and beyond that in process and, as it wishes,
 * network namespaces of its own, below a process of the bench that ends with the bench. So whatever
 * the server starts ends with it.
 */
#ifndef BENCH_DAEMON_H
#define BENCH_DAEMON_H

#include <sys/types.h>

#include "bench/measure/room.h"

struct daemon {
	pid_t pid; /* of the process above the server; 0: there is none */
};

enum {
	DAEMON_IN_NETWORK = 1, /* in that of the bench */
	DAEMON_COUNTED = 2,    /* its processor time is the room's */
};

/* Start it, with flags of these; what it says goes to the file `log`, whose last line
 * daemon_last_words() returns. 0, or -1 with err filled. */
int daemon_start(struct daemon *daemon, const struct strv *argv, const struct room *room,
                 unsigned flags, const char *log, struct stor_err *err);

/* Has it ended by itself? */
bool daemon_has_ended(struct daemon *daemon);

/* malloc'ed; "" where it said nothing. */
char *daemon_last_words(const char *log);

/* Asks it to end, and waits; what does not end is killed after a while. Nothing to do when there is
 * none. */
void daemon_stop(struct daemon *daemon);

#endif
