/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured. A new workload is one more struct workload_kind in a table. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "bench/measure/subject.h"

struct metric {
	const char *name, *unit;
	bool is_more_better;
};

/* Ended by a NULL name. "seconds", "cpu_seconds" and "server_cpu_seconds" are among them. */
extern const struct metric workload_metrics[];
const struct metric *workload_metric(const char *name);

struct percentile {
	double percent, value;
};

/* What one sample gave. */
struct reading {
	struct {
		const struct metric *metric;
		double value;
	} values[16];
	size_t count;
	struct percentile latency[24]; /* in seconds */
	size_t latency_count;
	struct data_point *series; /* of throughput: seconds, and bytes a second */
	size_t series_count;
};

/* More is not kept. */
#define READING_MAX_POINTS 2048

void reading_add(struct reading *reading, const char *metric, double value);
/* An empty series with room for so many points, at most READING_MAX_POINTS. */
void reading_room_for_series(struct reading *reading, size_t count);
void reading_free(struct reading *reading);
#define cleanup_reading __attribute__((cleanup(reading_free)))

struct workload;

struct workload_kind {
	const char *name;
	const char *summary;
	const char *metric;  /* the main one */
	const char *program; /* that the image must have; NULL: none but sh */
	bool has_network;    /* it talks to the host */
	/* Of one that runs in a container: the words of it. */
	void (*payload)(const struct workload *workload, struct strv *payload);
	/* Its output, where there is more in it than the time. 0, or -1 with err filled. NULL: no.
	 */
	int (*read)(const char *output, struct reading *reading, struct stor_err *err);
	/* Makes the file that it reads, if it reads one; malloc'ed path. */
	char *(*input)(const struct bench *bench, const struct workload *workload,
	               struct stor_err *err);
	/* Of one about volumes and images: takes a whole sample. */
	int (*sample)(const struct bench *bench, const struct workload *workload,
	              const struct subject *subject, const struct row *row, struct outcome *outcome,
	              struct stor_err *err);
	const char *words; /* for its functions */
};

struct workload {
	const char *name; /* as the plan has it */
	const struct workload_kind *does;
	const char *argument; /* what follows the kind's name and a colon; NULL: nothing */
	char *input;
};

/* Ended by a NULL name. */
extern const struct workload_kind workloads_in_containers[], workloads_of_volumes[];

/* Look it up: NAME, "fio:JOBFILE", or a command with its words. Returns 0, or -1 with err filled.
 */
int workload_find(const char *name, struct workload *workload, struct stor_err *err);
void workload_free(struct workload *workload);

/* Why a subject does not have it, malloc'ed; NULL: it has. */
char *workload_cannot(const struct workload *workload, const struct subject *subject);

/*
 * What the image lacks for it, asked in a container of this subject. 0: nothing, with *version what
 * the program that it needs tells of its version, malloc'ed; NULL: it needs or tells none. Or -1
 * with err.
 */
int workload_check(const struct bench *bench, const struct workload *workload,
                   const struct subject *subject, const struct row *row, char **version,
                   struct stor_err *err);

/*
 * One sample. Returns 0 with outcome->status telling how the command ended, and the reading filled
 * where it ended well; or -1 with err filled.
 */
int workload_sample(const struct bench *bench, const struct workload *workload,
                    const struct subject *subject, const struct row *row, struct outcome *outcome,
                    struct reading *reading, struct stor_err *err);

void workload_iperf_payload(const struct workload *workload, struct strv *payload);
int workload_iperf_read(const char *output, struct reading *reading, struct stor_err *err);
/* Its results, and behind them the lines of its logs of bandwidth, which have a line for each so
 * many milliseconds. */
#define WORKLOAD_FIO_STEP "250"
int workload_read_fio(const char *output, struct reading *reading, struct stor_err *err);

#endif
