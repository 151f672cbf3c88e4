/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a data file: see data.h. */
#include "bench/data.h"

#include <fcntl.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/fs.h"

#include "bench/data_json.h"
#include "bench/data_sample.h"

static void cleanup_object(struct json_object **object)
{
	json_object_put(*object);
}
#define cleanup_json __attribute__((cleanup(cleanup_object)))

/* Room for one more, zeroed; counted by the caller once it is whole. */
#define NEXT_ITEM(list, count, room)                                                               \
	(__extension__({                                                                           \
		if ((count) == (room)) {                                                           \
			(room) = (room) ? (room)*2 : 16;                                           \
			(list) = xrealloc((list), (room) * sizeof(*(list)));                       \
		}                                                                                  \
		memset(&(list)[count], 0, sizeof(*(list)));                                        \
		&(list)[count];                                                                    \
	}))

static int read_experiment(struct json_object *line, struct data *data, struct stor_err *err)
{
	struct json_object *environment = djson_get(line, "environment");
	int64_t format = 0;

	if (djson_whole(line, "format", true, &format, err) < 0)
		return -1;
	if (format != DATA_FORMAT) {
		err_fail(err, STOR_UNSUPPORTED, 0, "format %lld is not known", (long long)format);
		err_hint(err, "this stor reads format %d; a newer one may read it", DATA_FORMAT);
		return -1;
	}
	data->has_seed = djson_get(line, "seed") != NULL;
	if (djson_text(line, "started", false, &data->started, err) < 0 ||
	    djson_text(line, "stor", false, &data->stor, err) < 0 ||
	    djson_words(line, "command", &data->command, err) < 0 ||
	    djson_whole(line, "seed", false, &data->seed, err) < 0 ||
	    djson_number(line, "confidence", false, &data->confidence, err) < 0)
		return -1;
	if (!(data->confidence >= 0.5 && data->confidence < 1))
		return err_fail(err, STOR_FAILED, 0, "\"confidence\" is not from 0.5 to below 1");
	if (environment && !json_object_is_type(environment, json_type_object))
		return err_fail(err, STOR_FAILED, 0, "\"environment\" is not an object");
	if (environment)
		djson_flatten(environment, "", DATA_MAX_FACTS, &data->environment);
	return 0;
}

static int find_metric(const struct data *data, const char *name, size_t *index)
{
	for (size_t i = 0; i < data->metric_count; i++)
		if (!strcmp(data->metrics[i].name, name)) {
			*index = i;
			return 0;
		}
	return -1;
}

static int read_metric(struct json_object *line, struct data *data, struct stor_err *err)
{
	struct data_metric *metric =
		NEXT_ITEM(data->metrics, data->metric_count, data->metric_room);
	cleanup_free char *better = NULL;
	int result = -1;
	size_t same;

	if (djson_text(line, "name", true, &metric->name, err) == 0 &&
	    djson_text(line, "unit", true, &metric->unit, err) == 0)
		result = djson_text(line, "better", true, &better, err);
	if (result == 0 && strcmp(better, "less") != 0 && strcmp(better, "more") != 0)
		result = err_fail(err, STOR_FAILED, 0, "\"better\" is neither less nor more");
	if (result == 0 && data->metric_count == DATA_MAX_METRICS)
		result = err_fail(err, STOR_FAILED, 0, "there are more than %d metrics",
		                  DATA_MAX_METRICS);
	/* Told again, as when an experiment is resumed, it is what it was. */
	if (result < 0 || find_metric(data, metric->name, &same) == 0) {
		free(metric->name);
		free(metric->unit);
		return result;
	}
	metric->is_more_better = !strcmp(better, "more");
	data->metric_count++;
	return 0;
}

static void free_case(struct data_case *of)
{
	free(of->workload);
	free(of->image);
	free(of->cache);
	free(of->command);
	free(of->blank);
	strv_free(&of->limits);
}

const char *data_kind_name(enum data_kind kind)
{
	static const char *const names[DATA_KINDS] = { [DATA_FLOOR] = "floor",
		                                       [DATA_HOST] = "host",
		                                       [DATA_STOR] = "stor",
		                                       [DATA_PEER] = "peer" };

	return names[kind];
}

static int read_kind(struct json_object *line, enum data_kind *kind, struct stor_err *err)
{
	cleanup_free char *text = NULL;

	if (djson_text(line, "kind", true, &text, err) < 0)
		return -1;
	for (enum data_kind i = DATA_FLOOR; i < DATA_KINDS; i++)
		if (!strcmp(data_kind_name(i), text)) {
			*kind = i;
			return 0;
		}
	return err_fail(err, STOR_FAILED, 0, "\"kind\" is none of floor, host, stor and peer");
}

/* The subject of a case, new where this is its first. */
static int read_subject(struct json_object *line, struct data *data, size_t *index,
                        struct stor_err *err)
{
	struct data_subject *subject;
	cleanup_free char *name = NULL;
	enum data_kind kind = DATA_STOR;

