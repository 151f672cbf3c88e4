/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands share: see cmd_options.h. */
#include "core/cmd_options.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/str.h"

int option_switch(bool *is_on, const char *option, const char *value, struct stor_err *err)
{
	return str_to_bool(value, is_on) < 0 ? opts_fail_value(option, value, "yes or no", err) : 0;
}

int option_format(bool *is_json, const char *value, struct stor_err *err)
{
	*is_json = !strcmp(value, "json");
	return *is_json || !strcmp(value, "table")
	               ? 0
	               : opts_fail_value("--format", value, "table or json", err);
}

int for_each_operand(struct store *store, int count, char **operands,
                     int (*handle)(struct store *store, const char *name, struct stor_err *err),
                     struct stor_err *err)
{
	int result = 0;

	for (int i = 0; i < count; i++) {
		struct stor_err one = STOR_ERR_INIT;

		if (!handle(store, operands[i], &one))
			continue;
		if (result < 0) {
			fflush(stdout);
			err_print(err);
			one.status = err->status;
		}
		*err = one;
		result = -1;
	}
	return result;
}
