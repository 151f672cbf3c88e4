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

/* STOR_NOT_FOUND with the known names as hint. The built-in one is made when it is missing. */
int image_open(struct store *store, const char *name, struct image *image, struct stor_err *err);
void image_close(struct image *image);
#define cleanup_image __attribute__((cleanup(image_close)))

#endif
