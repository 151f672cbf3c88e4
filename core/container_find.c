/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and listing containers; what died unnoticed is noticed here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/container_store.h"

static int not_found(const char *name, struct stor_err *err)
{
	err_fail(err, STOR_NOT_FOUND, 0, "no container %s", name);
	err_hint(err, "stor ps -a lists them");
	return -1;
}

/* The only id that begins with `prefix`, malloc'ed; NULL with err filled. */
static char *find_prefix(struct store *store, const char *prefix, struct stor_err *err)
{
	cleanup_strv struct strv ids = STRV_INIT;
	const char *found = NULL;

	if (strlen(prefix) > 12 || strspn(prefix, "0123456789abcdef") != strlen(prefix)) {
		not_found(prefix, err);
		return NULL;
	}
	if (store_list(store->fd, "containers", &ids, err) < 0)
		return NULL;
	for (size_t i = 0; i < ids.count; i++) {
		if (!store_is_id(ids.items[i]) || !str_starts(ids.items[i], prefix))
			continue;
		if (found) {
			err_fail(err, STOR_USAGE, 0,
			         "%s is the beginning of more than one container's id (%s, %s)",
			         prefix, found, ids.items[i]);
			err_hint(err, "give more of its digits, or its name");
			return NULL;
		}
		found = ids.items[i];
	}
	if (!found) {
		not_found(prefix, err);
		return NULL;
	}
	return xstrdup(found);
}

int container_load_current(struct store *store, const char *id, struct record *record,
                           struct stor_err *err)
{
	if (container_load(store, id, record, err) < 0)
		return -1;
	if (!strcmp(record_get(record, "status"), "exited") && !container_is_rm(record))
		return 0;
	if (!container_has_died(record, store_life(store, id, NULL)))
		return 0;
	if (!container_outlives(record)) {
		if (container_reap(store, id, err) < 0)
			return -1;
	} else if (store->adopt) {
		store->adopt(store, id);
	}
	record_free(record);
	return container_load(store, id, record, err);
}

int container_find(struct store *store, const char *name, char **id, struct record *record,
                   struct stor_err *err)
{
	cleanup_record struct record own = RECORD_INIT;
	struct stor_err why = STOR_ERR_INIT;
	cleanup_free char *found = NULL;

	if (store_open(store, err) < 0)
		return -1;
	if (!str_is_name(name))
		return not_found(name, err);
	found = store_find_name(store, name);
	if (!found)
		found = find_prefix(store, name, err);
	if (!found)
		return -1;
	if (container_load_current(store, found, record ? record : &own, &why) < 0) {
		if (why.status == STOR_NOT_FOUND)
			return not_found(name, err);
		*err = why;
		return -1;
	}
	*id = steal_ptr(&found);
	return 0;
}

struct dated {
	char *id; /* borrowed */
	uint64_t created;
};

static int compare_dated(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;

	if (x->created != y->created)
		return x->created < y->created ? -1 : 1;
	return strcmp(x->id, y->id);
}

int container_list(struct store *store, struct strv *ids, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_free struct dated *dated = NULL;
	size_t count = 0;

	if (store_open(store, err) < 0 || store_list(store->fd, "containers", &names, err) < 0)
		return -1;
	dated = xcalloc(names.count + 1, sizeof(*dated));
	for (size_t i = 0; i < names.count; i++) {
		cleanup_record struct record record = RECORD_INIT;
		struct stor_err ignored = STOR_ERR_INIT;

		if (!store_is_id(names.items[i]))
			continue;
		/* One whose record cannot be read is listed too: it is there. */
		if (container_load(store, names.items[i], &record, &ignored) < 0 &&
		    ignored.status == STOR_NOT_FOUND)
			continue;
		dated[count].id = names.items[i];
		dated[count++].created = record_get_u64(&record, "created", 0);
	}
	qsort(dated, count, sizeof(*dated), compare_dated);
	for (size_t i = 0; i < count; i++)
		strv_add(ids, dated[i].id);
	return 0;
}
