/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See journal.h. */
#include "bench/measure/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/environment.h"

/* The last line may lack nothing but its end. */
static int end_line(struct journal *journal, struct stor_err *err)
{
	off_t size = lseek(journal->fd, 0, SEEK_END);
	char last;

	if (size < 1 || pread(journal->fd, &last, 1, size - 1) != 1 || last == '\n' ||
	    write(journal->fd, "\n", 1) == 1)
		return 0;
	return err_fail(err, STOR_FAILED, errno, "write %s", journal->path);
}

int journal_open(struct journal *journal, const char *path, bool goes_on, struct stor_err *err)
{
	journal->path = path;
	journal->began_ns = monotonic_ns();
	journal->fd =
		open(path, O_RDWR | O_APPEND | O_CLOEXEC | (goes_on ? 0 : O_CREAT | O_EXCL), 0644);
	if (journal->fd >= 0)
		return goes_on ? end_line(journal, err) : 0;
	if (errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "open %s", path);
	err_fail(err, STOR_BUSY, 0, "%s exists", path);
	err_hint(err, "--resume %s goes on with it", path);
	return -1;
}

void journal_close(struct journal *journal)
{
	close_fd(&journal->fd);
}

static void add_text(struct json_object *line, const char *key, const char *value)
{
	json_object_object_add(line, key, value ? json_object_new_string(value) : NULL);
}

static void add_number(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key, json_object_new_int64((int64_t)value));
}

static void add_double(struct json_object *line, const char *key, double value)
{
	json_object_object_add(line, key, json_object_new_double(value));
}

static struct json_object *new_line(const char *type)
{
	struct json_object *line = json_object_new_object();

	add_text(line, "type", type);
	return line;
}

