/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data file of an experiment: JSON lines, one object a line, appended as things happen. A file
 * may come from anybody: what is wrong in it is an error that tells the line, what is unknown is
 * passed over, and its sizes are bounded. stor-bench-report(1) describes the lines.
 */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/str.h"

#define DATA_FORMAT 1
/* A file that holds more is refused. */
enum {
	DATA_MAX_LINE_BYTES = 4 << 20,
	DATA_MAX_FILE_BYTES = 256 << 20,
	DATA_MAX_CASES = 4096,
	DATA_MAX_SUBJECTS = 64,
	DATA_MAX_METRICS = 64,
	DATA_MAX_FACTS = 256,      /* of the environment, and so many bytes of each name */
	DATA_MAX_KEYS = 16,        /* percentile sets, or series, of one sample */
	DATA_MAX_POINTS = 1 << 16, /* of one series, or percentiles of one set */
};

struct data_metric {
	char *name, *unit;
	bool is_more_better;
};

enum data_kind { DATA_FLOOR, DATA_HOST, DATA_STOR, DATA_PEER };
#define DATA_KINDS 4
/* As the file has it: "floor". */
const char *data_kind_name(enum data_kind kind);

struct data_subject {
	char *name;
	enum data_kind kind;
};

struct data_case {
	int64_t id;
	char *workload;
	size_t subject;      /* index into data.subjects */
	char *image, *cache; /* NULL: does not apply */
	uint64_t size_bytes; /* 0: does not apply */
	struct strv limits;  /* "cpus=1", in the order of the file */
	size_t metric;       /* the main one: index into data.metrics */
	char *command;       /* its words with a space between two; NULL: not told */
	char *blank;         /* why it has no samples; NULL: it is no blank */
};

struct data_value {
	size_t metric;
	double value;
};

struct data_point {
	double x, y;
};
/* Percentiles (x in percent) or a series (x in seconds) of one sample. */
struct data_curve {
	char *name, *unit;
	bool is_series;
	struct data_point *points; /* by ascending x */
	size_t count;
};

struct data_sample {
	size_t of; /* index into data.cases */
	int64_t round;
	bool is_warmup;
	double at; /* seconds since the start */
	struct data_value *values;
	size_t value_count;
	struct data_curve *curves;
	size_t curve_count;
};

struct data_failure {
	size_t of;
	int64_t round;
	int64_t status;
	bool is_warmup;
	char *text;
};

struct data {
	char *started, *stor; /* NULL: not told */
	struct strv command;  /* that it was begun with; empty: not told */
	int64_t seed;
	bool has_seed;
	double confidence;       /* 0 to 1; 0.95 where the file does not tell */
	struct strv environment; /* name, text, name, text, …: inner objects as "versions.fio" */
	struct data_metric *metrics;
	size_t metric_count, metric_room;
	struct data_subject *subjects; /* in the order of their first cases */
	size_t subject_count, subject_room;
	struct data_case *cases;
	size_t case_count, case_room;
	struct data_sample *samples; /* in the order of the file */
	size_t sample_count, sample_room;
	struct data_failure *failures;
	size_t failure_count, failure_room;
	bool has_end, is_interrupted;
	char *end_reason;
	bool is_cut;        /* the last line was not whole, and passed over */
	size_t whole_bytes; /* of the text, without that line */
};

/* The value of a metric in a sample, borrowed; NULL: it has none. */
const double *data_value_of(const struct data_sample *sample, size_t metric);

/* Read a text of `size` bytes; name is for errors. Returns 0, or -1 with "name:LINE: …" reported.
 * data is to be freed in both cases. */
int data_parse(const char *text, size_t size, const char *name, struct data *data,
               struct stor_err *err);

/* As data_parse(), from a file. STOR_NOT_FOUND: there is none. */
int data_read(const char *path, struct data *data, struct stor_err *err);

void data_free(struct data *data);
#define cleanup_data __attribute__((cleanup(data_free)))

#endif
