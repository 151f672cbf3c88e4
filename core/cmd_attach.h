/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following a detached container with one's own standard input and output. */
#ifndef CORE_CMD_ATTACH_H
#define CORE_CMD_ATTACH_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/container_log.h"
#include "core/container_life.h"
#include "core/detach_keys.h"
#include "core/store.h"

struct attach {
	bool no_input, no_signals;
	struct detach_keys keys;
	/* Where the log is read on: begun before a start, nothing is missed. */
	struct log_reader reader;
	struct container_watch watch;
};

#define ATTACH_INIT                                                                                \
	{                                                                                          \
		.keys = DETACH_KEYS_INIT, .reader = LOG_READER_INIT, .watch = CONTAINER_WATCH_INIT \
	}

/* Begin to watch container `id`, from now on. A container that never ran has no log yet. */
int attach_begin(struct attach *attach, struct store *store, const char *id, struct stor_err *err);

/* Stay with it until it ends, and return its exit code; or until the keys to detach are typed, and
 * return 0. -1 with err filled. */
int attach_serve(struct attach *attach, struct stor_err *err);

void attach_end(struct attach *attach);

#endif
