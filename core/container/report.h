/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the container's first process says which step failed. It writes into memory that it shares
 * with its parent, and allocates nothing; the parent turns it into words. */
#ifndef CONTAINER_REPORT_H
#define CONTAINER_REPORT_H

#include "core/container/plan.h"

enum report_step {
	STEP_NONE, /* all went well, or the process died without a word */
	STEP_PARENT_GONE,
	STEP_SETUP,        /* detail: what */
	STEP_ROOT,         /* detail: what */
	STEP_OVERLAY,      /* detail: what the kernel said */
	STEP_SYSTEM_DIR,   /* detail: which of /proc, /sys, /dev has no place */
	STEP_SYSTEM_MOUNT, /* detail: which */
	STEP_MOUNT_POINT,  /* index: which of the plan's mounts */
	STEP_MOUNT,        /* index: the same */
	STEP_TTY,
	STEP_WORKDIR,
	STEP_USER,       /* index: enum user_result; which: group */
	STEP_ULIMIT,     /* index: which of the configuration's */
	STEP_PRIVILEGES, /* detail: what */
	STEP_SECCOMP,
	STEP_NOT_FOUND,   /* no such command */
	STEP_INTERPRETER, /* the command's interpreter is missing; detail: it */
	STEP_OWN_PROGRAM, /* the command is stor itself, through /proc */
	STEP_EXEC,
	STEP_INIT, /* stor's own reaper could not be executed */
};

struct report {
	volatile enum report_step step;
	int errnum;
	unsigned index, which;
	int mounts_fd; /* no failure: the child's mount namespace, open in the parent */
	char detail[256];
};

/* Words for a report; returns the exit status that goes with it: 125, 126 or 127. */
int report_to_error(const struct report *report, const struct plan *plan, struct stor_err *err);

#endif
