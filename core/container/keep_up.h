/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Restart policies: a monitor starts its container again when it has ended. */
#ifndef CONTAINER_KEEP_UP_H
#define CONTAINER_KEEP_UP_H

#include "core/container/config.h"
#include "core/store.h"

/*
 * Container `id` has just ended with this exit code (negative: not known), after having run for
 * run_ms. While its policy says so, and nobody has stopped, started or removed it, wait a while,
 * run it again as a detached one, and so on. Returns when that is over.
 */
void container_keep_up(struct store *store, struct container_config *config, const char *id,
                       int exit_code, int64_t run_ms);

#endif
