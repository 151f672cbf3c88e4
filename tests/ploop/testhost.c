/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "testhost.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/host.h"
#include "core/base/err.h"

static __attribute__((format(printf, 2, 3))) void log_line(enum stor_log_level level,
                                                           const char *format, ...)
{
	va_list args;

	(void)level;
	if (!getenv("STOR_TEST_LOG"))
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

static unsigned told, cancel_at;

unsigned testhost_cancel_at(unsigned number)
{
	unsigned before = told;

	told = 0;
	cancel_at = number;
	return before;
}

static int progress(const char *what, uint64_t done, uint64_t total, struct stor_err *err)
{
	(void)what, (void)done, (void)total;
	if (++told != cancel_at)
		return 0;
	return err_fail(err, STOR_FAILED, EINTR, "interrupted by the test");
}

void testhost_load(void)
{
	static const struct stor_host services = {
		.struct_size = sizeof(services),
		.version = "test",
		.fail = err_fail,
		.hint = err_hint,
		.log = log_line,
		.progress = progress,
	};
	struct stor_err err = STOR_ERR_INIT;

	host_load(&services, &err);
}
