/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to containers, images and volumes: STATE/events, which whoever does something adds
 * lines to, and STATE/events.1, what that was before it became too big. A line is
 *
 *	TIME \t TYPE \t ACTION \t ID \t KEY=VALUE \t … \n
 *
 * with a tab or newline in a value written as \t or \n, and a backslash as \\. Times are those of
 *logs (container_log.h), so they compare as texts.
 */
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "core/base/record.h"
#include "core/container_log.h"
#include "core/store.h"

#define EVENT_CONTAINER "container"
#define EVENT_IMAGE "image"
#define EVENT_VOLUME "volume"

/* --- writing ------------------------------------------------------------------------------ */

/* Events that are written at once; each has the time when it was added. */
struct events {
	struct strbuf lines;
};

#define EVENTS_INIT                                                                                \
	{                                                                                          \
		.lines = STRBUF_INIT                                                               \
	}

/* Add one about a container. detail: "KEY=VALUE"; NULL: none. */
void events_add_container(struct events *events, const char *action, const char *id,
                          const struct record *record, const char *detail);
/* One write; the events are gone afterwards. Failure is nobody's concern: what happened, happened.
 */
void events_write(struct store *store, struct events *events);

/* One event about a container; record NULL: it is read. */
void event_container(struct store *store, const char *action, const char *id,
                     const struct record *record, const char *detail);
/* The same about an image or a volume. */
void event_thing(struct store *store, const char *type, const char *action, const char *name,
                 const char *detail);

/* --- reading ------------------------------------------------------------------------------ */

#define EVENT_DETAILS_MAX 16

/* One event; its texts are valid until the next one is read. */
struct event {
	const char *time, *type, *action, *id;
	const char *details[EVENT_DETAILS_MAX]; /* "KEY=VALUE" */
	size_t detail_count;
};

/* The older file, to which somebody may still write, and the present one. */
struct event_reader {
	struct store *store;
	struct event_part {
		int fd;
		struct strbuf data; /* read and not handed out: from `at` */
		size_t at;
	} parts[2];
	char *line; /* of the last event */
};

/* Open at the oldest event, or at_end: behind the last. */
int event_reader_open(struct event_reader *reader, struct store *store, bool at_end,
                      struct stor_err *err);
/* 1: *event is the next; 0: there is none now. */
int event_reader_next(struct event_reader *reader, struct event *event);
void event_reader_close(struct event_reader *reader);

/* Value of a detail, or NULL. */
const char *event_detail(const struct event *event, const char *key);

#endif
