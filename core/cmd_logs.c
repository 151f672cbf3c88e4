/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor logs: what a detached container wrote, and goes on to write. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cmd_life.h"
#include "core/cmd_options.h"
#include "core/cmd_time.h"
#include "core/container_log.h"
#include "core/container_store.h"

#define LOOK_AGAIN_MS 500
#define ALL_LINES UINT64_MAX

struct logs {
	bool follow, timestamps;
	uint64_t tail;            /* lines; ALL_LINES */
	char since[LOG_TIME_MAX]; /* "": from the beginning */
	char until[LOG_TIME_MAX]; /* "": to the end */
	bool is_streams[2];       /* which are shown */
	bool is_within[2];        /* a line of this stream is begun */
	struct log_reader reader;
	uint64_t skip; /* lines */
};

static int set_follow(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct logs *)target)->follow, "--follow", value, err);
}

static int set_timestamps(void *target, const char *value, struct stor_err *err)
{
	return option_switch(&((struct logs *)target)->timestamps, "--timestamps", value, err);
}

static int set_tail(void *target, const char *value, struct stor_err *err)
{
	struct logs *logs = target;

	logs->tail = ALL_LINES;
	if (!strcmp(value, "all") || str_to_u64(value, &logs->tail) == 0)
		return 0;
	return opts_fail_value("--tail", value, "a number of lines, or all", err);
}

static int set_since(void *target, const char *value, struct stor_err *err)
{
	return option_time("--since", value, ((struct logs *)target)->since, err);
}

static int set_until(void *target, const char *value, struct stor_err *err)
{
	return option_time("--until", value, ((struct logs *)target)->until, err);
}

static int set_stream(void *target, const char *value, struct stor_err *err)
{
	struct logs *logs = target;

	if (strcmp(value, "stdout") != 0 && strcmp(value, "stderr") != 0 &&
	    strcmp(value, "all") != 0)
		return opts_fail_value("--stream", value, "stdout, stderr or all", err);
	logs->is_streams[LOG_STDOUT] = strcmp(value, "stderr") != 0;
	logs->is_streams[LOG_STDERR] = strcmp(value, "stdout") != 0;
	return 0;
}

/* --- printing ----------------------------------------------------------------------------- */

static bool is_wanted(const struct logs *logs, const struct log_entry *entry)
{
	if (!logs->is_streams[entry->stream])
		return false;
	if (*logs->since && strncmp(entry->time, logs->since, LOG_TIME_MAX - 1) < 0)
		return false;
	return !*logs->until || strncmp(entry->time, logs->until, LOG_TIME_MAX - 1) <= 0;
}

static void print(struct logs *logs, const struct log_entry *entry)
{
	FILE *out = entry->stream == LOG_STDERR ? stderr : stdout;

	if (logs->timestamps && !logs->is_within[entry->stream])
		fprintf(out, "%.*s ", LOG_TIME_MAX - 1, entry->time);
	fwrite(entry->text, 1, entry->size, out);
	if (entry->ends_line)
		fputc('\n', out);
	logs->is_within[entry->stream] = !entry->ends_line;
}

/* Prints what is there. 0 or -1. */
static int print_present(struct logs *logs, struct stor_err *err)
{
	struct log_entry entry;
	int result;

	while ((result = log_reader_next(&logs->reader, &entry, err)) > 0) {
		if (!is_wanted(logs, &entry))
			continue;
		if (!logs->skip)
			print(logs, &entry);
		else if (entry.ends_line)
			logs->skip--;
	}
	if (fflush(stdout) < 0 || fflush(stderr) < 0)
		return err_fail(err, STOR_FAILED, errno, "write");
	return result;
}

/* How many lines there are. */
static int count_lines(struct logs *logs, struct store *store, const char *id, uint64_t *count,
                       struct stor_err *err)
{
	cleanup_log_reader struct log_reader reader = LOG_READER_INIT;
	bool is_within[2] = { false, false };
	struct log_entry entry;
	int result;

	*count = 0;
	if (log_reader_open(&reader, store, id, false, err) < 0)
		return -1;
	while ((result = log_reader_next(&reader, &entry, err)) > 0) {
		if (!is_wanted(logs, &entry))
			continue;
		*count += entry.ends_line;
		is_within[entry.stream] = !entry.ends_line;
	}
	*count += (uint64_t)is_within[0] + is_within[1];
	return result;
}

/* Goes on until the container does not run any more. */
static int follow(struct logs *logs, struct store *store, const char *id, struct stor_err *err)
{
	cleanup_free char *path = xasprintf("%s/containers/%s", store->path, id);
	cleanup_close int watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd watch = { .fd = watch_fd, .events = POLLIN };
	char events[4096];

	if (watch_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "watch the log of container %s", id);
	inotify_add_watch(watch_fd, path, IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE);
	for (;;) {
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err gone = STOR_ERR_INIT;
		bool runs;

		/* Looked at before the log: then nothing comes after what is read. */
		runs = container_load_current(store, id, &record, &gone) == 0 &&
		       store_is_live(store, id, NULL);
		if (print_present(logs, err) < 0)
			return -1;
		if (!runs)
			return 0;
		poll(&watch, 1, LOOK_AGAIN_MS);
		while (read(watch_fd, events, sizeof(events)) > 0)
			continue;
	}
}

static int show(struct logs *logs, struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *id = NULL;
	uint64_t count = 0;

	if (container_find(store, name, &id, NULL, err) < 0)
		return -1;
	if (logs->tail != ALL_LINES && count_lines(logs, store, id, &count, err) < 0)
		return -1;
	logs->skip = count > logs->tail ? count - logs->tail : 0;
	if (log_reader_open(&logs->reader, store, id, false, err) < 0)
		return -1;
	return logs->follow ? follow(logs, store, id, err) : print_present(logs, err);
}

int cmd_logs(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 'f', "follow", NULL, "Go on as long as the container runs", set_follow },
		{ 0, "since", "TIME", "Only what was written since then", set_since },
		{ 0, "stream", "STREAM", "Only stdout or stderr; all", set_stream },
		{ 'n', "tail", "NUMBER", "Only so many lines of the end; all", set_tail },
		{ 't', "timestamps", NULL, "Say when each line was written", set_timestamps },
		{ 0, "until", "TIME", "Only what was written until then", set_until },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "logs",
		.synopsis = "[OPTIONS] NAME|ID",
		.summary = "Show what a detached container wrote, on the same streams",
		.options = options,
		.min_operands = 1,
		.max_operands = 1,
	};
	struct logs logs = { .tail = ALL_LINES,
		             .is_streams = { true, true },
		             .reader = LOG_READER_INIT };
	char **operands;
	int count, result = opts_parse(&command, &logs, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	result = show(&logs, store, operands[0], err);
	log_reader_close(&logs.reader);
	return result;
}
