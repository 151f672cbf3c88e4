/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing the log of a container: see container_log.h. */
#include "core/container_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"

#define LOG_PATH_MAX 64

/* containers/ID/log, or an older part of it. */
static void log_path(const char *id, unsigned part, char *path)
{
	if (part)
		snprintf(path, LOG_PATH_MAX, "containers/%s/log.%u", id, part);
	else
		snprintf(path, LOG_PATH_MAX, "containers/%s/log", id);
}

/* Not by gmtime(), which first reads the time zone from files. */
const char *container_log_time(const struct timespec *when, char *buf)
{
	/* Days since 1 March of the year 0, in eras of 400 years; years begin in March here, so
	 * that a leap day is a year's last. */
	int64_t days = when->tv_sec / 86400 + 719468, seconds = when->tv_sec % 86400;
	unsigned day_of_era = (unsigned)(days % 146097);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned month = (5 * day_of_year + 2) / 153;
	unsigned year = year_of_era + (unsigned)(days / 146097) * 400 + (month >= 10);

	snprintf(buf, LOG_TIME_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", year % 10000,
	         (month + 2) % 12 + 1, day_of_year - (153 * month + 2) / 5 + 1,
	         (unsigned)seconds / 3600 % 24, (unsigned)seconds / 60 % 60, (unsigned)seconds % 60,
	         (unsigned)when->tv_nsec % 1000000000u);
	return buf;
}

void container_log_remove(struct store *store, const char *id)
{
	char path[LOG_PATH_MAX];
	unsigned part = 0;

	do
		log_path(id, part, path);
	while (unlinkat(store->fd, path, 0) == 0 && ++part);
}

static int open_log(struct log_writer *writer)
{
	char path[LOG_PATH_MAX];
	struct stat st;

	log_path(writer->id, 0, path);
	writer->fd = openat(writer->store->fd, path,
	                    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (writer->fd < 0 || fstat(writer->fd, &st) < 0)
		return -1;
	writer->size = (uint64_t)st.st_size;
	return 0;
}

int log_writer_open(struct log_writer *writer, struct store *store, const char *id,
                    uint64_t max_bytes, unsigned max_files, struct stor_err *err)
{
	*writer = (struct log_writer){
		.store = store, .fd = -1, .max_bytes = max_bytes, .max_files = max_files
	};
	snprintf(writer->id, sizeof(writer->id), "%s", id);
	return open_log(writer) < 0
	               ? err_fail(err, STOR_FAILED, errno, "container %s: open its log", id)
	               : 0;
}

void log_writer_close(struct log_writer *writer)
{
	close_fd(&writer->fd);
}

/* The parts move on by one, and the oldest goes. */
static void rotate(struct log_writer *writer)
{
	char from[LOG_PATH_MAX], to[LOG_PATH_MAX];

	for (unsigned part = writer->max_files - 1; part > 0; part--) {
		log_path(writer->id, part - 1, from);
		log_path(writer->id, part, to);
		renameat(writer->store->fd, from, writer->store->fd, to);
	}
	if (writer->max_files == 1) {
		log_path(writer->id, 0, from);
		unlinkat(writer->store->fd, from, 0);
	}
	close_fd(&writer->fd);
	if (open_log(writer) < 0)
		log_debug("container %s: begin a new log: %m", writer->id);
}

static void put_entry(struct strbuf *buf, const char *time, enum log_stream stream, char tag,
                      const char *text, size_t size)
{
	strbuf_puts(buf, time);
	strbuf_puts(buf, stream == LOG_STDERR ? " stderr " : " stdout ");
	strbuf_putc(buf, tag);
	strbuf_putc(buf, ' ');
	strbuf_add(buf, text, size);
	strbuf_putc(buf, '\n');
}

void log_writer_add(struct log_writer *writer, enum log_stream stream, const char *data,
                    size_t size)
{
	cleanup_strbuf struct strbuf buf = STRBUF_INIT;
	char time[LOG_TIME_MAX];
	struct timespec now;
	ssize_t written;

	clock_gettime(CLOCK_REALTIME, &now);
	container_log_time(&now, time);
	while (size) {
		const char *newline = memchr(data, '\n', size);
		size_t length = newline ? (size_t)(newline - data) : size;

		put_entry(&buf, time, stream, newline ? 'F' : 'P', data, length);
		length += newline != NULL;
		data += length;
		size -= length;
	}
	if (writer->fd < 0)
		return;
	written = write(writer->fd, buf.text, buf.length);
	if (written == (ssize_t)buf.length) {
		writer->size += buf.length;
	} else if (written < 0 || ftruncate(writer->fd, (off_t)writer->size) < 0) {
		/* Half an entry must not stay, for the next one to be stuck to. */
		log_debug("container %s: write its log: %m", writer->id);
	}
	if (writer->max_bytes && writer->size >= writer->max_bytes)
		rotate(writer);
}
