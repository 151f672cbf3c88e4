/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cmd_filter.h. */
#include "core/cmd_filter.h"

#include <string.h>

static bool has_key(const char *text, const char *key)
{
	return strcspn(text, "=") == strlen(key) && str_starts(text, key);
}

const struct filter *filter_find(const struct filter *table, const char *text)
{
	if (!strchr(text, '='))
		return NULL;
	while (table->key && !has_key(text, table->key))
		table++;
	return table->key ? table : NULL;
}

bool filters_pass(const struct filter *table, const struct strv *given, const void *thing)
{
	for (; table->key; table++) {
		bool is_asked = false, passes = false;

		for (size_t i = 0; i < given->count; i++) {
			if (!has_key(given->items[i], table->key))
				continue;
			is_asked = true;
			passes |= table->passes(thing, strchr(given->items[i], '=') + 1);
		}
		if (is_asked && !passes)
			return false;
	}
	return true;
}

bool filter_has_label(const struct record *record, const char *key, const char *wanted)
{
	bool is_key = !strchr(wanted, '=');
	const char *label;

	for (size_t at = 0; (label = record_next(record, key, &at));)
		if (is_key ? strlen(wanted) == strcspn(label, "=") && str_starts(label, wanted)
		           : !strcmp(label, wanted))
			return true;
	return false;
}

bool filter_is_text(const char *text, const char *wanted)
{
	return text && !strcmp(text, wanted);
}
