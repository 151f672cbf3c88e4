/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps that take back what was done, run last in, first out when an operation fails half way.
 * Push one after each success that the kernel or the disk would keep; undo_commit() once the whole
 * has succeeded. Declared with cleanup_undo, it unwinds by itself at the end of its scope.
 */
#ifndef BASE_UNDO_H
#define BASE_UNDO_H

#include <stddef.h>

struct undo_step {
	void (*step)(void *arg);
	void *arg;
	void (*free_arg)(void *arg); /* NULL: arg is borrowed */
};

struct undo {
	struct undo_step *steps;
	size_t count;
	size_t room;
};

#define UNDO_INIT                                                                                  \
	{                                                                                          \
		.steps = NULL                                                                      \
	}

void undo_push(struct undo *undo, void (*step)(void *arg), void *arg, void (*free_arg)(void *arg));
/* Forget the steps: the operation succeeded. */
void undo_commit(struct undo *undo);
/* Take everything back now. */
void undo_unwind(struct undo *undo);
#define cleanup_undo __attribute__((cleanup(undo_unwind)))

#endif
