/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listings in aligned columns, for people; --format json is for programs. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "core/base/str.h"

struct table {
	size_t columns;
	struct strv cells; /* row by row, the header first */
};

#define TABLE_INIT(column_count)                                                                   \
	{                                                                                          \
		.columns = (column_count)                                                          \
	}

/* Add one cell; rows fill from left to right. NULL or "" shows as "-". */
void table_cell(struct table *table, const char *text);
/* Print all rows on standard output and free the table. Unprintable bytes show as '?'. */
void table_print(struct table *table);

#endif
