/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps that take back what was done: see undo.h. */
#include "core/base/undo.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/str.h"

void undo_push(struct undo *undo, void (*step)(void *arg), void *arg, void (*free_arg)(void *arg))
{
	if (undo->count == undo->room) {
		undo->room = undo->room ? undo->room * 2 : 8;
		undo->steps = xrealloc(undo->steps, undo->room * sizeof(*undo->steps));
	}
	undo->steps[undo->count++] =
		(struct undo_step){ .step = step, .arg = arg, .free_arg = free_arg };
}

static void undo_finish(struct undo *undo, int run)
{
	int saved = errno;

	while (undo->count) {
		struct undo_step *last = &undo->steps[--undo->count];

		if (run)
			last->step(last->arg);
		if (last->free_arg)
			last->free_arg(last->arg);
	}
	free(undo->steps);
	undo->steps = NULL;
	undo->room = 0;
	errno = saved;
}

void undo_commit(struct undo *undo)
{
	undo_finish(undo, 0);
}

void undo_unwind(struct undo *undo)
{
	undo_finish(undo, 1);
}
