/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image files as wholes: made, and changed in their format. */
#ifndef PLOOP_IMAGE_H
#define PLOOP_IMAGE_H

#include <stdbool.h>

#include <stor/backend.h>

#include "ploop/file.h"
#include "ploop/format.h"

/* Make a new, empty expandable image, durable but for its name. It must not exist. */
int ploop_image_create(struct ploop_dir *dir, const char *name, unsigned version,
                       uint32_t cluster_sectors, uint64_t sectors, struct stor_err *err);

/* Make a new raw file that reads as zeros. */
int ploop_image_create_raw(struct ploop_dir *dir, const char *name, uint64_t sectors,
                           struct stor_err *err);

/* The header of an image; *why: what is wrong with it, or NULL. Returns 0, or a negative errno
 * value when it cannot be read. */
int ploop_image_examine_header(struct ploop_file *file, struct ploop_header *header,
                               const char **why);

/* The same for who need not know why. False: it cannot be read, or is none. */
bool ploop_image_read_header(struct ploop_file *file, struct ploop_header *header);

#endif
