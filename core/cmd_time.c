/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cmd_time.h. */
#include "core/cmd_time.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stor/util.h>

#include "core/base/opts.h"
#include "core/base/str.h"

/* "90s", "10m", "2h", "1d" ago. -1: it is no such text. */
static int parse_ago(const char *value, struct timespec *when)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	cleanup_free char *digits = xstrdup(value);
	size_t length = strlen(digits);
	uint64_t number;

	for (size_t i = 0; length && i < 4; i++) {
		if (digits[length - 1] != units[i].unit)
			continue;
		digits[length - 1] = '\0';
		if (str_to_u64(digits, &number) < 0 || number > 1000000)
			return -1;
		clock_gettime(CLOCK_REALTIME, when);
		when->tv_sec -= (time_t)(number * units[i].seconds);
		return 0;
	}
	return -1;
}

/* Also seconds since the epoch, and a date as in the log or a beginning of one, in UTC. */
int option_time(const char *option, const char *value, char *time, struct stor_err *err)
{
	static const char form[] = "0000-01-01T00:00:00.000000000Z";
	struct timespec when = { .tv_nsec = 0 };
	size_t length = strcspn(value, "Z");
	uint64_t seconds;
	struct tm tm;

	if (str_to_u64(value, &seconds) == 0 && seconds < (UINT64_C(1) << 35)) {
		when.tv_sec = (time_t)seconds;
		container_log_time(&when, time);
		return 0;
	}
	if (parse_ago(value, &when) == 0) {
		container_log_time(&when, time);
		return 0;
	}
	memset(&tm, 0, sizeof(tm));
	if (length >= 10 && length < LOG_TIME_MAX - 1 && strptime(value, "%Y-%m-%d", &tm) &&
	    (length == 10 || value[10] == 'T') && strspn(value, "0123456789-T:.") >= length) {
		memcpy(time, form, sizeof(form));
		memcpy(time, value, length);
		return 0;
	}
	return opts_fail_value(option, value,
	                       "a time (2026-11-28T23:57:00Z, 1795910220, or 10m ago: 10m)", err);
}
