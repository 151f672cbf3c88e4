/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing the data file of an experiment, line by line, as bench/data.h reads it. */
#ifndef BENCH_JOURNAL_H
#define BENCH_JOURNAL_H

#include "bench/measure/cells.h"

struct journal {
	int fd;
	const char *path;
	int64_t began_ns; /* of the clock that lines tell seconds of */
};

#define JOURNAL_INIT                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* A new file (STOR_BUSY: it exists), or the end of one. 0, or -1 with err filled. */
int journal_open(struct journal *journal, const char *path, bool goes_on, struct stor_err *err);
void journal_close(struct journal *journal);
#define cleanup_journal __attribute__((cleanup(journal_close)))

int journal_experiment(struct journal *journal, const struct bench *bench,
                       const struct cells *cells, char *const *words, struct stor_err *err);
int journal_metrics(struct journal *journal, struct stor_err *err);
int journal_case(struct journal *journal, size_t id, const struct workload *workload,
                 const struct subject *subject, const struct row *row, struct stor_err *err);
int journal_blank(struct journal *journal, size_t id, const char *reason, struct stor_err *err);
int journal_sample(struct journal *journal, size_t id, uint64_t round, bool is_warmup,
                   const struct reading *reading, struct stor_err *err);
int journal_failure(struct journal *journal, size_t id, uint64_t round, bool is_warmup,
                    const struct outcome *outcome, struct stor_err *err);
int journal_end(struct journal *journal, bool is_interrupted, const char *reason,
                struct stor_err *err);

#endif
