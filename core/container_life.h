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

/* Send a signal to the first process; SIGKILL reaches a paused one too. */
int container_signal(struct store *store, const char *id, int number, struct stor_err *err);

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
