/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines from option tables: see opts.h. */
#include "core/base/opts.h"

#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/str.h"

unsigned opts_distance(const char *a, const char *b)
{
	size_t columns = strlen(b);
	unsigned row[64];

	if (columns >= 64 || strlen(a) >= 64)
		return 4;
	for (size_t j = 0; j <= columns; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < columns; j++) {
			unsigned above = row[j + 1];
			unsigned best = diagonal + (a[i] != b[j]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			row[j + 1] = best;
			diagonal = above;
		}
	}
	return row[columns] > 3 ? 4 : row[columns];
}

int opts_fail_value(const char *option, const char *value, const char *wanted, struct stor_err *err)
{
	return err_fail(err, STOR_USAGE, 0, "%s: \"%s\" is not %s", option, value, wanted);
}

static const struct opt *table_long(const struct opt *table, const char *name, size_t length)
{
	for (const struct opt *o = table; o && o->long_name; o++)
		if (strlen(o->long_name) == length && !strncmp(o->long_name, name, length))
			return o;
	return NULL;
}

static const struct opt *find_long(const struct opt_command *command, const char *name,
                                   size_t length)
{
	const struct opt *found = table_long(command->options, name, length);

	return found ? found : table_long(command->more, name, length);
}

static const struct opt *table_short(const struct opt *table, char name)
{
	for (const struct opt *o = table; o && o->long_name; o++)
		if (o->short_name == name)
			return o;
	return NULL;
}

static const struct opt *find_short(const struct opt_command *command, char name)
{
	const struct opt *found = table_short(command->options, name);

	return found ? found : table_short(command->more, name);
}

static int take_value(const struct opt_command *command, void *target, const struct opt *option,
                      const char *value, struct stor_err *err)
{
	if (option->set(target, value, err) < 0)
		return -1;
	if (command->note)
		command->note(target, option, value);
	return 0;
}

/* Refuses an option of a later version: by its long name, or by its short one. false: it is none.
 */
static bool refuse_later(const struct opt_command *command, const char *long_name, char short_name,
                         struct stor_err *err)
{
	for (const struct opt_later *o = command->later; o && o->long_name; o++) {
		if (long_name ? strcmp(o->long_name, long_name) != 0 : o->short_name != short_name)
			continue;
		err_fail(err, STOR_UNSUPPORTED, 0, "%s: --%s is not supported yet", command->name,
		         o->long_name);
		err_hint(err, "%s", o->hint);
		return true;
	}
	return false;
}

static void find_nearest(const struct opt *table, const char *asked, unsigned *best,
                         const char **nearest)
{
	for (const struct opt *o = table; o && o->long_name; o++) {
		unsigned distance = opts_distance(asked, o->long_name);

		if (distance < *best) {
			*best = distance;
			*nearest = o->long_name;
		}
	}
}

static int unknown_long(const struct opt_command *command, const char *name, size_t length,
                        struct stor_err *err)
{
	cleanup_free char *asked = xstrndup(name, length);
	const char *nearest = NULL;
	unsigned best = 3;

	if (refuse_later(command, asked, 0, err))
		return -1;
	find_nearest(command->more, asked, &best, &nearest);
	find_nearest(command->options, asked, &best, &nearest);
	err_fail(err, STOR_USAGE, 0, "%s: unknown option --%s", command->name, asked);
	if (nearest)
		err_hint(err, "did you mean --%s?", nearest);
	else
		err_hint(err, "stor %s --help lists the options", command->name);
	return -1;
}

/* One "--…" word. Returns how many words it took, or -1. */
static int parse_long(const struct opt_command *command, void *target, char **words,
                      struct stor_err *err)
{
	const char *name = words[0] + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] ? name + length + 1 : NULL;
	const struct opt *o = find_long(command, name, length);
	int used = 1;

	if (!o)
		return unknown_long(command, name, length, err);
	if (!value && !o->value_name)
		value = "yes";
	if (!value) {
		value = words[1];
		used = 2;
	}
	if (!value)
		return err_fail(err, STOR_USAGE, 0, "%s: --%s needs a value (%s)", command->name,
		                o->long_name, o->value_name);
	return take_value(command, target, o, value, err) < 0 ? -1 : used;
}

/* One "-…" word of short options. Returns how many words it took, or -1. */
static int parse_short(const struct opt_command *command, void *target, char **words,
                       struct stor_err *err)
{
	for (const char *c = words[0] + 1; *c; c++) {
		const struct opt *o = find_short(command, *c);
		const char *value = c[1] ? c + 1 : words[1];

		if (!o && refuse_later(command, NULL, *c, err))
			return -1;
		if (!o) {
			err_fail(err, STOR_USAGE, 0, "%s: unknown option -%c", command->name, *c);
			err_hint(err, "stor %s --help lists the options", command->name);
			return -1;
		}
		if (!o->value_name) {
			if (take_value(command, target, o, "yes", err) < 0)
				return -1;
			continue;
		}
		if (!value)
			return err_fail(err, STOR_USAGE, 0, "%s: -%c needs a value (%s)",
			                command->name, *c, o->value_name);
		if (take_value(command, target, o, value, err) < 0)
			return -1;
		return c[1] ? 1 : 2;
	}
	return 1;
}

static int check_operands(const struct opt_command *command, int count, char **operands,
                          struct stor_err *err)
{
	if (count < command->min_operands)
		err_fail(err, STOR_USAGE, 0, "%s: missing operand", command->name);
	else if (command->max_operands >= 0 && count > command->max_operands)
		err_fail(err, STOR_USAGE, 0, "%s: one operand too many: \"%s\"", command->name,
		         operands[command->max_operands]);
	else
		return 0;
	err_hint(err, "usage: stor %s %s", command->name, command->synopsis);
	return -1;
}

int opts_parse(const struct opt_command *command, void *target, int argc, char **argv,
               char ***operands, int *count, struct stor_err *err)
{
	int kept = 1, i = 1;

	while (i < argc) {
		int used;

		if (argv[i][0] != '-' || !argv[i][1]) {
			if (command->stops_at_operand)
				break;
			argv[kept++] = argv[i++];
			continue;
		}
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (!strcmp(argv[i], "--help")) {
			opts_print_help(command);
			return 1;
		}
		used = argv[i][1] == '-' ? parse_long(command, target, argv + i, err)
		                         : parse_short(command, target, argv + i, err);
		if (used < 0)
			return -1;
		i += used;
	}
	while (i < argc)
		argv[kept++] = argv[i++];
	argv[kept] = NULL;
	*operands = argv + 1;
	*count = kept - 1;
	return check_operands(command, *count, *operands, err);
}

static void print_options(const struct opt *table)
{
	for (const struct opt *o = table; o && o->long_name; o++) {
		char left[64];
		char dash[5] = "    ";

		if (o->short_name)
			snprintf(dash, sizeof(dash), "-%c, ", o->short_name);
		snprintf(left, sizeof(left), "%s--%s%s%s", dash, o->long_name,
		         o->value_name ? " " : "", o->value_name ? o->value_name : "");
		if (strlen(left) > 30)
			printf("  %s\n  %30s  %s\n", left, "", o->help);
		else
			printf("  %-30s  %s\n", left, o->help);
	}
}

void opts_print_help(const struct opt_command *command)
{
	printf("Usage: stor %s %s\n\n%s.\n", command->name, command->synopsis, command->summary);
	if (command->details)
		printf("\n%s\n", command->details);
	printf("\nOptions:\n");
	print_options(command->more);
	print_options(command->options);
	printf("  %-30s  %s\n", "    --help", "Show this text");
}
