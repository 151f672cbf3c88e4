/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See signals.h. */
#include "core/signals.h"

#include <signal.h>
#include <string.h>
#include <strings.h>

#include "core/base/opts.h"
#include "core/base/str.h"

#define SECONDS_MAX (UINT64_C(1) << 30)

static int parse_real_time(const char *name)
{
	uint64_t number = 0;

	if (strncasecmp(name, "RTMIN", 5) != 0 && strncasecmp(name, "RTMAX", 5) != 0)
		return -1;
	if (name[5] && (name[5] != (strncasecmp(name, "RTMIN", 5) ? '-' : '+') ||
	                str_to_u64(name + 6, &number) < 0))
		return -1;
	if (number > (uint64_t)(SIGRTMAX - SIGRTMIN))
		return -1;
	return strncasecmp(name, "RTMIN", 5) ? SIGRTMAX - (int)number : SIGRTMIN + (int)number;
}

int signal_parse(const char *text)
{
	const char *name = strncasecmp(text, "SIG", 3) ? text : text + 3;
	uint64_t number;

	if (str_to_u64(text, &number) == 0)
		return number && number < _NSIG ? (int)number : -1;
	for (int i = 1; i < SIGRTMIN; i++) {
		const char *known = sigabbrev_np(i);

		if (known && !strcasecmp(known, name))
			return i;
	}
	return parse_real_time(name);
}

int signal_parse_timeout(const char *option, const char *value, int64_t *seconds,
                         struct stor_err *err)
{
	uint64_t number;

	if (!strcmp(value, "-1")) {
		*seconds = -1;
		return 0;
	}
	if (str_to_u64(value, &number) < 0 || number > SECONDS_MAX)
		return opts_fail_value(option, value, "a number of seconds, or -1", err);
	*seconds = (int64_t)number;
	return 0;
}
