/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor rm: remove containers that do not run. */
#include <stor/util.h>

#include "core/cmd_options.h"
#include "core/cmd_store.h"
#include "core/container_store.h"

static int remove_one(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;

	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	return container_remove(store, id, err);
}

int cmd_rm(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		"rm", "NAME|ID...", "Remove containers that do not run, with their volumes",
		NULL, options,      1,
		-1,   false,
	};
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	/* What can be removed is removed. */
	return for_each_operand(store, count, operands, remove_one, err);
}
