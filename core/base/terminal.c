/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See terminal.h. */
#include "core/base/terminal.h"

#include <sys/ioctl.h>

void terminal_make_raw(struct terminal *t)
{
	struct termios raw;

	if (tcgetattr(0, &t->before) < 0)
		return;
	raw = t->before;
	cfmakeraw(&raw);
	t->is_raw = tcsetattr(0, TCSANOW, &raw) == 0;
}

void terminal_restore(struct terminal *t)
{
	if (t->is_raw)
		tcsetattr(0, TCSADRAIN, &t->before);
	t->is_raw = false;
}

void terminal_copy_size(int master_fd)
{
	struct winsize size;

	if (ioctl(0, TIOCGWINSZ, &size) == 0 || ioctl(1, TIOCGWINSZ, &size) == 0)
		ioctl(master_fd, TIOCSWINSZ, &size);
}
