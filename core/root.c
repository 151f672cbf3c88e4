/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A container's root: a named or foreign volume in place, or an ephemeral clone of an image's
 * golden volume. An overlay is composed by the container's first process, in its own mount
 * namespace; here its two volumes are attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/opts.h"
#include "core/golden.h"
#include "core/volume.h"

enum clone_choice { CLONE_AUTO, CLONE_OVERLAY, CLONE_DELTA, CLONE_REFLINK, CLONE_COPY };
#define CLONE_CHOICES 5

static const char *const clone_names[CLONE_CHOICES] = { "auto", "overlay", "delta", "reflink",
	                                                "copy" };

/* As the backend is asked for it; an overlay is core's own. */
static const enum stor_clone_mode clone_modes[CLONE_CHOICES] = {
	[CLONE_DELTA] = STOR_CLONE_DELTA,
	[CLONE_REFLINK] = STOR_CLONE_REFLINK,
	[CLONE_COPY] = STOR_CLONE_COPY,
};

const char *root_backend_name(const char *asked)
{
	const char *from_environment = secure_getenv("STOR_BACKEND");

	if (asked)
		return asked;
	return from_environment && *from_environment ? from_environment : "dir";
}

/* Takes core's own parameter, clone, out of the list that goes to the backend. */
static int split_params(const struct strv *given, struct strv *rest, enum clone_choice *choice,
                        struct stor_err *err)
{
	*choice = CLONE_AUTO;
	for (size_t i = 0; given && i < given->count; i++) {
		const char *item = given->items[i], *value = item + strlen("clone=");
		size_t n = 0;

		if (!str_starts(item, "clone=")) {
			strv_add(rest, item);
			continue;
		}
		while (n < CLONE_CHOICES && strcmp(value, clone_names[n]) != 0)
			n++;
		if (n == CLONE_CHOICES)
			return opts_fail_value("-o clone", value,
			                       "auto, overlay, delta, reflink or copy", err);
		*choice = (enum clone_choice)n;
	}
	return 0;
}

/*
 * What auto means: a delta where the backend's own format has them, for then every read and write
 * meets that format; else sharing blocks where the volume is an image in a file, and the store can
 * do it. For a tree of files it would take a call per file, and an overlay takes none.
 */
static enum clone_choice cheapest_clone(struct store *store, const struct backend *backend)
{
	if (!backend_can(backend, clone))
		return CLONE_OVERLAY;
	if (backend->ops.flags & STOR_BACKEND_DELTAS)
		return CLONE_DELTA;
	return backend->ops.fs_types && golden_can_reflink(store) ? CLONE_REFLINK : CLONE_OVERLAY;
}

static int choose_clone(struct store *store, const struct backend *backend,
                        enum clone_choice *choice, struct stor_err *err)
{
	if (*choice == CLONE_AUTO)
		*choice = cheapest_clone(store, backend);
	if (*choice != CLONE_OVERLAY && !backend_can(backend, clone)) {
		err_fail(err, STOR_UNSUPPORTED, 0, "backend \"%s\" cannot clone volumes",
		         backend->ops.name);
		err_hint(err, "-o clone=overlay works on every backend");
		return -1;
	}
	return 0;
}

/* --- an overlay's upper volume -------------------------------------------------------------- */

/* Copies one extended attribute of the root directory; those of an overlay stay below. */
static int copy_xattr(int from_fd, int to_fd, const char *name)
{
	char value[65536];
	ssize_t n;

	if (str_starts(name, "trusted.overlay."))
		return 0;
	n = fgetxattr(from_fd, name, value, sizeof(value));
	if (n < 0)
		return errno == ENODATA ? 0 : -1;
	/* A store on a filesystem without them loses none that the golden one could keep. */
	return fsetxattr(to_fd, name, value, (size_t)n, 0) < 0 && errno != EOPNOTSUPP ? -1 : 0;
}

/* Makes the container's / look like the image's: the upper directory stands for the merged one. */
static int copy_root_attributes(int from_fd, int to_fd)
{
	struct timespec times[2];
	char names[4096];
	struct stat st;
	ssize_t size;

	if (fstat(from_fd, &st) < 0 || fchown(to_fd, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to_fd, st.st_mode & 07777) < 0)
		return -1;
	size = flistxattr(from_fd, names, sizeof(names));
	if (size < 0 && errno != EOPNOTSUPP)
		return -1;
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (copy_xattr(from_fd, to_fd, name) < 0)
			return -1;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(to_fd, times);
}

