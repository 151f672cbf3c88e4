/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The user's terminal on standard input, as a wire to another one. */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct terminal {
	bool is_raw;
	struct termios before;
};

/* Hand every key on as it is. Nothing is done where standard input is no terminal. */
void terminal_make_raw(struct terminal *terminal);
/* As it was before; may be called again. */
void terminal_restore(struct terminal *terminal);
/* Give another terminal the size of the user's. */
void terminal_copy_size(int master_fd);

#endif
