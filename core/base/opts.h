/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines from one static table per command: parsing, --help, and (through tests/docs) the
 * man page and the shell completion all come from it.
 */
#ifndef BASE_OPTS_H
#define BASE_OPTS_H

#include <stdbool.h>

#include "core/base/err.h"

struct opt {
	char short_name;       /* 'i'; 0: none */
	const char *long_name; /* "interactive"; NULL ends the table */
	/* "SIZE": the option takes a value. NULL: it is a switch; "--x=no" sets it to "no". */
	const char *value_name;
	const char *help; /* one line; no full stop */
	/* Called for each occurrence, in order, with the value ("yes" for a bare switch). Fills err
	 * (STOR_USAGE) and returns -1 for a value it refuses. */
	int (*set)(void *target, const char *value, struct stor_err *err);
};

/* An option that other programs of the kind have and this one will: it is refused by name. */
struct opt_later {
	char short_name;       /* 0: none */
	const char *long_name; /* NULL ends the table */
	const char *hint;      /* what can be done until then */
};

struct opt_command {
	const char *name;     /* "image import" */
	const char *synopsis; /* "[OPTIONS] SOURCE NAME" */
	const char *summary;  /* one sentence, for --help and the list of commands */
	const char *details;  /* more text for --help; NULL: none */
	const struct opt *options;
	/* Fewest and most operands; -1: any number. */
	int min_operands, max_operands;
	/* Operands end the options: "stor run IMAGE -x" gives -x to the payload. */
	bool stops_at_operand;
	const struct opt_later *later; /* NULL: none */
	/* More options, listed before the others; NULL: none. */
	const struct opt *more;
	/* Told of each option once its value is taken; NULL: nobody is. */
	void (*note)(void *target, const struct opt *option, const char *value);
};

/*
 * Parse argv[1..]: "-abc", "-o VALUE", "-oVALUE", "--long VALUE", "--long=VALUE", "--" ends the
 * options. Sets *operands to the operands, moved to the end of argv (NULL-terminated), and *count
 * to their number. Returns 0; 1 when --help was asked for and printed; or -1 with STOR_USAGE
 * reported, naming the option and, where one is near, the option that was probably meant
 * (STOR_UNSUPPORTED for one of command->later).
 */
int opts_parse(const struct opt_command *command, void *target, int argc, char **argv,
               char ***operands, int *count, struct stor_err *err);

/* Print what --help prints, on standard output. */
void opts_print_help(const struct opt_command *command);

/* Ready-made setters. The target's member is found by the caller's own set function. */
int opts_fail_value(const char *option, const char *value, const char *wanted,
                    struct stor_err *err);

/* Levenshtein distance at most 3, else 4: for "did you mean". */
unsigned opts_distance(const char *a, const char *b);

#endif
