/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing events: see event.h. */
#include "core/event.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/container_show.h"
#include "core/container_store.h"

#define EVENTS_MAX_BYTES (1 << 20)

static void put_escaped(struct strbuf *line, const char *text)
{
	for (; *text; text++) {
		if (*text == '\t' || *text == '\n' || *text == '\\')
			strbuf_printf(line, "\\%c",
			              *text == '\t'   ? 't'
			              : *text == '\n' ? 'n'
			                              : '\\');
		else
			strbuf_putc(line, *text);
	}
}

static void begin(struct events *events, const char *type, const char *action, const char *id)
{
	char time[LOG_TIME_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	strbuf_printf(&events->lines, "%s\t%s\t%s\t", container_log_time(&now, time), type, action);
	put_escaped(&events->lines, id);
}

static void add_detail(struct events *events, const char *key, const char *value)
{
	if (!value)
		return;
	strbuf_printf(&events->lines, "\t%s", key);
	put_escaped(&events->lines, value);
}

void events_add_container(struct events *events, const char *action, const char *id,
                          const struct record *record, const char *detail)
{
	begin(events, EVENT_CONTAINER, action, id);
	add_detail(events, "name=", record_get(record, "name"));
	add_detail(events, "image=", container_image_text(record));
	add_detail(events, "", detail);
	strbuf_putc(&events->lines, '\n');
}

/* By one of those that find it too big; the others' last lines are in the older file. */
static void rotate(struct store *store, int fd)
{
	struct stor_err busy = STOR_ERR_INIT;
	cleanup_close int lock_fd = store_lock(store, "events", true, 0, &busy);
	struct stat mine, present;

	if (lock_fd >= 0 && fstat(fd, &mine) == 0 &&
	    fstatat(store->state_fd, "events", &present, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_ino == present.st_ino)
		renameat(store->state_fd, "events", store->state_fd, "events.1");
}

void events_write(struct store *store, struct events *events)
{
	cleanup_close int fd = -1;

	if (store->state_fd >= 0 && events->lines.length)
		fd = openat(store->state_fd, "events",
		            O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		if (write(fd, events->lines.text, events->lines.length) < 0)
			log_debug("write events: %m");
		else if (lseek(fd, 0, SEEK_CUR) > EVENTS_MAX_BYTES)
			rotate(store, fd);
	}
	strbuf_free(&events->lines);
}

void event_container(struct store *store, const char *action, const char *id,
                     const struct record *record, const char *detail)
{
	cleanup_record struct record own = RECORD_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	struct events events = EVENTS_INIT;

	if (!record && container_load(store, id, &own, &ignored) < 0)
		log_debug("%s", ignored.text);
	events_add_container(&events, action, id, record ? record : &own, detail);
	events_write(store, &events);
}

void event_thing(struct store *store, const char *type, const char *action, const char *name,
                 const char *detail)
{
	struct events events = EVENTS_INIT;

	begin(&events, type, action, name);
	add_detail(&events, "", detail);
	strbuf_putc(&events.lines, '\n');
	events_write(store, &events);
}
