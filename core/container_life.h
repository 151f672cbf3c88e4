/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a container from outside: signals, waiting for its end, stopping it. */
#ifndef CORE_CONTAINER_LIFE_H
#define CORE_CONTAINER_LIFE_H

#include <stdbool.h>

#include "core/base/record.h"
#include "core/store.h"

#define LIFE_FOREVER (-1)

/* A pidfd of the container's first process. STOR_FAILED: it does not run. record: of the container;
 * may be NULL. */
int container_open_process(struct store *store, const char *id, struct record *record,
                           struct stor_err *err);

/* STOR_FAILED: it does not run; by its name, with what starts it. */
int container_fail_not_running(struct store *store, const char *id, struct stor_err *err);

/* Send a signal to the first process; SIGKILL reaches a paused one too. */
int container_signal(struct store *store, const char *id, int number, struct stor_err *err);

/* Looks at a container until it has ended. */
/* One of the runs of a container, by its first process. */
struct container_run {
	uint64_t pid, start_time; /* 0: not known yet */
};

struct container_watch {
	struct store *store;
	const char *id; /* borrowed */
	int record_fd;  /* its record; it stays readable when it is removed */
	int change_fd;  /* readable when something in the container's folder has changed */
	/* Of a stop: the run that is to end. One that is only made, and not starting, has ended
	 * then, and so has this one when there is another. */
	struct container_run *stops;
	char code[12]; /* once it has ended: its exit code, or "unknown" */
};

#define CONTAINER_WATCH_INIT                                                                       \
	{                                                                                          \
		.record_fd = -1, .change_fd = -1                                                   \
	}

int container_watch_begin(struct container_watch *watch, struct store *store, const char *id,
                          struct stor_err *err);
/* 1: it has ended, and its stor process has let go of it; 0: it has not; -1 with err filled. */
int container_watch_look(struct container_watch *watch, struct stor_err *err);
/* A pidfd of the stor process that will write the end down. -1: there is none; then what is to be
 * done about that is done, and it is worth looking again. */
int container_watch_monitor(struct container_watch *watch);
void container_watch_end(struct container_watch *watch);
#define cleanup_container_watch __attribute__((cleanup(container_watch_end)))

/*
 * Wait until a container does not run, and its stor process has let go of it: at most timeout_ms.
 * No lock is held. 1: it has ended, and code (12 bytes) says how: a number, or "unknown"; 0: not in
 * time; -1 with err filled. One that never ran has not ended. STOR_NOT_FOUND: it went away unseen.
 */
int container_wait(struct store *store, const char *id, int64_t timeout_ms, char *code,
                   struct stor_err *err);

/* Its time to stop, when the command says nothing else. */
#define LIFE_OWN_TIMEOUT INT64_MIN

/* Stop it: its stop signal (number 0), or this one; after timeout_s seconds SIGKILL (-1: never).
 * One that does not run is stopped. */
int container_stop(struct store *store, const char *id, int number, int64_t timeout_s,
                   struct stor_err *err);

#endif
