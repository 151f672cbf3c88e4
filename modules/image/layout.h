/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Container images in a directory: an OCI layout, or an unpacked archive of docker save. */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include "modules/image/tree.h"

enum layout_kind { LAYOUT_NONE, LAYOUT_OCI, LAYOUT_DOCKER };

/* What a directory holds. LAYOUT_NONE: a root filesystem, presumably. */
enum layout_kind layout_detect(int dir_fd);

/* Fill the tree from the image that the request chooses; its configuration goes to the record. */
int layout_import(int dir_fd, enum layout_kind kind, struct tree *tree, struct stor_err *err);

#endif
