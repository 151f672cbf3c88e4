/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Golden volumes: the content of an image on a backend, made at first use and shared by all clones.
 * Their folder's name, KEY, is IMAGEID-BACKEND-HASH, where HASH stands for everything else that the
 * volume was made with: so a start finds the right one, or none, with one system call.
 */
#ifndef CORE_GOLDEN_H
#define CORE_GOLDEN_H

#include "core/image.h"
#include "core/volume.h"

struct golden_opts {
	const struct backend *backend;
	const struct strv *params; /* KEY=VALUE, for the backend */
	uint64_t size_bytes;       /* 0: the backend's default */
	const char *fs_type;
};

/* Find the golden volume of an image, or make it; two that race make it once. The image stays open
 * until the volume is attached, so that it is not removed meanwhile. */
int golden_open(struct store *store, const struct image *image, const struct golden_opts *opts,
                struct volume *volume, struct stor_err *err);

/* Keys of all golden volumes, sorted. */
int golden_list(struct store *store, struct strv *keys, struct stor_err *err);

/* The golden volume with this key, for looking at. */
int golden_find(struct store *store, const char *key, struct volume *volume, struct stor_err *err);

/* Remove the golden volumes of an image, before the image itself goes. STOR_BUSY, naming the
 * container, when one is the base of a container, running or stopped. */
int golden_remove_of_image(struct store *store, const char *image_id, struct stor_err *err);

/* The same for the image whose folder is image_fd. One without a readable record has none. */
int golden_remove_of_folder(struct store *store, int image_fd, struct stor_err *err);

/* Remove the golden volumes whose image does not exist any more and that no container is based on.
 * For sweep.c. */
int golden_sweep(struct store *store, const struct sweep_opts *opts, struct stor_err *err);

/* Can files of the store share blocks (FICLONE)? Tried once, and remembered in the store. */
bool golden_can_reflink(struct store *store);

#endif
