/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor ps --filter: see cmd_ps.h. */
#include <string.h>

#include <stor/util.h>

#include "core/cmd_filter.h"
#include "core/cmd_ps.h"
#include "core/container_show.h"

struct container {
	const char *id;
	const struct record *record;
};

/* The record's text under a key is the value. */
static bool has_text(const struct container *container, const char *key, const char *value)
{
	return filter_is_text(record_get(container->record, key), value);
}

static bool has_id(const void *thing, const char *value)
{
	return str_starts(((const struct container *)thing)->id, value);
}

static bool has_name(const void *thing, const char *value)
{
	const char *name = record_get(((const struct container *)thing)->record, "name");

	return name && strstr(name, value);
}

static bool has_status(const void *thing, const char *value)
{
	return has_text(thing, "status", value);
}

static bool has_code(const void *thing, const char *value)
{
	return has_text(thing, "status", "exited") && has_text(thing, "exit-code", value);
}

static bool has_image(const void *thing, const char *value)
{
	const struct container *container = thing;

	return filter_is_text(container_image_text(container->record), value);
}

static bool has_backend(const void *thing, const char *value)
{
	return has_text(thing, "backend", value);
}

static bool has_label(const void *thing, const char *value)
{
	return filter_has_label(((const struct container *)thing)->record, "label", value);
}

static const struct filter filters[] = {
	{ "backend", has_backend }, { "exited", has_code }, { "id", has_id },
	{ "image", has_image },     { "label", has_label }, { "name", has_name },
	{ "status", has_status },   { NULL, NULL },
};

static int check_status(const char *value, struct stor_err *err)
{
	static const char *const known[] = { "created", "running", "paused", "exited", "damaged" };

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(value, known[i]))
			return 0;
	return err_fail(err, STOR_USAGE, 0,
	                "--filter status=%s: known are created, running, paused, exited "
	                "and damaged",
	                value);
}

int ps_filter_check(const char *text, struct stor_err *err)
{
	const struct filter *filter = filter_find(filters, text);

	if (filter)
		return filter->passes == has_status ? check_status(strchr(text, '=') + 1, err) : 0;
	err_fail(err, STOR_USAGE, 0, "--filter: \"%s\" is no known KEY=VALUE", text);
	err_hint(err, "keys are backend, exited, id, image, label, name and status");
	return -1;
}

bool ps_filter_passes(const struct strv *given, const char *id, const struct record *record)
{
	const struct container container = { id, record };

	return filters_pass(filters, given, &container);
}
