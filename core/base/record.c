/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key=value records: see record.h. */
#include "core/base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define RECORD_VERSION "stor-record=1\n"
#define RECORD_LIMIT_BYTES (1u << 20)

void record_add(struct record *record, const char *key, const char *value)
{
	strv_add(&record->keys, key);
	strv_add(&record->values, value);
}

void record_add_u64(struct record *record, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	record_add(record, key, text);
}

void record_set(struct record *record, const char *key, const char *value)
{
	for (size_t i = 0; i < record->keys.count; i++) {
		if (strcmp(record->keys.items[i], key) != 0)
			continue;
		free(record->values.items[i]);
		record->values.items[i] = xstrdup(value);
		return;
	}
	record_add(record, key, value);
}

void record_set_u64(struct record *record, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	record_set(record, key, text);
}

void record_copy(struct record *record, const struct record *from)
{
	for (size_t i = 0; i < from->keys.count; i++)
		record_add(record, from->keys.items[i], from->values.items[i]);
}

void record_remove(struct record *record, const char *key)
{
	struct record kept = RECORD_INIT;

	for (size_t i = 0; i < record->keys.count; i++)
		if (strcmp(record->keys.items[i], key) != 0)
			record_add(&kept, record->keys.items[i], record->values.items[i]);
	record_free(record);
	*record = kept;
}

const char *record_next(const struct record *record, const char *key, size_t *at)
{
	while (*at < record->keys.count) {
		size_t i = (*at)++;

		if (!strcmp(record->keys.items[i], key))
			return record->values.items[i];
	}
	return NULL;
}

const char *record_get(const struct record *record, const char *key)
{
	size_t at = 0;

	return record_next(record, key, &at);
}

uint64_t record_get_u64(const struct record *record, const char *key, uint64_t fallback)
{
	const char *text = record_get(record, key);
	uint64_t value;

	return text && !str_to_u64(text, &value) ? value : fallback;
}

/* A value as it was before record_save() wrote it; NULL: a stray backslash. */
static char *unescape(const char *text, size_t size)
{
	cleanup_strbuf struct strbuf buf = STRBUF_INIT;

	if (!memchr(text, '\\', size))
		return xstrndup(text, size);
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\\') {
			strbuf_putc(&buf, text[i]);
			continue;
		}
		if (++i == size || (text[i] != 'n' && text[i] != '\\'))
			return NULL;
		strbuf_putc(&buf, text[i] == 'n' ? '\n' : '\\');
	}
	return strbuf_steal(&buf);
}

/* Takes the line that ends at `end` in. -1: it is none. */
static int parse_line(struct record *record, const char *line, const char *end)
{
	bool replaces = *line == '!';
	const char *text = line + replaces, *equals = memchr(text, '=', (size_t)(end - text));
	cleanup_free char *key = NULL, *value = NULL;

	if (!equals || equals == text)
		return -1;
	value = unescape(equals + 1, (size_t)(end - equals - 1));
	if (!value)
		return -1;
	key = xstrndup(text, (size_t)(equals - text));
	if (replaces) {
		record_set(record, key, value);
	} else {
		strv_take(&record->keys, steal_ptr(&key));
		strv_take(&record->values, steal_ptr(&value));
	}
	return 0;
}

int record_parse(struct record *record, const char *text, const char *what, struct stor_err *err)
{
	if (!str_starts(text, RECORD_VERSION))
		return err_fail(err, STOR_FAILED, 0,
		                "%s: not a record that this version of stor understands", what);
	text += strlen(RECORD_VERSION);
	while (*text) {
		const char *end = strchr(text, '\n');

		if (!end && *text == '!')
			return 0;
		if (!end || parse_line(record, text, end) < 0)
			return err_fail(err, STOR_FAILED, 0, "%s: damaged record", what);
		text = end + 1;
	}
	return 0;
}

int record_load(struct record *record, int dir_fd, const char *path, struct stor_err *err)
{
	size_t size;
	cleanup_free char *text = fs_read_file(dir_fd, path, RECORD_LIMIT_BYTES, &size, err);

	if (!text)
		return -1;
	if (strlen(text) != size)
		return err_fail(err, STOR_FAILED, 0, "%s: damaged record", path);
	return record_parse(record, text, path, err);
}

/* Writes the lines of a record, each behind `prefix`. */
static void put_lines(struct strbuf *buf, const struct record *record, const char *prefix)
{
	for (size_t i = 0; i < record->keys.count; i++) {
		strbuf_puts(buf, prefix);
		strbuf_puts(buf, record->keys.items[i]);
		strbuf_putc(buf, '=');
		for (const char *c = record->values.items[i]; *c; c++) {
			if (*c == '\n')
				strbuf_puts(buf, "\\n");
			else if (*c == '\\')
				strbuf_puts(buf, "\\\\");
			else
				strbuf_putc(buf, *c);
		}
		strbuf_putc(buf, '\n');
	}
}

int record_append(const struct record *changes, int dir_fd, const char *path, struct stor_err *err)
{
	cleanup_close int fd = openat(dir_fd, path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	cleanup_strbuf struct strbuf buf = STRBUF_INIT;
	struct stat before;
	ssize_t n;

	if (fd < 0 || fstat(fd, &before) < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "open %s", path);
	put_lines(&buf, changes, "!");
	/* One call, for a reader to see all of it; so small a write is cut short by a full disk
	 * alone. */
	n = write(fd, buf.text, buf.length);
	if (n == (ssize_t)buf.length)
		return 0;
	err_fail(err, STOR_FAILED, n < 0 ? errno : ENOSPC, "write %s", path);
	if (n > 0 && ftruncate(fd, before.st_size) < 0)
		err_hint(err, "the last line of %s is cut short, and ignored", path);
	return -1;
}

int record_save(const struct record *record, int dir_fd, const char *path, bool durable,
                struct stor_err *err)
{
	cleanup_strbuf struct strbuf buf = STRBUF_INIT;

	strbuf_puts(&buf, RECORD_VERSION);
	put_lines(&buf, record, "");
	return fs_write_file(dir_fd, path, buf.text, buf.length, 0600, durable, err);
}

void record_free(struct record *record)
{
	strv_free(&record->keys);
	strv_free(&record->values);
}
