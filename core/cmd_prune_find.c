/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cmd_prune_find.h. */
#include "core/cmd_prune_find.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/cmd_filter.h"
#include "core/cmd_run_options.h"
#include "core/container/keep_up.h"
#include "core/container_store.h"
#include "core/golden.h"
#include "core/image.h"
#include "core/volume_users.h"

/* What is to be kept, and what of it is known. */
struct search {
	struct store *store;
	const struct prune_wish *wish;
	struct prune_list *list;
	struct strv kept;                       /* containers whose monitor waits, or is alive */
	struct strv images, image_ids, volumes; /* used by containers that stay */
	bool is_unsure;                         /* there is one of which that is not known */
};

const char *prune_kind_name(enum prune_kind kind)
{
	static const char *const names[] = { "container", "image", "volume" };

	return names[kind];
}

void prune_list_free(struct prune_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].id);
		free(list->items[i].name);
	}
	free(list->items);
	*list = (struct prune_list)PRUNE_LIST_INIT;
}

/* --- sizes -------------------------------------------------------------------------------- */

/* A file with several names counts for each in part. Mounts are not entered. */
static uint64_t bytes_below(int parent_fd, const char *name)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_close int fd = -1;
	struct stat st;
	uint64_t sum;

	if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	sum = (uint64_t)st.st_blocks * 512 /
	      (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
	if (!S_ISDIR(st.st_mode))
		return sum;
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0)
		fs_list(fd, &names);
	for (size_t i = 0; i < names.count; i++)
		sum += bytes_below(fd, names.items[i]);
	return sum;
}

static void add_item(struct search *s, enum prune_kind kind, const char *id, const char *name,
                     uint64_t bytes)
{
	struct prune_list *list = s->list;

	list->items = xrealloc(list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] =
		(struct prune_item){ kind, xstrdup(id), xstrdup(name), bytes, false };
}

static uint64_t bytes_of(const struct search *s, const char *folder, const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", folder, name);

	return bytes_below(s->store->fd, path);
}

/* --- filters ------------------------------------------------------------------------------ */

/* labels: the key that the record has them under; NULL: it has none. */
static bool passes(const struct search *s, const struct record *record, const char *labels)
{
	const struct timespec created = { .tv_sec = (time_t)record_get_u64(record, "created", 0) };
	char time[LOG_TIME_MAX];

	if (*s->wish->until && strcmp(container_log_time(&created, time), s->wish->until) >= 0)
		return false;
	for (size_t i = 0; i < s->wish->labels->count; i++)
		if (!labels || !filter_has_label(record, labels, s->wish->labels->items[i]))
			return false;
	return true;
}

/* --- containers --------------------------------------------------------------------------- */

static void keep_what_it_uses(struct search *s, const struct container_config *config,
                              const struct record *record)
{
	const char *image = record_get(record, "image"),
		   *id = record_get(record, "volume.image-id");
	const char *root = record_get(record, "volume.root");

	if (image)
		strv_add(&s->images, image);
	if (id)
		strv_add(&s->image_ids, id);
	if (root)
		strv_add(&s->volumes, root);
	for (size_t i = 0; i < config->mount_count; i++)
		if (config->mounts[i].type == CONFIG_MOUNT_VOLUME)
			strv_add(&s->volumes, config->mounts[i].source);
}

/* Will it be started again? After a boot nobody does that for one that failed, and neither does a
 * monitor that has tried often enough. */
static bool is_to_be_started(const struct search *s, const char *id,
                             const struct container_config *config, const struct record *record)
{
	return container_is_kept(config, record) &&
	       (config->restart != CONFIG_RESTART_ON_FAILURE || strv_has(&s->kept, id));
}

