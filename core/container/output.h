/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard input and output of a detached container, and who reads them. Each is a FIFO,
 * STATE/io/ID.in, .out and .err, that the container's own end holds open for reading and writing:
 * so a container whose monitor is killed never meets a broken pipe; what it writes waits in the
 * pipe (64 KiB, then it waits itself), and whoever comes next finds the pipe by its name. With a
 * terminal there is none: it ends with the monitor, who has its master.
 */
#ifndef CONTAINER_OUTPUT_H
#define CONTAINER_OUTPUT_H

#include "core/container/plan.h"
#include "core/container/start.h"
#include "core/container_log.h"

struct output {
	int fds[2]; /* of the monitor: output and errors, or the terminal's master; -1: ended */
	struct log_writer log;
	bool is_told_to_end; /* by TERM, as when the machine is shut down */
};

#define OUTPUT_INIT                                                                                \
	{                                                                                          \
		.fds = { -1, -1 }, .log = LOG_WRITER_INIT                                          \
	}

/* Make the pipes of container `id` and open its log; the container's ends go into the plan. */
int output_make(struct output *output, struct store *store, const char *id, struct plan *plan,
                struct stor_err *err);
/* Find the pipes of a container that runs, whose monitor is dead. */
int output_find(struct output *output, struct store *store, const char *id,
                const struct container_config *config, struct stor_err *err);
void output_close(struct output *output);

/*
 * Write everything into the log, and hand signals on as monitor_wait() does, until the process has
 * ended and all that it wrote is read. The signals of monitor_prepare() are blocked. The process
 * may be another one's child, and is not waited for.
 */
int output_serve(struct output *output, struct process *process, struct stor_err *err);

#endif