	if (djson_text(line, "subject", true, &name, err) < 0 || read_kind(line, &kind, err) < 0)
		return -1;
	for (*index = 0; *index < data->subject_count; ++*index) {
		if (strcmp(data->subjects[*index].name, name) != 0)
			continue;
		if (data->subjects[*index].kind == kind)
			return 0;
		return err_fail(err, STOR_FAILED, 0, "subject \"%s\" was of another kind before",
		                name);
	}
	if (data->subject_count == DATA_MAX_SUBJECTS)
		return err_fail(err, STOR_FAILED, 0, "there are more than %d subjects",
		                DATA_MAX_SUBJECTS);
	subject = NEXT_ITEM(data->subjects, data->subject_count, data->subject_room);
	subject->name = steal_ptr(&name);
	subject->kind = kind;
	data->subject_count++;
	return 0;
}

/* The command of a case. */
static int read_words(struct json_object *line, char **text, struct stor_err *err)
{
	cleanup_strv struct strv words = STRV_INIT;

	if (djson_words(line, "command", &words, err) < 0)
		return -1;
	if (djson_get(line, "command"))
		*text = strv_join(&words, " ");
	return 0;
}

static int read_case_members(struct json_object *line, struct data *data, struct data_case *of,
                             struct stor_err *err)
{
	struct json_object *limits = djson_get(line, "limits");
	cleanup_free char *metric = NULL;
	cleanup_strv struct strv flat = STRV_INIT;
	int64_t size = 0;

	if (djson_whole(line, "case", true, &of->id, err) < 0 ||
	    djson_text(line, "workload", true, &of->workload, err) < 0 ||
	    read_subject(line, data, &of->subject, err) < 0 ||
	    djson_text(line, "image", false, &of->image, err) < 0 ||
	    djson_text(line, "cache", false, &of->cache, err) < 0 ||
	    djson_whole(line, "size_bytes", false, &size, err) < 0 ||
	    read_words(line, &of->command, err) < 0 ||
	    djson_text(line, "metric", true, &metric, err) < 0)
		return -1;
	if (size < 0)
		return err_fail(err, STOR_FAILED, 0, "\"size_bytes\" is negative");
	of->size_bytes = (uint64_t)size;
	if (find_metric(data, metric, &of->metric) < 0)
		return err_fail(err, STOR_FAILED, 0, "metric \"%s\" was not told before", metric);
	if (limits && !json_object_is_type(limits, json_type_object))
		return err_fail(err, STOR_FAILED, 0, "\"limits\" is not an object");
	if (limits)
		djson_flatten(limits, "", DATA_MAX_FACTS, &flat);
	for (size_t i = 0; i + 1 < flat.count; i += 2)
		strv_take(&of->limits, xasprintf("%s=%s", flat.items[i], flat.items[i + 1]));
	return 0;
}

static struct data_case *find_case(const struct data *data, int64_t id)
{
	/* They are mostly numbered from 0 or 1. */
	for (uint64_t back = 2; back--;) {
		uint64_t i = (uint64_t)id - back;

		if (i < data->case_count && data->cases[i].id == id)
			return &data->cases[i];
	}
	for (size_t i = 0; i < data->case_count; i++)
		if (data->cases[i].id == id)
			return &data->cases[i];
	return NULL;
}

static int read_case(struct json_object *line, struct data *data, struct stor_err *err)
{
	struct data_case *of = NEXT_ITEM(data->cases, data->case_count, data->case_room), *same;
	int result = read_case_members(line, data, of, err);

	same = result == 0 ? find_case(data, of->id) : NULL;
	if (same && (strcmp(same->workload, of->workload) != 0 || same->subject != of->subject))
		result = err_fail(err, STOR_FAILED, 0, "case %lld was another one before",
		                  (long long)of->id);
	else if (result == 0 && data->case_count == DATA_MAX_CASES)
		result = err_fail(err, STOR_FAILED, 0, "there are more than %d cases",
		                  DATA_MAX_CASES);
	if (result < 0 || same) {
		free_case(of);
		return result;
	}
	data->case_count++;
	return 0;
}

/* The case that a line is about. */
static int read_case_number(struct json_object *line, const struct data *data, size_t *of,
                            struct stor_err *err)
{
	const struct data_case *found;
	int64_t id;

	if (djson_whole(line, "case", true, &id, err) < 0)
		return -1;
	found = find_case(data, id);
	if (!found)
		return err_fail(err, STOR_FAILED, 0, "case %lld was not told before",
		                (long long)id);
	*of = (size_t)(found - data->cases);
	return 0;
}

static int read_failure(struct json_object *line, struct data *data, struct stor_err *err)
{
	struct data_failure *failure =
		NEXT_ITEM(data->failures, data->failure_count, data->failure_room);

	if (read_case_number(line, data, &failure->of, err) < 0 ||
	    djson_whole(line, "round", true, &failure->round, err) < 0 ||
	    djson_whole(line, "status", false, &failure->status, err) < 0 ||
	    djson_bool(line, "warmup", &failure->is_warmup, err) < 0 ||
	    djson_text(line, "text", false, &failure->text, err) < 0)
		return -1;
	data->failure_count++;
	return 0;
}