static void look_at_container(struct search *s, const char *id)
{
	cleanup_config struct container_config config;
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err why = STOR_ERR_INIT;

	config_init(&config);
	if (container_load_current(s->store, id, &record, &why) < 0 ||
	    run_restore_config(&config, &record, &why) < 0) {
		s->is_unsure |= why.status != STOR_NOT_FOUND;
		return;
	}
	if (store_is_live(s->store, id, NULL) ||
	    !strcmp(record_get(&record, "status"), "running") ||
	    is_to_be_started(s, id, &config, &record) || !passes(s, &record, "label"))
		keep_what_it_uses(s, &config, &record);
	else
		add_item(s, PRUNE_CONTAINER, id, record_get(&record, "name"),
		         bytes_of(s, "containers", id));
}

static int find_containers(struct search *s, struct stor_err *err)
{
	cleanup_strv struct strv ids = STRV_INIT;

	if (container_list_kept(s->store, &s->kept, err) < 0 ||
	    container_list(s->store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++)
		look_at_container(s, ids.items[i]);
	return 0;
}

/* --- images ------------------------------------------------------------------------------- */

static uint64_t bytes_of_goldens(const struct search *s, const char *image_id)
{
	cleanup_free char *prefix = xasprintf("%s-", image_id);
	cleanup_strv struct strv keys = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	uint64_t sum = 0;

	if (golden_list(s->store, &keys, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < keys.count; i++)
		if (str_starts(keys.items[i], prefix))
			sum += bytes_of(s, "golden", keys.items[i]);
	return sum;
}

static void look_at_image(struct search *s, const char *name)
{
	cleanup_free char *path = xasprintf("images/%s/record", name);
	cleanup_record struct record record = RECORD_INIT;
	struct stor_err damage = STOR_ERR_INIT;
	const char *id;

	if (record_load(&record, s->store->fd, path, &damage) < 0)
		return;
	id = record_get(&record, "id");
	if (id && !strv_has(&s->images, name) && !strv_has(&s->image_ids, id) &&
	    passes(s, &record, "config.label"))
		add_item(s, PRUNE_IMAGE, name, name,
		         bytes_of(s, "images", name) + bytes_of_goldens(s, id));
}

static int find_images(struct search *s, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (image_names(s->store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		look_at_image(s, names.items[i]);
	return 0;
}

/* --- volumes ------------------------------------------------------------------------------ */

static void look_at_volume(struct search *s, const char *name)
{
	cleanup_users struct volume_users users = VOLUME_USERS_INIT;
	cleanup_volume struct volume volume = VOLUME_INIT;
	struct stor_err damage = STOR_ERR_INIT;

	if (strv_has(&s->volumes, name) ||
	    volume_find(s->store, name, NULL, NULL, &volume, &damage) < 0 ||
	    volume_users_load(s->store, &volume, &users, &damage) < 0 || users.count)
		return;
	if (passes(s, &volume.record, NULL))
		add_item(s, PRUNE_VOLUME, name, name, bytes_of(s, "volumes", name));
}

static int find_volumes(struct search *s, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;

	if (volume_list(s->store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		look_at_volume(s, names.items[i]);
	return 0;
}

/* --- all ---------------------------------------------------------------------------------- */

int prune_find(struct store *store, const struct prune_wish *wish, struct prune_list *list,
               struct stor_err *err)
{
	struct search s = { .store = store, .wish = wish, .list = list };
	int result = find_containers(&s, err);

	if (!result && !s.is_unsure)
		result = find_images(&s, err);
	if (!result && !s.is_unsure && wish->with_volumes)
		result = find_volumes(&s, err);
	strv_free(&s.kept);
	strv_free(&s.images);
	strv_free(&s.image_ids);
	strv_free(&s.volumes);
	return result;
}

static int remove_item(struct store *store, const struct prune_item *item, struct stor_err *err)
{
	switch (item->kind) {
	case PRUNE_CONTAINER:
		return container_remove(store, item->id, err);
	case PRUNE_IMAGE:
		return image_remove(store, item->name, err);
	case PRUNE_VOLUME:
		return volume_remove(store, item->name, err);
	}
	return -1;
}

int prune_remove(struct store *store, struct prune_item *item, struct stor_err *err)
{
	if (remove_item(store, item, err) == 0)
		return 0;
	item->is_kept = err->status == STOR_BUSY || err->status == STOR_NOT_FOUND;
	return -1;
}
