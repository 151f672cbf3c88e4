/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands that list something share: see cmd_listing.h. */
#include "core/cmd_listing.h"

#include <time.h>

#include <stor/util.h>

const char *listing_time(int64_t seconds, char *buf, size_t size)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (seconds < 0 || !localtime_r(&when, &tm) || !strftime(buf, size, "%F %H:%M", &tm))
		*buf = '\0';
	return buf;
}

const char *listing_created(const struct record *record, char *buf, size_t size)
{
	uint64_t created = record_get_u64(record, "created", 0);

	return listing_time(created ? (int64_t)created : -1, buf, size);
}

int listing_print(bool is_json, bool is_quiet, struct table *table, struct json *json)
{
	if (is_json && !is_quiet) {
		strv_free(&table->cells);
		return json_print(json);
	}
	strbuf_free(&json->out);
	if (is_quiet)
		strv_free(&table->cells);
	else
		table_print(table);
	return 0;
}
