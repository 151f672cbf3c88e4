/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one way to report a failure. Who detects it says what went wrong, once, with the object and
 * the operation; callers may put context before it; only main prints it.
 *
 * A fallible function takes `struct stor_err *err` last, never NULL, and returns 0 or -1 (or a
 * pointer, NULL on failure). It leaves err untouched when it succeeds.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

#include <stor/backend.h>

/* Plain memory without pointers, so that a child process can fill one that its parent reads. */
struct stor_err {
	enum stor_status status; /* STOR_OK: nothing was reported */
	int errnum;              /* errno value that caused it, or 0 */
	char text[1024];
	char hint[512]; /* what the user can do; empty: nothing */
};

#define STOR_ERR_INIT                                                                              \
	{                                                                                          \
		.status = STOR_OK                                                                  \
	}

/* Report. The text of errnum is appended when it is not 0. Called on an err that already holds a
 * report, it puts the new text before it ("context: earlier text") and keeps the earlier status.
 * Always returns -1. */
int err_fail(struct stor_err *err, enum stor_status status, int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Put context before what a callee reported. Always returns -1. */
int err_context(struct stor_err *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Say what the user can do about it. The first hint stays. */
void err_hint(struct stor_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forget a report that turned out not to matter. */
void err_clear(struct stor_err *err);

/* Print a report to standard error as "stor: text" and "  hint: …". Only for main and for a process
 * that is about to end. */
void err_print(const struct stor_err *err);

#endif
