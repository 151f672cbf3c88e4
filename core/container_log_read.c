/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the log of a container, while it may be written and cut: see container_log.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/container_log.h"

#define READ_BYTES ((size_t)64 << 10)
#define PARTS_MAX 1000

static int open_part(const struct log_reader *reader, unsigned part)
{
	char path[64];

	if (part)
		snprintf(path, sizeof(path), "containers/%s/log.%u", reader->id, part);
	else
		snprintf(path, sizeof(path), "containers/%s/log", reader->id);
	return openat(reader->store->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The oldest part that is there. */
static int open_oldest(struct log_reader *reader)
{
	int fd = -1;

	for (unsigned part = 0; part < PARTS_MAX; part++) {
		int older_fd = open_part(reader, part);

		if (older_fd < 0 && part)
			break;
		close_fd(&fd);
		fd = older_fd;
	}
	return fd;
}

int log_reader_open(struct log_reader *reader, struct store *store, const char *id, bool at_end,
                    struct stor_err *err)
{
	*reader = (struct log_reader)LOG_READER_INIT;
	reader->store = store;
	snprintf(reader->id, sizeof(reader->id), "%s", id);
	reader->fd = at_end ? open_part(reader, 0) : open_oldest(reader);
	if (reader->fd < 0 && errno == ENOENT) {
		err_fail(err, STOR_NOT_FOUND, 0, "container %s has no log", id);
		err_hint(err, "what runs in the foreground writes to its terminal; stor run -d and "
		              "stor start keep a log");
		return -1;
	}
	if (reader->fd < 0 || (at_end && lseek(reader->fd, 0, SEEK_END) < 0))
		return err_fail(err, STOR_FAILED, errno, "container %s: open its log", id);
	return 0;
}

/* The part that follows the one just read to its end: the one whose older neighbour that is. -1:
 * this is still the last one. */
static int open_next(const struct log_reader *reader)
{
	int newer_fd = open_part(reader, 0);
	struct stat own, other;

	if (newer_fd < 0 || fstat(reader->fd, &own) < 0 || fstat(newer_fd, &other) < 0 ||
	    own.st_ino == other.st_ino) {
		close_fd(&newer_fd);
		return -1;
	}
	for (unsigned part = 1; part < PARTS_MAX; part++) {
		int fd = open_part(reader, part);
		bool is_own = fd >= 0 && fstat(fd, &other) == 0 && own.st_ino == other.st_ino;

		/* When this one has been removed meanwhile, the oldest follows. */
		if (fd < 0 || is_own) {
			close_fd(&fd);
			break;
		}
		close_fd(&newer_fd);
		newer_fd = fd;
	}
	return newer_fd;
}

static ssize_t read_on(struct log_reader *reader)
{
	ssize_t n;

	do
		n = read(reader->fd, reader->data + reader->end, reader->room - reader->end);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Reads more behind what is there. 1, 0: nothing more now, -1. */
static int read_more(struct log_reader *reader)
{
	ssize_t n;

	if (reader->at) {
		reader->end -= reader->at;
		memmove(reader->data, reader->data + reader->at, reader->end);
		reader->at = 0;
	}
	if (reader->room - reader->end < READ_BYTES) {
		reader->room = reader->end + 2 * READ_BYTES;
		reader->data = xrealloc(reader->data, reader->room);
	}
	while ((n = read_on(reader)) == 0) {
		cleanup_close int next_fd = open_next(reader);

		if (next_fd < 0)
			break;
		/* The last words before it was put aside. */
		n = read_on(reader);
		if (n)
			break;
		close_fd(&reader->fd);
		reader->fd = steal_fd(&next_fd);
	}
	if (n > 0)
		reader->end += (size_t)n;
	return n < 0 ? -1 : n > 0;
}

/* Takes the line apart. False: it is none of a log. */
static bool parse(char *line, size_t size, struct log_entry *entry)
{
	const size_t head = LOG_TIME_MAX - 1 + sizeof(" stdout F ") - 1;

	if (size < head)
		return false;
	entry->time = line;
	entry->stream = line[LOG_TIME_MAX - 1 + 4] == 'e' ? LOG_STDERR : LOG_STDOUT;
	entry->ends_line = line[head - 2] == 'F';
	entry->text = line + head;
	entry->size = size - head;
	return true;
}

int log_reader_next(struct log_reader *reader, struct log_entry *entry, struct stor_err *err)
{
	for (;;) {
		char *line = reader->data + reader->at;
		char *newline = reader->end > reader->at
		                        ? memchr(line, '\n', reader->end - reader->at)
		                        : NULL;
		int more;

		if (newline) {
			reader->at += (size_t)(newline - line) + 1;
			if (parse(line, (size_t)(newline - line), entry))
				return 1;
			continue;
		}
		more = read_more(reader);
		if (more < 0)
			return err_fail(err, STOR_FAILED, errno, "container %s: read its log",
			                reader->id);
		if (!more)
			return 0;
	}
}

void log_reader_close(struct log_reader *reader)
{
	close_fd(&reader->fd);
	free(reader->data);
	reader->data = NULL;
	reader->at = reader->end = reader->room = 0;
}
