/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding and listing images, giving a finished one its name, and removing: see image.h. */
#include "core/image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/event.h"
#include "core/golden.h"

/* How long to wait for somebody who removes or replaces the image at this moment, and for those who
 * read it when it shall be removed. */
#define LOCK_WAIT_MS 2000

/* Hint lists are for reading. */
#define MAX_NAMES_IN_HINT 12

int image_names(struct store *store, struct strv *names, struct stor_err *err)
{
	cleanup_strv struct strv all = STRV_INIT;

	if (store_list(store->fd, "images", &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++)
		if (str_is_name(all.items[i]))
			strv_add(names, all.items[i]);
	strv_sort(names);
	return 0;
}

static int fail_not_found(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	cleanup_strbuf struct strbuf list = STRBUF_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	err_fail(err, STOR_NOT_FOUND, 0, "image %s: no such image", name);
	if (image_names(store, &names, &ignored) < 0 || !names.count) {
		err_hint(err, "stor image import SOURCE %s makes it", name);
		return -1;
	}
	for (size_t i = 0; i < names.count && i < MAX_NAMES_IN_HINT; i++)
		strbuf_printf(&list, "%s%s", i ? ", " : "", names.items[i]);
	err_hint(err, "there are: %s%s", list.text, names.count > MAX_NAMES_IN_HINT ? ", …" : "");
	return -1;
}

/*
 * Opens the folder of an image and locks it. Whoever removes or replaces an image holds the lock
 * while it moves the folder away, so a folder that still has its name once it is locked stays.
 * Returns the descriptor, or -1 with errno (ENOENT: no such image; EWOULDBLOCK: locked).
 */
static int lock_folder(struct store *store, const char *name, int operation)
{
	cleanup_free char *path = xasprintf("images/%s", name);
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct stat locked, named;

	for (unsigned waited = 0;; waited++) {
		cleanup_close int fd =
			openat(store->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			return -1;
		kill_point("image-opened");
		if (!flock(fd, operation | LOCK_NB)) {
			if (fstat(fd, &locked) < 0)
				return -1;
			if (!fstatat(store->fd, path, &named, AT_SYMLINK_NOFOLLOW) &&
			    named.st_ino == locked.st_ino && named.st_dev == locked.st_dev)
				return steal_fd(&fd);
		} else if (errno != EWOULDBLOCK && errno != EINTR) {
			return -1;
		}
		if (waited >= LOCK_WAIT_MS) {
			errno = EWOULDBLOCK;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

/* Opens an image that is there. 1: no such image. */
static int open_existing(struct store *store, const char *name, struct image *image,
                         struct stor_err *err)
{
	cleanup_image struct image found = IMAGE_INIT;

	found.lock_fd = lock_folder(store, name, LOCK_SH);
	if (found.lock_fd < 0) {
		if (errno == ENOENT)
			return 1;
		return err_fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, errno,
		                "image %s: open", name);
	}
	found.tree_fd =
		openat(found.lock_fd, "rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (found.tree_fd < 0)
		err_fail(err, STOR_FAILED, errno, "image %s: open rootfs", name);
	if (found.tree_fd < 0 || record_load(&found.record, found.lock_fd, "record", err) < 0 ||
	    !record_get(&found.record, "id")) {
		if (err->status == STOR_OK)
			err_fail(err, STOR_FAILED, 0, "its record has no id");
		err->status = STOR_FAILED;
		err_context(err, "image %s is damaged", name);
		err_hint(err, "stor image rm %s, and import it again", name);
		return -1;
	}
	found.name = xstrdup(name);
	found.id = xstrdup(record_get(&found.record, "id"));
	found.tree_path = xasprintf("%s/images/%s/rootfs", store->path, name);
	*image = found;
	found = (struct image)IMAGE_INIT;
	return 0;
}

static int make_builtin(struct store *store, struct stor_err *err)
{
	cleanup_image_draft struct image_draft draft = IMAGE_DRAFT_INIT;

	if (image_draft_begin(store, IMAGE_BUILTIN, &draft, err) < 0 ||
	    image_builtin_fill(&draft, err) < 0 ||
	    image_draft_finish(&draft, IMAGE_BUILTIN, false, err) < 0)
		return err_context(err, "make the built-in image");
	return 0;
}

int image_open(struct store *store, const char *name, struct image *image, struct stor_err *err)
{
	struct stor_err made = STOR_ERR_INIT;
	int result;

	if (!str_is_name(name))
		return err_fail(err, STOR_USAGE, 0, "\"%s\" is not the name of an image", name);
	result = open_existing(store, name, image, err);
	if (result <= 0)
		return result;
	if (strcmp(name, IMAGE_BUILTIN) != 0)
		return fail_not_found(store, name, err);
	/* Two that race make it once: the loser's failure to name its copy is no failure. */
	if (make_builtin(store, &made) < 0 && made.status != STOR_BUSY) {
		*err = made;
		return -1;
	}
	result = open_existing(store, name, image, err);
	return result > 0 ? fail_not_found(store, name, err) : result;
}

void image_close(struct image *image)
{
	free(image->name);
	free(image->id);
	free(image->tree_path);
	record_free(&image->record);
	stor_cleanup_close(&image->tree_fd);
	stor_cleanup_close(&image->lock_fd);
	*image = (struct image)IMAGE_INIT;
}

int image_draft_begin(struct store *store, const char *name, struct image_draft *draft,
                      struct stor_err *err)
{
	cleanup_free char *id = store_new_id();
	char what[64];

	if (!str_is_name(name)) {
		err_fail(err, STOR_USAGE, 0, "\"%s\" cannot be the name of an image", name);
		err_hint(err, "letters, digits and any of _ . - after the first, at most 128");
		return -1;
	}
	*draft = (struct image_draft)IMAGE_DRAFT_INIT;
	draft->store = store;
	if (store_make_dir(store->fd, "images", err) < 0)
		return -1;
	draft->temp = store_make_temp(store, err);
	if (!draft->temp)
		return -1;
	draft->temp_fd = fs_open_dir(store->fd, draft->temp, err);
	if (draft->temp_fd < 0)
		return -1;
	if (mkdirat(draft->temp_fd, "image", 0700) < 0 ||
	    mkdirat(draft->temp_fd, "image/rootfs", 0755) < 0 ||
	    fchmodat(draft->temp_fd, "image/rootfs", 0755, 0) < 0)
		return err_fail(err, STOR_FAILED, errno, "make %s/%s/image", store->path,
		                draft->temp);
	draft->dir_fd = fs_open_dir(draft->temp_fd, "image", err);
	draft->tree_fd = draft->dir_fd < 0 ? -1 : fs_open_dir(draft->dir_fd, "rootfs", err);
	if (draft->tree_fd < 0)
		return -1;
	snprintf(what, sizeof(what), "%lld", (long long)time(NULL));
	record_set(&draft->record, "id", id);
	record_set(&draft->record, "created", what);
	return 0;
}

/* Puts the draft in the place of an image that nobody uses. */
static int replace_image(struct image_draft *draft, const char *name, const char *place,
                         struct stor_err *err)
{
	cleanup_close int lock_fd = lock_folder(draft->store, name, LOCK_EX);

	if (lock_fd < 0) {
		err_fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, 0,
		         "image %s: replace: %s", name,
		         errno == EWOULDBLOCK ? "in use" : strerror(errno));
		return -1;
	}
	if (renameat2(draft->temp_fd, "image", draft->store->fd, place, RENAME_EXCHANGE) < 0)
		return err_fail(err, STOR_FAILED, errno, "image %s: replace", name);
	return 0;
}

/* The golden volumes of the image that was replaced, but those that a container is based on: they
 * go with a later sweep, as do all when this fails. */
static void remove_old_goldens(struct store *store, const char *name)
{
	const struct sweep_opts sweep = { .dry_run = false };
	struct stor_err left = STOR_ERR_INIT;

	if (golden_sweep(store, &sweep, &left) < 0)
		log_debug("replace image %s: %s", name, left.text);
}

int image_fail_taken(const char *name, struct stor_err *err)
{
	err_fail(err, STOR_BUSY, 0, "image %s exists already", name);
	err_hint(err, "--replace takes its place; stor image rm %s removes it", name);
	return -1;
}

int image_draft_finish(struct image_draft *draft, const char *name, bool replace,
                       struct stor_err *err)
{
	cleanup_free char *place = xasprintf("images/%s", name);
	cleanup_close int images_fd = -1;
	bool is_replaced = false;

	if (record_save(&draft->record, draft->dir_fd, "record", false, err) < 0)
		return -1;
	/* A name must not outlive a power cut that its content did not. */
	if (syncfs(draft->dir_fd) < 0)
		return err_fail(err, STOR_FAILED, errno, "image %s: write to disk", name);
	kill_point("image-before-rename");
	if (renameat2(draft->temp_fd, "image", draft->store->fd, place, RENAME_NOREPLACE) < 0) {
		if (errno != EEXIST)
			return err_fail(err, STOR_FAILED, errno, "image %s: rename", name);
		if (!replace) {
			return image_fail_taken(name, err);
		}
		if (replace_image(draft, name, place, err) < 0)
			return -1;
		is_replaced = true;
	}
	kill_point("image-after-rename");
	images_fd = fs_open_dir(draft->store->fd, "images", err);
	if (images_fd < 0)
		return -1;
	if (fsync(images_fd) < 0)
		return err_fail(err, STOR_FAILED, errno, "image %s: write to disk", name);
	if (is_replaced)
		remove_old_goldens(draft->store, name);
	event_thing(draft->store, EVENT_IMAGE, "import", name, NULL);
	return 0;
}

void image_draft_free(struct image_draft *draft)
{
	stor_cleanup_close(&draft->tree_fd);
	stor_cleanup_close(&draft->dir_fd);
	stor_cleanup_close(&draft->temp_fd);
	if (draft->temp)
		store_remove_temp(draft->store, draft->temp);
	free(draft->temp);
	record_free(&draft->record);
	*draft = (struct image_draft)IMAGE_DRAFT_INIT;
}

/* Opens and locks an image that nobody has open. Returns the descriptor, or -1 with err filled. */
static int lock_unused(struct store *store, const char *name, struct stor_err *err)
{
	int fd;

	if (!str_is_name(name))
		return err_fail(err, STOR_USAGE, 0, "\"%s\" is not the name of an image", name);
	fd = lock_folder(store, name, LOCK_EX);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return fail_not_found(store, name, err);
	if (errno != EWOULDBLOCK)
		return err_fail(err, STOR_FAILED, errno, "image %s: remove", name);
	err_fail(err, STOR_BUSY, 0, "image %s: remove: in use", name);
	err_hint(err, "a volume is being made of it, or it is being exported");
	return -1;
}

int image_remove_goldens(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_close int lock_fd = lock_unused(store, name, err);

	if (lock_fd < 0)
		return -1;
	if (golden_remove_of_folder(store, lock_fd, err) < 0)
		return err_context(err, "image %s: remove its golden volumes", name);
	return 0;
}

int image_remove(struct store *store, const char *name, struct stor_err *err)
{
	cleanup_free char *place = xasprintf("images/%s", name);
	cleanup_free char *temp = NULL, *grave = NULL;
	cleanup_close int lock_fd = lock_unused(store, name, err);

	if (lock_fd < 0)
		return -1;
	/* Before the image, so that a kill in between leaves none without its image. */
	if (golden_remove_of_folder(store, lock_fd, err) < 0)
		return err_context(err, "image %s: remove", name);
	temp = store_make_temp(store, err);
	if (!temp)
		return -1;
	/* Out of sight in one step; a removal that is killed is finished by the next sweep. */
	grave = xasprintf("%s/image", temp);
	if (renameat(store->fd, place, store->fd, grave) < 0) {
		int saved = errno;

		store_remove_temp(store, temp);
		return err_fail(err, STOR_FAILED, saved, "image %s: remove", name);
	}
	kill_point("image-removing");
	event_thing(store, EVENT_IMAGE, "delete", name, NULL);
	return fs_remove_tree(store->fd, temp, err);
}
