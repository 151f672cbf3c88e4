/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and listing containers; what died unnoticed is noticed here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/container_store.h"

/* The only id that begins with `prefix`, malloc'ed; NULL with err filled. */
static char *find_prefix(struct store *store, const char *prefix, struct stor_err *err)
{
	cleanup_strv struct strv ids = STRV_INIT;
	const char *found = NULL;

	if (strlen(prefix) > 12 || strspn(prefix, "0123456789abcdef") != strlen(prefix)) {
		container_fail_not_found(prefix, err);
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
		container_fail_not_found(prefix, err);
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
	if (!container_outlives(store, record)) {
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
		return container_fail_not_found(name, err);
	found = store_find_name(store, name);
	if (!found)
		found = find_prefix(store, name, err);
	if (!found)
		return -1;
	if (container_load_current(store, found, record ? record : &own, &why) < 0) {
		if (why.status == STOR_NOT_FOUND)
			return container_fail_not_found(name, err);
		*err = why;
		return -1;
	}
	*id = steal_ptr(&found);
	return 0;
}

void container_set_free(struct container_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->items[i].id);
		record_free(&set->items[i].record);
	}
	free(set->items);
	*set = (struct container_set)CONTAINER_SET_INIT;
}

static int compare_created(const void *a, const void *b)
{
	const struct container_item *x = a, *y = b;

	if (x->created_s != y->created_s)
		return x->created_s < y->created_s ? -1 : 1;
	if (x->created_ns != y->created_ns)
		return x->created_ns < y->created_ns ? -1 : 1;
	return strcmp(x->id, y->id);
}

int container_load_all(struct store *store, struct container_set *set, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (store_open(store, err) < 0 || store_list(store->fd, "containers", &names, err) < 0)
		return -1;
	set->items = xcalloc(names.count + 1, sizeof(*set->items));
	for (size_t i = 0; i < names.count; i++) {
		struct container_item *item = &set->items[set->count];
		struct stor_err why = STOR_ERR_INIT;

		if (!store_is_id(names.items[i]))
			continue;
		item->record = (struct record)RECORD_INIT;
		/* One whose record cannot be read is listed too: it is there. */
		if (container_load(store, names.items[i], &item->record, &why) < 0) {
			record_free(&item->record);
			if (why.status == STOR_NOT_FOUND)
				continue;
			item->is_damaged = true;
		}
		item->id = xstrdup(names.items[i]);
		item->created_s = record_get_u64(&item->record, "created", 0);
		item->created_ns = record_get_u64(&item->record, "created-ns", 0);
		set->count++;
	}
	qsort(set->items, set->count, sizeof(*set->items), compare_created);
	return 0;
}

int container_list(struct store *store, struct strv *ids, struct stor_err *err)
{
	cleanup_container_set struct container_set set = CONTAINER_SET_INIT;

	if (container_load_all(store, &set, err) < 0)
		return -1;
	for (size_t i = 0; i < set.count; i++)
		strv_add(ids, set.items[i].id);
	return 0;
}
