/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace lines: see log.h. The level is the one mutable global of the program. */
#include "core/base/log.h"

#include <errno.h>
#include <stdio.h>

static enum stor_log_level shown = STOR_LOG_WARN;

void log_set_level(enum stor_log_level level)
{
	shown = level;
}

enum stor_log_level log_level(void)
{
	return shown;
}

void log_vline(enum stor_log_level level, const char *format, va_list args)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	int saved = errno;
	char text[1024];

	if (level > shown)
		return;
	errno = saved; /* for %m */
	vsnprintf(text, sizeof(text), format, args);
	fprintf(stderr, "stor: %s: %s\n", names[level], text);
	errno = saved;
}

void log_line(enum stor_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vline(level, format, args);
	va_end(args);
}