static int make_upper_dirs(const struct root *root, struct stor_err *err)
{
	int fd = root->upper.root_fd;
	cleanup_close int upper_fd = -1;

	if ((mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0700) < 0) && errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "volume %s: make overlay directories",
		                root->upper_volume.name);
	upper_fd = openat(fd, "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper_fd < 0 || copy_root_attributes(root->base.root_fd, upper_fd) < 0)
		return err_fail(err, STOR_FAILED, errno, "volume %s: give / its attributes",
		                root->upper_volume.name);
	return 0;
}

/* --- the ephemeral volume ------------------------------------------------------------------- */

/* containers/ID/data, with the backend named in the record that is on disk. */
static int begin_ephemeral(struct store *store, const char *id, const struct backend *backend,
                           struct record *record, const struct strv *params, struct volume *volume,
                           struct stor_err *err)
{
	cleanup_free char *dir = xasprintf("containers/%s", id);
	cleanup_free char *data = xasprintf("%s/data", dir);
	cleanup_free char *path = xasprintf("%s/record", dir);
	const char *recorded = record_get(record, "backend");
	cleanup_record struct record changes = RECORD_INIT;

	volume_init(volume, store, VOLUME_EPHEMERAL, backend, id, dir, NULL);
	if (volume_set_params(volume, params, STOR_PARAM_CREATE | STOR_PARAM_ATTACH, err) < 0)
		return -1;
	if (!recorded || strcmp(recorded, backend->ops.name) != 0) {
		record_set(record, "backend", backend->ops.name);
		record_set(&changes, "backend", backend->ops.name);
		if (record_append(&changes, store->fd, path, err) < 0)
			return -1;
	}
	kill_point("root-recorded");
	return store_make_dir(store->fd, data, err);
}

static int attach_ephemeral(struct store *store, const struct volume *volume,
                            const struct root_opts *opts, struct attached *attached,
                            struct stor_err *err)
{
	struct attach_opts attach = ATTACH_OPTS_INIT;

	attach.ephemeral = opts->is_throwaway;
	return volume_attach(store, volume, &attach, attached, err);
}

/* An overlay: the golden volume, read-only, under an empty one. */
static int prepare_overlay(struct store *store, const char *id, const struct root_opts *opts,
                           const struct strv *params, struct root *root, struct record *record,
                           struct stor_err *err)
{
	struct stor_create_req req = { .flags = opts->is_throwaway ? STOR_CREATE_EPHEMERAL : 0,
		                       .size_bytes = opts->size_bytes,
		                       .source_fd = -1,
		                       .fs_type = opts->fs_type };
	const struct backend *backend = root->base_volume.backend;
	struct attach_opts read_only = ATTACH_OPTS_INIT;

	root->is_overlay = true;
	read_only.read_only = true;
	/* First: what the backend writes goes to the disk while the other one is attached. */
	if (begin_ephemeral(store, id, backend, record, params, &root->upper_volume, err) < 0 ||
	    backend_create(backend, &root->upper_volume.ref, &req, err) < 0)
		return -1;
	kill_point("root-created");
	if (volume_attach(store, &root->base_volume, &read_only, &root->base, err) < 0)
		return -1;
	kill_point("root-base");
	if (attach_ephemeral(store, &root->upper_volume, opts, &root->upper, err) < 0)
		return -1;
	kill_point("root-upper");
	return make_upper_dirs(root, err);
}

/* A clone by the backend itself. root->base_volume is the golden volume, and then the clone. */
static int prepare_clone(struct store *store, const char *id, const struct root_opts *opts,
                         enum clone_choice choice, const struct strv *params, struct root *root,
                         struct record *record, struct stor_err *err)
{
	cleanup_volume struct volume golden = root->base_volume;
	struct stor_clone_req req = { .source = &golden.ref,
		                      .mode = clone_modes[choice],
		                      .flags = opts->is_throwaway ? STOR_CREATE_EPHEMERAL : 0 };

	root->base_volume = (struct volume)VOLUME_INIT;
	if (begin_ephemeral(store, id, golden.backend, record, params, &root->base_volume, err) <
	            0 ||
	    backend_clone(golden.backend, &root->base_volume.ref, &req, err) < 0)
		return -1;
	kill_point("root-cloned");
	return attach_ephemeral(store, &root->base_volume, opts, &root->base, err);
}

static int prepare_from_image(struct store *store, const char *id, const struct root_opts *opts,
                              struct root *root, struct record *record, struct stor_err *err)
{
	const struct backend *backend = backend_load(root_backend_name(opts->backend), err);
	cleanup_strv struct strv params = STRV_INIT;
	cleanup_image struct image own_image = IMAGE_INIT;
	const struct image *image;
	struct golden_opts golden = { .backend = backend,
		                      .params = &params,
		                      .fs_type = opts->fs_type };
	enum clone_choice choice;

