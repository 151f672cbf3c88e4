/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See container_updates.h. */
#include "core/container_updates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/container_store.h"

#define KEY_CHANGE "change"
#define PATH_BYTES 64

/* The part of "OPTION=VALUE" that tells which limit it is: that of a disk, or of a size of pages,
 * is another one for each. */
static size_t identity(const char *text)
{
	size_t length = strcspn(text, "=");
	const char *colon;

	if (str_starts(text, "label="))
		return length + 1 + strcspn(text + length + 1, "=");
	if (!str_starts(text, "device-") && !str_starts(text, "hugetlb="))
		return length;
	colon = strrchr(text, ':');
	return colon ? (size_t)(colon - text) : length;
}

/* Two scales of one weight. */
static const char *plain_name(const char *text)
{
	return str_starts(text, "cpu-shares=")     ? "cpu-weight="
	       : str_starts(text, "blkio-weight=") ? "io-weight="
	                                           : text;
}

/* Does one take the other's place? */
static bool is_same(const char *a, const char *b)
{
	const char *x = plain_name(a), *y = plain_name(b);

	return identity(x) == identity(y) && !strncmp(x, y, identity(x));
}

static void replace(struct strv *list, const char *text)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (is_same(list->items[i], text))
			free(list->items[i]);
		else
			list->items[kept++] = list->items[i];
	}
	list->count = kept;
	strv_add(list, text);
}

/* All values of a key, as "PREFIX…" texts, and back. */
static void take_values(const struct record *record, const char *key, const char *prefix,
                        struct strv *texts)
{
	const char *value;

	for (size_t at = 0; (value = record_next(record, key, &at));)
		strv_take(texts, xasprintf("%s%s", prefix, value));
}

static void put_values(struct record *record, const char *key, const char *prefix,
                       const struct strv *texts)
{
	record_remove(record, key);
	for (size_t i = 0; i < texts->count; i++)
		record_add(record, key, texts->items[i] + strlen(prefix));
}

void container_fold_options(struct record *record, const struct strv *given)
{
	static const char label[] = "label=";
	cleanup_strv struct strv options = STRV_INIT, labels = STRV_INIT;

	take_values(record, "option", "", &options);
	take_values(record, "label", label, &labels);
	for (size_t i = 0; i < given->count; i++)
		replace(str_starts(given->items[i], label) ? &labels : &options, given->items[i]);
	put_values(record, "option", "", &options);
	put_values(record, "label", label, &labels);
}

static void updates_path(const char *id, char *buf)
{
	snprintf(buf, PATH_BYTES, "containers/%s/updates", id);
}

/* None, unless the container's record says that they count. */
static int load_updates(struct store *store, const char *id, const struct record *record,
                        struct strv *changes, struct stor_err *err)
{
	cleanup_record struct record updates = RECORD_INIT;
	char path[PATH_BYTES];

	if (!record_get(record, CONTAINER_KEY_UPDATED))
		return 0;
	updates_path(id, path);
	if (record_load(&updates, store->fd, path, err) < 0)
		return -1;
	take_values(&updates, KEY_CHANGE, "", changes);
	return 0;
}

int container_fold_updates(struct store *store, const char *id, struct record *record,
                           struct stor_err *err)
{
	cleanup_strv struct strv changes = STRV_INIT;

	if (load_updates(store, id, record, &changes, err) < 0)
		return -1;
	if (changes.count)
		container_fold_options(record, &changes);
	return 0;
}

/* The file is there before the record names it. */
int container_record_updates(struct store *store, const char *id, const struct strv *given,
                             struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT, updates = RECORD_INIT,
				     flag = RECORD_INIT;
	cleanup_close int lock_fd = container_lock(store, id, err);
	cleanup_strv struct strv changes = STRV_INIT;
	char path[PATH_BYTES];

	if (lock_fd < 0 || container_load(store, id, &record, err) < 0 ||
	    load_updates(store, id, &record, &changes, err) < 0)
		return -1;
	for (size_t i = 0; i < given->count; i++)
		replace(&changes, given->items[i]);
	put_values(&updates, KEY_CHANGE, "", &changes);
	updates_path(id, path);
	if (record_save(&updates, store->fd, path, false, err) < 0)
		return err_context(err, "container %s", id);
	kill_point("container-updates");
	if (record_get(&record, CONTAINER_KEY_UPDATED))
		return 0;
	record_set(&flag, CONTAINER_KEY_UPDATED, "yes");
	return container_note(store, id, &record, &flag, err);
}

bool container_is_updated(struct store *store, const char *id)
{
	char path[PATH_BYTES];

	updates_path(id, path);
	return faccessat(store->fd, path, F_OK, 0) == 0;
}

void container_forget_updates(struct store *store, const char *id, const struct record *record)
{
	char path[PATH_BYTES];

	if (!record_get(record, CONTAINER_KEY_UPDATED))
		return;
	updates_path(id, path);
	unlinkat(store->fd, path, 0);
}