/* Frees it. One write, so that whoever reads meanwhile sees whole lines. */
static int put(struct journal *journal, struct json_object *line, struct stor_err *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	ssize_t n;

	strbuf_puts(&text, json_object_to_json_string_ext(
				   line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	strbuf_putc(&text, '\n');
	json_object_put(line);
	n = write(journal->fd, text.text, text.length);
	if (n == (ssize_t)text.length)
		return 0;
	return err_fail(err, STOR_FAILED, n < 0 ? errno : ENOSPC, "write %s", journal->path);
}

int journal_experiment(struct journal *journal, const struct bench *bench,
                       const struct cells *cells, char *const *words, struct stor_err *err)
{
	struct json_object *line = new_line("experiment"), *command = json_object_new_array();
	char started[32];
	time_t now = time(NULL);
	struct tm utc;

	strftime(started, sizeof(started), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	add_number(line, "format", DATA_FORMAT);
	add_text(line, "started", started);
	add_number(line, "seed", bench->plan->seed);
	add_text(line, "stor", STOR_VERSION);
	for (; *words; words++)
		json_object_array_add(command, json_object_new_string(*words));
	json_object_object_add(line, "command", command);
	add_double(line, "confidence", bench->plan->confidence);
	json_object_object_add(line, "environment", environment_describe(bench, cells));
	return put(journal, line, err);
}

int journal_metrics(struct journal *journal, struct stor_err *err)
{
	for (const struct metric *metric = workload_metrics; metric->name; metric++) {
		struct json_object *line = new_line("metric");

		add_text(line, "name", metric->name);
		add_text(line, "unit", metric->unit);
		add_text(line, "better", metric->is_more_better ? "more" : "less");
		if (put(journal, line, err) < 0)
			return -1;
	}
	return 0;
}

static void add_limits(struct json_object *line, const struct row *row)
{
	static const char *const names[] = { "cpus", "memory" };
	struct json_object *limits = json_object_new_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		cleanup_free char *value = row_limit(row, names[i]);

		if (value)
			add_text(limits, names[i], value);
	}
	json_object_object_add(line, "limits", limits);
}

int journal_case(struct journal *journal, size_t id, const struct workload *workload,
                 const struct subject *subject, const struct row *row, struct stor_err *err)
{
	struct json_object *line = new_line("case");
	uint64_t size_bytes;

	add_number(line, "case", id);
	add_text(line, "workload", workload->name);
	add_text(line, "subject", subject->name);
	add_text(line, "kind", data_kind_name(subject->does->kind));
	add_text(line, "image", row->image);
	if (row->size && !str_to_size(row->size, &size_bytes))
		add_number(line, "size_bytes", size_bytes);
	add_text(line, "cache", row->cache);
	add_limits(line, row);
	add_text(line, "metric", workload->does->metric);
	return put(journal, line, err);
}

int journal_blank(struct journal *journal, size_t id, const char *reason, struct stor_err *err)
{
	struct json_object *line = new_line("blank");

	add_number(line, "case", id);
	add_text(line, "reason", reason);
	return put(journal, line, err);
}

static double seconds_of(const struct journal *journal)
{
	return (double)(monotonic_ns() - journal->began_ns) / 1e9;
}

static struct json_object *series_of(const struct reading *reading)
{
	struct json_object *curves = json_object_new_object(),
			   *throughput = json_object_new_object(),
			   *points = json_object_new_array();

	for (size_t i = 0; i < reading->series_count; i++) {
		struct json_object *point = json_object_new_array();

		json_object_array_add(point, json_object_new_double(reading->series[i].x));
		json_object_array_add(point, json_object_new_double(reading->series[i].y));
		json_object_array_add(points, point);
	}
	add_text(throughput, "unit", "bytes/s");
	json_object_object_add(throughput, "points", points);
	json_object_object_add(curves, "throughput", throughput);
	return curves;
}

int journal_sample(struct journal *journal, size_t id, uint64_t round, bool is_warmup,
                   const struct reading *reading, struct stor_err *err)
{
	struct json_object *line = new_line("sample"), *values = json_object_new_object();

	add_number(line, "case", id);
	add_number(line, "round", round);
	json_object_object_add(line, "warmup", json_object_new_boolean(is_warmup));
	add_double(line, "at", seconds_of(journal));
	for (size_t i = 0; i < reading->count; i++)
		add_double(values, reading->values[i].metric->name, reading->values[i].value);
	json_object_object_add(line, "values", values);
	if (reading->latency_count) {
		struct json_object *curves = json_object_new_object(),
				   *latency = json_object_new_object();

		add_text(latency, "unit", "s");
		for (size_t i = 0; i < reading->latency_count; i++) {
			char percent[32];

			snprintf(percent, sizeof(percent), "%g", reading->latency[i].percent);
			add_double(latency, percent, reading->latency[i].value);
		}
		json_object_object_add(curves, "latency", latency);
		json_object_object_add(line, "percentiles", curves);
	}
	if (reading->series_count)
		json_object_object_add(line, "series", series_of(reading));
	return put(journal, line, err);
}

int journal_failure(struct journal *journal, size_t id, uint64_t round, bool is_warmup,
                    const struct outcome *outcome, struct stor_err *err)
{
	struct json_object *line = new_line("failure");

	add_number(line, "case", id);
	add_number(line, "round", round);
	json_object_object_add(line, "warmup", json_object_new_boolean(is_warmup));
	add_number(line, "status", (uint64_t)outcome->status);
	add_text(line, "text", outcome->errors ? outcome->errors : "");
	return put(journal, line, err);
}

int journal_end(struct journal *journal, bool is_interrupted, const char *reason,
                struct stor_err *err)
{
	struct json_object *line = new_line("end");

	add_double(line, "at", seconds_of(journal));
	json_object_object_add(line, "interrupted", json_object_new_boolean(is_interrupted));
	add_text(line, "reason", reason);
	if (put(journal, line, err) < 0)
		return -1;
	return fsync(journal->fd) < 0 && errno != EINVAL
	               ? err_fail(err, STOR_FAILED, errno, "sync %s", journal->path)
	               : 0;
}
