/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading events, while they are written: see event.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/event.h"

enum { OLDER, PRESENT };

static int open_file(struct store *store, const char *name, int flags)
{
	return openat(store->state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

int event_reader_open(struct event_reader *reader, struct store *store, bool at_end,
                      struct stor_err *err)
{
	*reader = (struct event_reader){ .store = store, .parts = { { .fd = -1 }, { .fd = -1 } } };
	/* Opened first: what is moved there meanwhile is read as the present one. */
	if (!at_end)
		reader->parts[OLDER].fd = open_file(store, "events.1", 0);
	reader->parts[PRESENT].fd = open_file(store, "events", O_CREAT);
	if (reader->parts[PRESENT].fd < 0 ||
	    (at_end && lseek(reader->parts[PRESENT].fd, 0, SEEK_END) < 0))
		return err_fail(err, STOR_FAILED, errno, "open %s/events", store->state_path);
	return 0;
}

static void close_part(struct event_part *part)
{
	close_fd(&part->fd);
	strbuf_free(&part->data);
	part->at = 0;
}

void event_reader_close(struct event_reader *reader)
{
	close_part(&reader->parts[OLDER]);
	close_part(&reader->parts[PRESENT]);
	free(steal_ptr(&reader->line));
}

/* The next whole line of a file, malloc'ed; NULL: there is none now. */
static char *next_line(struct event_part *part)
{
	char chunk[16384];
	ssize_t n;

	for (;;) {
		const char *from = part->data.text ? part->data.text + part->at : NULL;
		size_t left = part->data.length - part->at;
		const char *newline = from ? memchr(from, '\n', left) : NULL;

		if (newline) {
			part->at += (size_t)(newline - from) + 1;
			return xstrndup(from, (size_t)(newline - from));
		}
		if (from && part->at) {
			memmove(part->data.text, from, left);
			part->data.length = left;
			part->at = 0;
		}
		n = part->fd < 0 ? 0 : read(part->fd, chunk, sizeof(chunk));
		if (n <= 0)
			return NULL;
		strbuf_add(&part->data, chunk, (size_t)n);
	}
}

/* True: another file has the name by now. */
static bool follow_rotation(struct event_reader *reader)
{
	struct event_part *older = &reader->parts[OLDER], *present = &reader->parts[PRESENT];
	cleanup_close int fd = open_file(reader->store, "events", 0);
	struct stat a, b;

	if (fd < 0 || fstat(fd, &a) < 0 || fstat(present->fd, &b) < 0 || a.st_ino == b.st_ino)
		return false;
	close_part(older);
	*older = *present;
	*present = (struct event_part){ .fd = steal_fd(&fd) };
	return true;
}

/* Undoes what put_escaped() did. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (*text == '\\' && text[1]) {
			text++;
			*to++ = *text == 't' ? '\t' : *text == 'n' ? '\n' : *text;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* Takes the line apart, in place. */
static bool parse(char *line, struct event *event)
{
	const char **const texts[] = { &event->time, &event->type, &event->action, &event->id };
	char *rest = line, *word;
	size_t count = 0;

	event->detail_count = 0;
	while ((word = strsep(&rest, "\t"))) {
		unescape(word);
		if (count < 4)
			*texts[count] = word;
		else if (event->detail_count < EVENT_DETAILS_MAX)
			event->details[event->detail_count++] = word;
		count++;
	}
	return count >= 4 && strlen(event->time) == LOG_TIME_MAX - 1;
}

int event_reader_next(struct event_reader *reader, struct event *event)
{
	for (;;) {
		free(steal_ptr(&reader->line));
		for (int i = OLDER; i <= PRESENT && !reader->line; i++)
			reader->line = next_line(&reader->parts[i]);
		if (reader->line && parse(reader->line, event))
			return 1;
		if (!reader->line && !follow_rotation(reader))
			return 0;
	}
}

const char *event_detail(const struct event *event, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < event->detail_count; i++)
		if (!strncmp(event->details[i], key, length) && event->details[i][length] == '=')
			return event->details[i] + length + 1;
	return NULL;
}
