/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor rename. */
#include <stor/util.h>

#include "core/cmd_life.h"
#include "core/container_store.h"

int cmd_rename(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = { { 0 } };
	static const struct opt_command command = {
		.name = "rename",
		.synopsis = "NAME|ID NEW-NAME",
		.summary = "Give a container another name",
		.options = options,
		.min_operands = 2,
		.max_operands = 2,
	};
	cleanup_free char *id = NULL;
	char **operands;
	int count, result = opts_parse(&command, NULL, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (container_find(store, operands[0], &id, NULL, err) < 0)
		return -1;
	return container_rename(store, id, operands[1], err);
}
