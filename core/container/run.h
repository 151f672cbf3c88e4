/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One container from beginning to end. */
#ifndef CONTAINER_RUN_H
#define CONTAINER_RUN_H

#include "core/container/config.h"
#include "core/store.h"

struct run_opts {
	const char *id; /* a container that exists and does not run; NULL: a new one */
	/* The container outlives this process, has pipes and a log (core/container/output.h). */
	bool is_detached;
	bool is_again; /* nobody asked for it: one that was stopped meanwhile stays so */
	/* The command runs; may be NULL. master_fd: of its terminal, or -1. */
	void (*started)(void *ctx, const char *id, int master_fd);
	/* It has ended, and will be removed next; may be NULL. */
	void (*ending)(void *ctx);
	void *ctx;
	/* Of a detached one: set when this process was told to end (TERM) while it ran; may be
	 * NULL. */
	bool *is_told_to_end;
};

/*
 * Run a validated configuration to its end. Returns the command's exit status; or, with err filled,
 * the status that the failure deserves: 125, 126 (it cannot be executed) or 127 (not found). A new
 * container that did not start is gone again; an old one is as it was.
 */
int container_run(struct store *store, struct container_config *config, const struct run_opts *opts,
                  struct stor_err *err);

/* Make a container that runs later. *id is malloc'ed. */
int container_create(struct store *store, struct container_config *config, char **id,
                     struct stor_err *err);

#endif
