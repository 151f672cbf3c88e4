/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a detached container wrote: STORE/containers/ID/log, and older parts in log.1, log.2, …
 * Lines are Kubernetes' "TIME STREAM TAG TEXT": the time in UTC with nine decimals, so that times
 * compare as texts; stdout or stderr; F for the (rest of a) line, P for a piece of one that was
 * written without its end.
 */
#ifndef CORE_CONTAINER_LOG_H
#define CORE_CONTAINER_LOG_H

#include <time.h>

#include "core/store.h"

enum log_stream { LOG_STDOUT, LOG_STDERR };

#define LOG_MAX_BYTES (UINT64_C(10) << 20)
#define LOG_MAX_FILES 3

/* "2026-11-28T23:57:00.123456789Z" and its end. */
#define LOG_TIME_MAX 31

/* The time as it stands in a log. Returns buf (LOG_TIME_MAX bytes). */
const char *container_log_time(const struct timespec *time, char *buf);

/* Remove the log. Nothing there is success. */
void container_log_remove(struct store *store, const char *id);

/* --- writing ------------------------------------------------------------------------------ */

struct log_writer {
	struct store *store;
	char id[16];
	int fd;
	uint64_t size, max_bytes; /* max_bytes 0: it is never cut */
	unsigned max_files;       /* with the present one; at least 1 */
};

#define LOG_WRITER_INIT                                                                            \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Open the log of container `id`, to add to it. */
int log_writer_open(struct log_writer *writer, struct store *store, const char *id,
                    uint64_t max_bytes, unsigned max_files, struct stor_err *err);
/* Add what came at once from one stream. What a full disk has no room for is lost. */
void log_writer_add(struct log_writer *writer, enum log_stream stream, const char *data,
                    size_t size);
void log_writer_close(struct log_writer *writer);

/* --- reading ------------------------------------------------------------------------------ */

struct log_entry {
	const char *time; /* LOG_TIME_MAX - 1 characters, not terminated */
	enum log_stream stream;
	bool ends_line;
	const char *text; /* without its newline */
	size_t size;
};

/* Reads one part after the other, up to the present end; more may come. */
struct log_reader {
	struct store *store;
	char id[16];
	int fd;
	char *data; /* read and not yet handed out: from `at` to `end` */
	size_t at, end, room;
};

#define LOG_READER_INIT                                                                            \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* Open at the oldest entry, or at_end: behind the last. STOR_NOT_FOUND: there is no log. */
int log_reader_open(struct log_reader *reader, struct store *store, const char *id, bool at_end,
                    struct stor_err *err);
/* The next entry, valid until the next call. 1; 0: there is none now; -1 with err filled. */
int log_reader_next(struct log_reader *reader, struct log_entry *entry, struct stor_err *err);
void log_reader_close(struct log_reader *reader);
#define cleanup_log_reader __attribute__((cleanup(log_reader_close)))

#endif
