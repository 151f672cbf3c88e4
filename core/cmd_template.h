/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --format TEMPLATE: "{{.Name}}\t{{.Status}}", a small part of what Docker takes. */
#ifndef CORE_CMD_TEMPLATE_H
#define CORE_CMD_TEMPLATE_H

#include <stddef.h>

#include "core/base/err.h"
#include "core/base/str.h"

/* A name that a template may have, and where its value is found. */
struct template_field {
	const char *name; /* any case of letters will do; NULL ends the table */
	int number;
};

/* Is every name of the template in the table? STOR_USAGE, naming the option's value. */
int template_check(const char *text, const struct template_field *fields, struct stor_err *err);

/* Print a checked template and a newline. value: of a field, malloc'ed, or NULL for nothing. */
void template_print(const char *text, const struct template_field *fields,
                    char *(*value)(void *ctx, int number), void *ctx);

/* Is it a template, and not the name of a format? */
bool template_is(const char *text);

#endif
