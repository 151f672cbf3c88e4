/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listings in aligned columns: see table.h. */
#include "core/base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void table_cell(struct table *table, const char *text)
{
	char *copy = xstrdup(text && *text ? text : "-");

	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	strv_take(&table->cells, copy);
}

void table_print(struct table *table)
{
	size_t *widths = xcalloc(table->columns, sizeof(*widths));
	size_t i;

	for (i = 0; i < table->cells.count; i++) {
		size_t width = strlen(table->cells.items[i]);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	for (i = 0; i < table->cells.count; i++) {
		if ((i + 1) % table->columns)
			printf("%-*s  ", (int)widths[i % table->columns], table->cells.items[i]);
		else
			printf("%s\n", table->cells.items[i]);
	}
	free(widths);
	strv_free(&table->cells);
}
