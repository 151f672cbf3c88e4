/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor ps --filter: see cmd_ps.h. */
#include <string.h>

#include <stor/util.h>

#include "core/cmd_ps.h"
#include "core/container_show.h"

static bool is_text(const char *text, const char *wanted)
{
	return text && !strcmp(text, wanted);
}

static bool has_id(const char *id, const struct record *record, const char *value)
{
	(void)record;
	return str_starts(id, value);
}

static bool has_name(const char *id, const struct record *record, const char *value)
{
	const char *name = record_get(record, "name");

	(void)id;
	return name && strstr(name, value);
}

static bool has_status(const char *id, const struct record *record, const char *value)
{
	(void)id;
	return is_text(record_get(record, "status"), value);
}

static bool has_code(const char *id, const struct record *record, const char *value)
{
	return has_status(id, record, "exited") && is_text(record_get(record, "exit-code"), value);
}

static bool has_image(const char *id, const struct record *record, const char *value)
{
	(void)id;
	return is_text(container_image_text(record), value);
}

static bool has_backend(const char *id, const struct record *record, const char *value)
{
	(void)id;
	return is_text(record_get(record, "backend"), value);
}

/* KEY, or KEY=VALUE. */
static bool has_label(const char *id, const struct record *record, const char *value)
{
	bool is_key = !strchr(value, '=');
	const char *label;

	(void)id;
	for (size_t at = 0; (label = record_next(record, "label", &at));)
		if (is_key ? strlen(value) == strcspn(label, "=") && str_starts(label, value)
		           : !strcmp(label, value))
			return true;
	return false;
}

static const struct {
	const char *key;
	bool (*passes)(const char *id, const struct record *record, const char *value);
} filters[] = {
	{ "backend", has_backend }, { "exited", has_code }, { "id", has_id },
	{ "image", has_image },     { "label", has_label }, { "name", has_name },
	{ "status", has_status },
};
#define FILTER_COUNT (sizeof(filters) / sizeof(*filters))

static bool has_key(const char *text, const char *key)
{
	return strcspn(text, "=") == strlen(key) && str_starts(text, key);
}

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
	const char *value = strchr(text, '=');

	for (size_t i = 0; value && i < FILTER_COUNT; i++)
		if (has_key(text, filters[i].key))
			return has_key(text, "status") ? check_status(value + 1, err) : 0;
	err_fail(err, STOR_USAGE, 0, "--filter: \"%s\" is no known KEY=VALUE", text);
	err_hint(err, "keys are backend, exited, id, image, label, name and status");
	return -1;
}

bool ps_filter_passes(const struct strv *given, const char *id, const struct record *record)
{
	for (size_t i = 0; i < FILTER_COUNT; i++) {
		bool is_asked = false, passes = false;

		for (size_t j = 0; j < given->count; j++) {
			const char *text = given->items[j];

			if (!has_key(text, filters[i].key))
				continue;
			is_asked = true;
			passes |= filters[i].passes(id, record, strchr(text, '=') + 1);
		}
		if (is_asked && !passes)
			return false;
	}
	return true;
}
