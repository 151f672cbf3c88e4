/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See past.h. */
#include "bench/measure/past.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define DATA_FILE_MAX (256u << 20)

void past_free(struct past *past)
{
	strv_free(&past->command);
	strv_free(&past->metrics);
	free(past->samples);
	*past = (struct past)PAST_INIT;
}

static struct json_object *member(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	return json_object_is_type(object, json_type_object) &&
	                       json_object_object_get_ex(object, name, &value)
	               ? value
	               : NULL;
}

static const char *text(struct json_object *object, const char *name)
{
	struct json_object *value = member(object, name);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static uint64_t number(struct json_object *object, const char *name)
{
	return (uint64_t)json_object_get_int64(member(object, name));
}

static void read_experiment(struct past *past, struct json_object *line)
{
	struct json_object *command = member(line, "command");
	size_t count = json_object_is_type(command, json_type_array)
	                       ? json_object_array_length(command)
	                       : 0;

	past->seed = number(line, "seed");
	for (size_t i = 0; i < count; i++)
		strv_add(&past->command,
		         json_object_get_string(json_object_array_get_idx(command, i)));
}

static void read_sample(struct past *past, struct json_object *line)
{
	struct past_sample sample = { .of = number(line, "case"),
		                      .round = number(line, "round"),
		                      .is_warmup =
		                              json_object_get_boolean(member(line, "warmup")) };
	struct json_object *value = NULL;

	if (sample.of < past->metrics.count)
		value = member(member(line, "values"), past->metrics.items[sample.of]);
	sample.has_value = value != NULL;
	sample.value = json_object_get_double(value);
	if (past->count == past->room) {
		past->room = past->room ? 2 * past->room : 256;
		past->samples = xrealloc(past->samples, past->room * sizeof(*past->samples));
	}
	past->samples[past->count++] = sample;
}

static void read_line(struct past *past, struct json_object *line)
{
	const char *type = text(line, "type");

	if (!strcmp(type, "experiment"))
		read_experiment(past, line);
	else if (!strcmp(type, "case"))
		strv_add(&past->metrics, text(line, "metric"));
	else if (!strcmp(type, "sample") || !strcmp(type, "failure"))
		read_sample(past, line);
}

int past_read(struct past *past, const char *path, struct stor_err *err)
{
	size_t size = 0, number_of_line = 0;
	cleanup_free char *data = fs_read_file(AT_FDCWD, path, DATA_FILE_MAX, &size, err);
	char *end, *start = data;

	if (!data)
		return -1;
	for (; (end = strchr(start, '\n')); start = end + 1) {
		struct json_object *line;

		*end = '\0';
		number_of_line++;
		line = json_tokener_parse(start);
		if (!json_object_is_type(line, json_type_object)) {
			json_object_put(line);
			return err_fail(err, STOR_FAILED, 0, "%s: line %zu is no object of JSON",
			                path, number_of_line);
		}
		read_line(past, line);
		json_object_put(line);
	}
	if (!past->command.count)
		return err_fail(err, STOR_FAILED, 0, "%s does not begin with an experiment", path);
	/* It ended in the middle of a line. */
	if (*start && truncate(path, start - data) < 0)
		return err_fail(err, STOR_FAILED, errno, "cut %s", path);
	return 0;
}

bool past_has(const struct past *past, uint64_t of, uint64_t round, bool is_warmup)
{
	for (size_t i = 0; i < past->count; i++) {
		const struct past_sample *sample = &past->samples[i];

		if (sample->of == of && sample->round == round && sample->is_warmup == is_warmup)
			return true;
	}
	return false;
}
