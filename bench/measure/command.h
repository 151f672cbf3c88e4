/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a command and taking its measure: from before it is started to its end, with the
 * processor time of all that it started. */
#ifndef BENCH_COMMAND_H
#define BENCH_COMMAND_H

#include <stddef.h>
#include <sys/types.h>

#include "bench/measure/room.h"
#include "core/base/err.h"
#include "core/base/str.h"

/* What is kept of a command's standard output. */
#define COMMAND_OUTPUT_MAX (8u << 20)

struct command {
	struct strv argv;        /* the program is looked for in PATH */
	char *folder;            /* to run it in; NULL: the bench's own */
	char *input;             /* file to read; NULL: /dev/null */
	const struct room *room; /* to run it in; NULL: where the bench is */
	bool asks_server;        /* its work is done by a server in the room's cgroup */
};

#define COMMAND_INIT                                                                               \
	{                                                                                          \
		.argv = STRV_INIT                                                                  \
	}

void command_free(struct command *command);
#define cleanup_command __attribute__((cleanup(command_free)))

struct outcome {
	int status;                /* as a shell shows it */
	double seconds;            /* of the clock */
	double cpu_seconds;        /* of the command and what it waited for */
	double server_cpu_seconds; /* of what outlived it for a moment, as servers of volumes do,
	                            * and of the server that it asked */
	char *output, *errors;     /* errors: the end of them */
};

void outcome_free(struct outcome *outcome);
#define cleanup_outcome __attribute__((cleanup(outcome_free)))

/* What outlives the commands becomes this process's child, so that it can be waited for and
 * measured. Once, before the first command. 0, or -1 with err filled. */
int command_prepare(struct stor_err *err);

/*
 * Run to the end, and wait for what it left, at most 10 s. Returns 0 however the command ended
 * (status 127: it is not installed); or -1 with err filled, when nothing could be run, or
 * progress_signal() was noted: the command has got it too and has ended.
 */
int command_run(const struct command *command, struct outcome *outcome, struct stor_err *err);

/* As command_run(), of what must succeed: other statuses are errors, with the end of what it said.
 */
int command_must(const struct command *command, struct outcome *outcome, struct stor_err *err);

/* The same of words, the last of them NULL. The output may be NULL, else it is the caller's to
 * free. */
int command_call(char **output, struct stor_err *err, const char *word, ...)
	__attribute__((sentinel));

#endif