	if (!backend || split_params(opts->params, &params, &choice, err) < 0 ||
	    choose_clone(store, backend, &choice, err) < 0)
		return -1;
	/* Over an overlay's base the size is that of what is written; it is the same base for all.
	 */
	golden.size_bytes = choice == CLONE_OVERLAY ? 0 : opts->size_bytes;
	if (!opts->image && image_open(store, IMAGE_BUILTIN, &own_image, err) < 0)
		return -1;
	image = opts->image ? opts->image : &own_image;
	if (golden_open(store, image, &golden, &root->base_volume, err) < 0)
		return -1;
	root->is_ephemeral = true;
	root->clone_mode = clone_names[choice];
	record_set(record, "volume.clone", root->clone_mode);
	record_set(record, "volume.image-id", image->id);
	/* These need their golden volume for as long as they live. */
	if (choice == CLONE_OVERLAY || choice == CLONE_DELTA)
		record_set(record, "volume.golden", root->base_volume.name);
	params_save(&root->base_volume.params, backend, record);
	return choice == CLONE_OVERLAY
	               ? prepare_overlay(store, id, opts, &params, root, record, err)
	               : prepare_clone(store, id, opts, choice, &params, root, record, err);
}

/* A named or foreign volume, in place. */
static int prepare_in_place(struct store *store, const char *id, const struct root_opts *opts,
                            struct root *root, struct record *record, struct stor_err *err)
{
	const char *name = record_get(record, "name");
	cleanup_free char *user = xasprintf("container %s", name ? name : id);
	struct attach_opts attach = ATTACH_OPTS_INIT;

	if (opts->size_bytes) {
		err_fail(err, STOR_USAGE, 0, "volume %s: runs in place, as it was made",
		         opts->root);
		err_hint(err, "stor volume resize changes its size");
		return -1;
	}
	if (volume_find(store, opts->root, opts->backend, opts->params, &root->base_volume, err) <
	    0)
		return -1;
	attach.read_only = opts->read_only;
	attach.fs_type = opts->fs_type;
	attach.user = user;
	root->clone_mode = "in place";
	record_set(record, "backend", root->base_volume.backend->ops.name);
	record_set(record, "volume.clone", root->clone_mode);
	record_set(record, "volume.root",
	           root->base_volume.dir ? root->base_volume.name : root->base_volume.path);
	return volume_attach(store, &root->base_volume, &attach, &root->base, err);
}

int root_prepare(struct store *store, const char *id, const struct root_opts *opts,
                 struct root *root, struct record *record, struct stor_err *err)
{
	int result;

	*root = (struct root){ .base = ATTACHED_INIT, .upper = ATTACHED_INIT };
	if (opts->root && opts->image)
		return err_fail(err, STOR_USAGE, 0, "--root and --image exclude each other");
	result = opts->root ? prepare_in_place(store, id, opts, root, record, err)
	                    : prepare_from_image(store, id, opts, root, record, err);
	if (result < 0) {
		struct stor_err ignored = STOR_ERR_INIT;

		root_release(root, true, &ignored);
	}
	return result;
}

/* --- the end ------------------------------------------------------------------------------ */

/* Removes the ephemeral volume. What cannot be removed is left to container_end() and the sweep.
 * The folder of one into which no container could write itself stays, empty, for container_end().
 */
static int destroy_ephemeral(struct volume *volume, bool keep_folder, struct stor_err *err)
{
	if (backend_destroy(volume->backend, &volume->ref, err) < 0)
		return err_context(err, "container %s: remove its volume", volume->name);
	return keep_folder ? 0 : fs_remove_tree(AT_FDCWD, volume->path, err);
}

int root_release(struct root *root, bool destroy, struct stor_err *err)
{
	struct volume *own = root->is_overlay ? &root->upper_volume : &root->base_volume;
	bool discard = destroy && root->is_ephemeral;
	struct stor_err later = STOR_ERR_INIT;
	int result = 0;

	if (root->is_overlay && volume_release(&root->upper, discard, err) < 0)
		result = -1;
	if (root->base.volume &&
	    volume_release(&root->base, discard && !root->is_overlay, result ? &later : err) < 0)
		result = -1;
	if (discard && !result && own->backend && own->kind == VOLUME_EPHEMERAL)
		result = destroy_ephemeral(own, root->is_overlay, err);
	volume_free(&root->upper_volume);
	volume_free(&root->base_volume);
	return result;
}
