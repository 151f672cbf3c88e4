/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See container_show.h. */
#include "core/container_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#define COMMAND_WIDTH 30

char *container_command_text(const struct record *record, bool is_whole)
{
	struct strbuf buf = STRBUF_INIT;
	const char *word;

	for (size_t at = 0; (word = record_next(record, "command", &at));)
		strbuf_printf(&buf, "%s%s", buf.length ? " " : "", word);
	if (!is_whole && buf.length > COMMAND_WIDTH) {
		buf.length = COMMAND_WIDTH - 3;
		buf.text[buf.length] = '\0';
		strbuf_puts(&buf, "...");
	}
	return strbuf_steal(&buf);
}

static bool has_status(const struct record *record, const char *wanted)
{
	const char *status = record_get(record, "status");

	return status && !strcmp(status, wanted);
}

const char *container_status_text(const struct record *record, char *buf, size_t size)
{
	const char *code = record_get(record, "exit-code");

	if (!has_status(record, "exited") || !code)
		return record_get(record, "status");
	snprintf(buf, size, "exited (%s)", code);
	return buf;
}

const char *container_image_text(const struct record *record)
{
	const char *image = record_get(record, "image");

	return image ? image : record_get(record, "volume.root");
}

bool container_is_up(const struct record *record)
{
	return has_status(record, "running") || has_status(record, "paused");
}

void container_json_list(struct json *json, const char *name, const struct record *record,
                         const char *key)
{
	const char *value;

	json_open_array(json, name);
	for (size_t at = 0; (value = record_next(record, key, &at));)
		json_string(json, NULL, value);
	json_close_array(json);
}

static void labels_json(struct json *json, const struct record *record)
{
	const char *label;

	json_open_object(json, "labels");
	for (size_t at = 0; (label = record_next(record, "label", &at));) {
		cleanup_free char *key = xstrndup(label, strcspn(label, "="));

		json_string(json, key, label[strlen(key)] ? label + strlen(key) + 1 : "");
	}
	json_close_object(json);
}

/* A number, or null where it is none or does not hold. */
static void number_json(struct json *json, const char *name, const char *text, bool holds)
{
	uint64_t number;

	if (holds && text && str_to_u64(text, &number) == 0)
		json_u64(json, name, number);
	else
		json_string(json, name, NULL);
}

void container_json(struct json *json, const char *id, const struct record *record)
{
	bool has_ended = has_status(record, "exited");

	json_string(json, "id", id);
	json_string(json, "name", record_get(record, "name"));
	json_string(json, "image", record_get(record, "image"));
	json_string(json, "root", record_get(record, "volume.root"));
	json_string(json, "backend", record_get(record, "backend"));
	json_string(json, "clone", record_get(record, "volume.clone"));
	json_string(json, "status", record_get(record, "status"));
	/* null: still running, or not known after a kill -9. */
	number_json(json, "exit_code", record_get(record, "exit-code"), has_ended);
	/* The host's number of the container's first process. */
	number_json(json, "pid", record_get(record, "pid"), container_is_up(record));
	json_u64(json, "created", record_get_u64(record, "created", 0));
	number_json(json, "started", record_get(record, "started"), true);
	number_json(json, "finished", record_get(record, "finished"), has_ended);
	json_bool(json, "detached", record_get(record, "detached") != NULL);
	container_json_list(json, "command", record, "command");
	labels_json(json, record);
}
