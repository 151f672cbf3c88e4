/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands made of several: finding the one that was asked for. */
#include "core/cmd.h"

#include <stdio.h>
#include <string.h>

static void print_list(const char *group, const struct subcommand *table, FILE *out)
{
	fprintf(out, "Usage: stor %s COMMAND [ARG...]\n\nCommands:\n", group);
	for (; table->name; table++)
		fprintf(out, "  %-10s  %s\n", table->name, table->summary);
	fprintf(out, "\nstor %s COMMAND --help explains a command.\n", group);
}

int cmd_dispatch(const char *group, const struct subcommand *table, struct store *store, int argc,
                 char **argv, struct stor_err *err)
{
	if (argc < 2) {
		print_list(group, table, stderr);
		return err_fail(err, STOR_USAGE, 0, "%s: no command given", group);
	}
	if (!strcmp(argv[1], "--help")) {
		print_list(group, table, stdout);
		return 0;
	}
	for (const struct subcommand *c = table; c->name; c++)
		if (!strcmp(argv[1], c->name))
			return c->run(store, argc - 1, argv + 1, err);
	err_fail(err, STOR_USAGE, 0, "%s: unknown command \"%s\"", group, argv[1]);
	err_hint(err, "stor %s --help lists them", group);
	return -1;
}
