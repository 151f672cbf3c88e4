/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where stor keeps things, and who is alive.
 *
 *	STORE (/var/lib/stor)
 *	  images/NAME/       record, rootfs/
 *	  golden/KEY/        record, data/     a volume made of an image, shared by its clones
 *	  volumes/NAME/      record, data/
 *	  containers/ID/     record, data/     data: the container's ephemeral volume
 *	  tmp/PID.START.N/   work in progress; renamed to its place when whole
 *	STATE (/run/stor, gone after a boot)
 *	  live/PID.START.ID  one empty file per stor process that runs container ID
 *	  lower, upper, root empty directories: mount points inside a container's own mount
 *namespace
 *
 * Every folder is 0700: images hold set-user-ID programs of strangers. What a killed stor leaves
 * behind is in a place whose name says which process made it (pid and start time), so the next stor
 * command sees it and removes it: store_sweep().
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include <sys/types.h>

#include "core/base/err.h"
#include "core/base/str.h"

struct store {
	const char *path;       /* absolute */
	const char *state_path; /* absolute */
	int fd;                 /* -1 until store_open() */
	int state_fd;
};

#define STORE_INIT                                                                                 \
	{                                                                                          \
		.fd = -1, .state_fd = -1                                                           \
	}

/* Open, making what is missing. A store that others could write to is refused. Opening twice is
 * nothing. */
int store_open(struct store *store, struct stor_err *err);

/* A new random id: 12 hexadecimal digits. malloc'ed. */
char *store_new_id(void);

/* Make an empty tmp/PID.START.N/ for work in progress; returns its path below STORE (malloc'ed). */
char *store_make_temp(struct store *store, struct stor_err *err);

/* Say that this process runs container `id` now, and that it no longer does. */
int store_mark_live(struct store *store, const char *id, struct stor_err *err);
void store_unmark_live(struct store *store, const char *id);

/* Is a living stor process running this container? Its pid goes to *pid when not NULL. */
bool store_is_live(struct store *store, const char *id, pid_t *pid);

/*
 * Remove what dead stor processes left: their tmp/ folders, their --rm containers; and note in the
 * records of their other containers that they ended. Quick when there is nothing to do (one
 * directory listing), so every command calls it, run after its payload has started.
 */
int store_sweep(struct store *store, struct stor_err *err);

#endif
