/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layers of container images: tar archives whose entries change a tree, and whose whiteouts take
 * from it what lower layers brought. */
#ifndef IMAGE_LAYER_H
#define IMAGE_LAYER_H

#include "modules/image/tree.h"

struct layer {
	int fd;           /* the file, plain or compressed */
	const char *name; /* for messages */
	/* What the file, and what the archive in it, must hash to; NULL: unchecked. */
	const char *digest, *diff_id;
	bool is_lowest; /* there is nothing below that whiteouts could remove */
};

/* Apply one layer to the tree. Its digests are known only when all of it was read: the tree is
 * worthless when this fails. */
int layer_apply(const struct layer *layer, struct tree *tree, struct stor_err *err);

#endif
