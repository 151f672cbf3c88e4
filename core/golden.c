/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Golden volumes: finding and making them. See golden.h. */
#include "core/golden.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"

/* --- names -------------------------------------------------------------------------------- */

/* "IMAGEID-BACKEND-HASH". The hash covers the values, not the words that gave them: a default that
 * is written out is still the default. */
static char *make_key(const struct image *image, const struct golden_opts *opts,
                      const struct params *params)
{
	const struct stor_param *table = opts->backend->ops.params;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	strbuf_printf(&text, "size=%" PRIu64 "\nfs=%s\n", opts->size_bytes,
	              opts->fs_type ? opts->fs_type : "");
	for (size_t i = 0; i < params->count; i++)
		if (table[i].scope & STOR_PARAM_CREATE && params->values[i].is_set)
			strbuf_printf(&text, "%s=%s\n", table[i].key, params->values[i].string);
	return xasprintf("%s-%s-%016" PRIx64, image->id, opts->backend->ops.name,
	                 store_hash(text.text));
}

static bool exists(struct store *store, const char *dir)
{
	return faccessat(store->fd, dir, F_OK, 0) == 0;
}

/* --- making ------------------------------------------------------------------------------- */

/* Makes the volume in tmp/ and moves it to its place. */
static int make(struct store *store, const struct image *image, const struct golden_opts *opts,
                const struct volume *volume, const char *temp, struct stor_err *err)
{
	struct stor_create_req req = { .size_bytes = opts->size_bytes,
		                       .source_fd = image->tree_fd,
		                       .source_path = image->tree_path,
		                       .fs_type = opts->fs_type };
	cleanup_free char *data = xasprintf("%s/data", temp);
	cleanup_free char *path = xasprintf("%s/%s", store->path, data);
	cleanup_free char *record_path = xasprintf("%s/record", temp);
	cleanup_record struct record record = RECORD_INIT;
	struct stor_volume ref = volume->ref;

	if (store_make_dir(store->fd, data, err) < 0)
		return -1;
	ref.path = path;
	kill_point("golden-folder");
	if (backend_create(opts->backend, &ref, &req, err) < 0)
		return -1;
	kill_point("golden-created");
	record_add(&record, "backend", opts->backend->ops.name);
	record_add(&record, "image", image->name);
	record_add(&record, "image-id", image->id);
	record_add_u64(&record, "created", (uint64_t)time(NULL));
	params_save(&volume->params, opts->backend, &record);
	if (record_save(&record, store->fd, record_path, true, err) < 0)
		return -1;
	kill_point("golden-record");
	if (store_publish(store, temp, volume->dir, err) < 0)
		return -1;
	kill_point("golden-published");
	return 0;
}

/* Waits for whoever else makes the same one; it, or this process, makes it. */
static int make_once(struct store *store, const struct image *image, const struct golden_opts *opts,
                     const struct volume *volume, struct stor_err *err)
{
	cleanup_free char *temp = NULL;
	cleanup_close int lock_fd = store_lock(store, volume->key, true, 300, err);

	if (lock_fd < 0 && err->status == STOR_BUSY) {
		/* Another stor makes it; it ends, or is killed, and then the kernel frees its lock.
		 */
		log_warn("waiting for another stor to put image %s on backend %s", image->name,
		         opts->backend->ops.name);
		err_clear(err);
		lock_fd = store_lock(store, volume->key, true, STORE_WAIT_FOREVER, err);
	}
	if (lock_fd < 0)
		return -1;
	if (exists(store, volume->dir))
		return 0;
	temp = store_make_temp(store, err);
	if (!temp)
		return -1;
	if (make(store, image, opts, volume, temp, err) < 0) {
		store_remove_temp(store, temp);
		return err_context(err, "put image %s on backend %s", image->name,
		                   opts->backend->ops.name);
	}
	return 0;
}

int golden_open(struct store *store, const struct image *image, const struct golden_opts *opts,
                struct volume *volume, struct stor_err *err)
{
	struct volume golden = VOLUME_INIT;
	cleanup_params struct params params = { .values = NULL };
	cleanup_free char *key = NULL, *dir = NULL;

	if (params_parse(&params, opts->backend, opts->params, NULL,
	                 STOR_PARAM_CREATE | STOR_PARAM_ATTACH, err) < 0)
		return -1;
	key = make_key(image, opts, &params);
	dir = xasprintf("golden/%s", key);
	volume_init(&golden, store, VOLUME_GOLDEN, opts->backend, key, dir, NULL);
	golden.params = params;
	params = (struct params){ .values = NULL };
	golden.ref.values = golden.params.handed;
	if (!exists(store, dir) && make_once(store, image, opts, &golden, err) < 0) {
		volume_free(&golden);
		return -1;
	}
	*volume = golden;
	return 0;
}

/* --- sharing blocks ----------------------------------------------------------------------- */

static bool try_reflink(struct store *store)
{
	cleanup_close int from = openat(store->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	cleanup_close int to = openat(store->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char block[4096] = "stor";

	return from >= 0 && to >= 0 && pwrite_all(from, block, sizeof(block), 0) == 0 &&
	       ioctl(to, FICLONE, from) == 0;
}

bool golden_can_reflink(struct store *store)
{
	char answer[8] = "";
	bool can;

	if (readlinkat(store->fd, "reflink", answer, sizeof(answer) - 1) > 0)
		return !strcmp(answer, "yes");
	can = try_reflink(store);
	/* Not remembered, it is tried again. */
	if (symlinkat(can ? "yes" : "no", store->fd, "reflink") < 0)
		log_debug("remember whether %s can share blocks: %s", store->path, strerror(errno));
	return can;
}
