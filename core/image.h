/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images: backend-neutral content of a root filesystem, kept unpacked in STORE/images/NAME/rootfs
 * beside a record of what it came from and how it wants to be run. Importing and exporting, which
 * need libarchive and json-c, are in modules/image; this file finds and lists.
 */
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include "core/base/record.h"
#include "core/store.h"

/* The built-in image: busybox, made at first use from the machine's static busybox. */
#define IMAGE_BUILTIN "busybox"

struct image {
	char *name;
	char *id;        /* 12 hexadecimal digits, new for every import */
	char *tree_path; /* absolute path of rootfs/ */
	int tree_fd;     /* opened for reading */
	int lock_fd;     /* shared flock on the image's folder: it cannot be removed while open */
	struct record record; /* id, created, source, entries, bytes; config.env (several),
	                         config.cmd (several), config.entrypoint (several), config.workdir,
	                         config.user, config.label (several, KEY=VALUE),
	                         config.stop-signal, config.arch */
};

#define IMAGE_INIT                                                                                 \
	{                                                                                          \
		.tree_fd = -1, .lock_fd = -1                                                       \
	}

/* The store is open. STOR_NOT_FOUND with the known names as hint. The built-in one is made when it
 * is missing. On failure nothing is held. */
int image_open(struct store *store, const char *name, struct image *image, struct stor_err *err);
void image_close(struct image *image);
#define cleanup_image __attribute__((cleanup(image_close)))

/* Names of all images, sorted. The built-in one is among them once it was made. */
int image_names(struct store *store, struct strv *names, struct stor_err *err);

/* --- making and removing ------------------------------------------------------------------ */

/* An image that is being made, in a folder of its own below STORE/tmp. */
struct image_draft {
	struct store *store;
	char *temp; /* path below STORE; holds image/{record,rootfs/} and whatever the maker needs
	             */
	int temp_fd;
	int dir_fd;           /* temp/image */
	int tree_fd;          /* temp/image/rootfs: empty, mode 0755 */
	struct record record; /* id and created are there; the maker adds the rest */
};

#define IMAGE_DRAFT_INIT                                                                           \
	{                                                                                          \
		.temp_fd = -1, .dir_fd = -1, .tree_fd = -1                                         \
	}

/* STOR_USAGE for what is no name. */
int image_draft_begin(struct store *store, const char *name, struct image_draft *draft,
                      struct stor_err *err);

/* Report that there is an image of that name: STOR_BUSY. Always -1. */
int image_fail_taken(const char *name, struct stor_err *err);

/* Write the record, make all of it durable and give it its name in one step. An image of that name
 * stays and STOR_BUSY is reported, unless replace: then it goes (STOR_BUSY: it is in use). */
int image_draft_finish(struct image_draft *draft, const char *name, bool replace,
                       struct stor_err *err);

/* Removes whatever is left of the draft. */
void image_draft_free(struct image_draft *draft);
#define cleanup_image_draft __attribute__((cleanup(image_draft_free)))

/* STOR_NOT_FOUND; STOR_BUSY: somebody holds it open. A damaged image can be removed too. */
int image_remove(struct store *store, const char *name, struct stor_err *err);

/* Remove the golden volumes that were made of an image, and keep the image. STOR_BUSY as
 * image_remove(), and when a container is based on one: then all of them stay. */
int image_remove_goldens(struct store *store, const char *name, struct stor_err *err);

/* Fill the built-in image from the machine's static busybox (STOR_BUSYBOX, else /bin/busybox).
 * STOR_UNSUPPORTED, with the remedy, where there is none. */
int image_builtin_fill(struct image_draft *draft, struct stor_err *err);

/* The machine as OCI calls it: "amd64", "arm64", …. Static, or the kernel's own word. */
const char *image_machine_arch(void);

#endif
