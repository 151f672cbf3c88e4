/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes: who is alive, and running a program to its end. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"

/* Start time of a process in clock ticks since boot (/proc/PID/stat, field 22): with the pid it
 * names one process for as long as the machine is up. 0: no such process. */
uint64_t proc_start_time(pid_t pid);

/* Is this very process still there (not a zombie)? start_time 0: any process with that pid. */
bool proc_is_alive(pid_t pid, uint64_t start_time);

/* Is there no process with this pid, or only what is left of one? Quicker than proc_is_alive(). */
bool proc_has_ended(pid_t pid);

/* The process that a pidfd is of; -1: it has ended. */
pid_t proc_pidfd_pid(int pidfd);

/*
 * Run a program found in PATH, with stdin from /dev/null, LC_ALL=C and both outputs captured; each
 * line goes to emit as key "note" (emit may be NULL). argv is NULL-terminated. Returns the exit
 * status (128+N when killed by signal N), or -1 with err filled: STOR_UNSUPPORTED when it is not
 * installed.
 */
int proc_run(const char *const *argv, stor_emit_fn emit, void *ctx, struct stor_err *err);

/* Close every descriptor above standard error that is not in the list, which is sorted for it.
 * 0, or -1 with errno. */
int proc_close_others(int *kept, size_t count);

/* Of a process that is to stay when its terminal goes: the standard descriptors become /dev/null,
 * and its working directory /. 0, or -1 with errno, and what could be done is. */
int proc_leave_terminal(void);

/* waitpid() for one process, repeated when interrupted. Returns the wait status, or -1. */
int proc_wait(pid_t pid);

/* Status as a shell shows it: exit code, or 128+N. */
int proc_exit_code(int wait_status);

/* The full path of the running executable in buf; and that of the directory that it lies in. Return
 * 0, or -1 with errno. */
int proc_self_path(char *buf, size_t size);
int proc_self_dir(char *buf, size_t size);

#endif
