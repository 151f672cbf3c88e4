/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A stand-in for stor: see fake_host.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "common/host.h"
#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/base/str.h"
#include "tests/unit/fake_host.h"

#define PARAMS_MAX 32

static unsigned progress_calls, interrupt_at;

void fake_host_interrupt_at(unsigned call)
{
	progress_calls = 0;
	interrupt_at = call;
}

static int fake_progress(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                         struct stor_err *err)
{
	(void)done_bytes;
	(void)total_bytes;
	progress_calls++;
	if (interrupt_at && progress_calls >= interrupt_at)
		return err_fail(err, STOR_FAILED, EINTR, "%s", what);
	return 0;
}

static int fake_temp_file(struct stor_err *err)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? err_fail(err, STOR_FAILED, errno, "temporary file") : fd;
}

static int fake_spawn_server(const struct stor_server_req *req, struct stor_server *server,
                             struct stor_err *err)
{
	(void)server;
	return err_fail(err, STOR_UNSUPPORTED, 0, "no servers in this test: %s", req->name);
}

static int fake_call_isolated(const struct stor_call_req *req, struct stor_err *err)
{
	(void)req;
	return err_fail(err, STOR_UNSUPPORTED, 0, "no isolated calls in this test");
}

static const struct stor_host fake_host = {
	.struct_size = sizeof(struct stor_host),
	.version = "test",
	.fail = err_fail,
	.hint = err_hint,
	.log = log_line,
	.progress = fake_progress,
	.temp_file = fake_temp_file,
	.spawn_server = fake_spawn_server,
	.call_isolated = fake_call_isolated,
	.run_program = proc_run,
};

const struct stor_host *fake_host_load(void)
{
	host_load(&fake_host, NULL);
	return &fake_host;
}

static uint64_t enum_index(const char *choices, const char *text)
{
	size_t length = strlen(text);
	uint64_t index = 0;

	for (const char *at = choices;; at++, index++) {
		const char *end = strchrnul(at, '|');

		if ((size_t)(end - at) == length && !strncmp(at, text, length))
			return index;
		assert_int_equal(*end, '|');
		at = end;
	}
}

static void set_value(const struct stor_param *param, const char *text, struct stor_value *value)
{
	bool is_true = false;

	value->is_set = true;
	value->string = text;
	if (param->type == STOR_PARAM_BOOL) {
		assert_int_equal(str_to_bool(text, &is_true), 0);
		value->number = is_true;
	} else if (param->type == STOR_PARAM_ENUM) {
		value->number = enum_index(param->choices, text);
	} else if (param->type != STOR_PARAM_STRING) {
		assert_int_equal(str_to_size(text, &value->number), 0);
	}
}

const struct stor_value *fake_host_values(const struct stor_backend *backend,
                                          const char *const *given)
{
	static struct stor_value values[PARAMS_MAX];
	const struct stor_param *param = backend->params;

	memset(values, 0, sizeof(values));
	for (size_t i = 0; param && param[i].key; i++) {
		assert_true(i < PARAMS_MAX);
		if (param[i].default_value)
			set_value(&param[i], param[i].default_value, &values[i]);
		for (size_t j = 0; given && given[j]; j++) {
			size_t length = strlen(param[i].key);

			if (strncmp(given[j], param[i].key, length) != 0 || given[j][length] != '=')
				continue;
			set_value(&param[i], given[j] + length + 1, &values[i]);
			values[i].is_explicit = true;
		}
	}
	return values;
}

void fake_host_sh(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}
