/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Trace for people who look for a fault: --debug, or STOR_DEBUG=1. Failures go through err.h. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>

#include <stor/backend.h>

/* Highest level that is shown; STOR_LOG_WARN at the start. */
void log_set_level(enum stor_log_level level);
enum stor_log_level log_level(void);

/* One line on standard error, "stor: level: text". errno is kept. */
void log_line(enum stor_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void log_vline(enum stor_log_level level, const char *format, va_list args);

#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_level() >= STOR_LOG_DEBUG)                                                 \
			log_line(STOR_LOG_DEBUG, __VA_ARGS__);                                     \
	} while (0)
#define log_info(...) log_line(STOR_LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_line(STOR_LOG_WARN, __VA_ARGS__)

#endif
