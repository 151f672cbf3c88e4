/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's network namespace. Making one takes the kernel longer than most of a start: so a
 * thread makes it while the root is prepared, and the container's first process joins it. On a busy
 * machine the thread may not have had a processor by then, and is not waited for.
 */
#ifndef CONTAINER_NETNS_H
#define CONTAINER_NETNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/err.h"

struct netns {
	pthread_t thread;
	bool has_thread;
	atomic_bool is_taken; /* by the thread, or by netns_take_over() */
	int fd;               /* the namespace, once it is made */
	const char *what;     /* what failed, with errnum; NULL: nothing */
	int errnum;
};

#define NETNS_INIT                                                                                 \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Begin to make one, with its loopback up. The thread has this one's signal mask; it points to
 * *netns until netns_free(). */
int netns_begin(struct netns *netns, struct stor_err *err);

/* Has the thread not begun yet? Then it never will, and it is up to the caller to make one. */
bool netns_take_over(struct netns *netns);

/* Wait until it is made. Returns its descriptor, which netns_free() closes, or -1. */
int netns_finish(struct netns *netns, struct stor_err *err);

/* Wait, where nobody did, and close. */
void netns_free(struct netns *netns);

/* Bring this thread's loopback up. 0, or -1 with errno; allocates nothing. */
int netns_raise_loopback(void);

#endif
