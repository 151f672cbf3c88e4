/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The container's network namespace. Making one takes the kernel longer than most of a start: so a
 * thread makes it while the root is prepared, and the container's first process joins it.
 */
#ifndef CONTAINER_NETNS_H
#define CONTAINER_NETNS_H

#include <pthread.h>
#include <stdbool.h>

#include "core/base/err.h"

struct netns {
	pthread_t thread;
	bool is_being_made;
	int fd;           /* the namespace, once it is made */
	const char *what; /* what failed, with errnum; NULL: nothing */
	int errnum;
};

#define NETNS_INIT                                                                                 \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Begin to make one, with its loopback up. The thread has this one's signal mask; it points to
 * *netns until netns_finish() or netns_free(). */
int netns_begin(struct netns *netns, struct stor_err *err);

/* Wait until it is made. Returns its descriptor, which netns_free() closes, or -1. */
int netns_finish(struct netns *netns, struct stor_err *err);

/* Wait, where nobody did, and close. */
void netns_free(struct netns *netns);

#endif