static int read_blank(struct json_object *line, struct data *data, struct stor_err *err)
{
	size_t of = 0;

	if (read_case_number(line, data, &of, err) < 0)
		return -1;
	return djson_text(line, "reason", true, &data->cases[of].blank, err);
}

static int read_end(struct json_object *line, struct data *data, struct stor_err *err)
{
	data->has_end = true;
	data->is_interrupted = false;
	if (djson_bool(line, "interrupted", &data->is_interrupted, err) < 0)
		return -1;
	return djson_text(line, "reason", false, &data->end_reason, err);
}

static int read_sample(struct json_object *line, struct data *data, struct stor_err *err)
{
	struct data_sample *sample =
		NEXT_ITEM(data->samples, data->sample_count, data->sample_room);

	/* Counted at once: what it has got is freed with the data. */
	data->sample_count++;
	if (read_case_number(line, data, &sample->of, err) < 0 ||
	    djson_whole(line, "round", true, &sample->round, err) < 0 ||
	    djson_bool(line, "warmup", &sample->is_warmup, err) < 0 ||
	    djson_number(line, "at", true, &sample->at, err) < 0)
		return -1;
	return data_read_values(line, data, sample, err);
}

static int read_object(struct json_object *line, struct data *data, bool is_first,
                       struct stor_err *err)
{
	static const struct {
		const char *type;
		int (*read)(struct json_object *line, struct data *data, struct stor_err *err);
	} types[] = {
		{ "metric", read_metric },   { "case", read_case },   { "sample", read_sample },
		{ "failure", read_failure }, { "blank", read_blank }, { "end", read_end },
	};
	cleanup_free char *type = NULL;

	if (djson_text(line, "type", true, &type, err) < 0)
		return -1;
	if (is_first != !strcmp(type, "experiment"))
		return err_fail(err, STOR_FAILED, 0,
		                is_first ? "the first line is no \"experiment\""
		                         : "a second \"experiment\"");
	if (is_first)
		return read_experiment(line, data, err);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(types[i].type, type)) {
			if (types[i].read(line, data, err) < 0)
				return err_context(err, "%s", type);
			return 0;
		}
	return 0;
}

/* NULL: not one whole JSON object. */
static struct json_object *parse_line(const char *text, size_t size)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *object;
	bool is_whole;

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, text, (int)size);
	is_whole = json_tokener_get_error(tokener) == json_tokener_success &&
	           json_tokener_get_parse_end(tokener) == size &&
	           json_object_is_type(object, json_type_object);
	json_tokener_free(tokener);
	if (is_whole)
		return object;
	json_object_put(object);
	return NULL;
}

/* Reads one line. is_last: without a line's end; it may be cut. */
static int read_line(const char *text, size_t size, bool is_first, bool is_last, struct data *data,
                     struct stor_err *err)
{
	cleanup_json struct json_object *object = NULL;

	while (size && strchr(" \t\r", text[size - 1]) && text[size - 1])
		size--;
	if (!size && !is_first)
		return 0;
	if (size > DATA_MAX_LINE_BYTES)
		return err_fail(err, STOR_FAILED, 0, "the line is longer than %d bytes",
		                DATA_MAX_LINE_BYTES);
	object = parse_line(text, size);
	if (object)
		return read_object(object, data, is_first, err);
	if (!is_last || is_first)
		return err_fail(err, STOR_FAILED, 0, "not one JSON object");
	data->is_cut = true;
	return 0;
}

int data_parse(const char *text, size_t size, const char *name, struct data *data,
               struct stor_err *err)
{
	size_t number = 1;

	memset(data, 0, sizeof(*data));
	data->confidence = 0.95;
	if (!size)
		return err_fail(err, STOR_FAILED, 0, "%s: the file is empty", name);
	for (const char *end = text + size; text < end; number++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);

		if (read_line(text, length, number == 1, !newline, data, err) < 0)
			return err_context(err, "%s:%zu", name, number);
		text += length + 1;
		if (!data->is_cut)
			data->whole_bytes += length + (newline != NULL);
	}
	return 0;
}

int data_read(const char *path, struct data *data, struct stor_err *err)
{
	cleanup_free char *text = NULL;
	size_t size;

	memset(data, 0, sizeof(*data));
	text = fs_read_file(AT_FDCWD, path, DATA_MAX_FILE_BYTES, &size, err);
	return text ? data_parse(text, size, path, data, err) : -1;
}

void data_free(struct data *data)
{
	for (size_t i = 0; i < data->metric_count; i++) {
		free(data->metrics[i].name);
		free(data->metrics[i].unit);
	}
	for (size_t i = 0; i < data->subject_count; i++)
		free(data->subjects[i].name);
	for (size_t i = 0; i < data->case_count; i++)
		free_case(&data->cases[i]);
	for (size_t i = 0; i < data->sample_count; i++)
		data_free_sample(&data->samples[i]);
	for (size_t i = 0; i < data->failure_count; i++)
		free(data->failures[i].text);
	free(data->metrics);
	free(data->subjects);
	free(data->cases);
	free(data->samples);
	free(data->failures);
	free(data->started);
	free(data->stor);
	strv_free(&data->command);
	free(data->end_reason);
	strv_free(&data->environment);
}
