/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that strangers wrote: paths in archives, and whiteouts in layers. Pure functions. */
#ifndef IMAGE_NAMES_H
#define IMAGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* How many directories may lie below one another: whoever walks a tree later holds a descriptor or
 * two for each level. */
#define NAMES_DEPTH_MAX 256

/*
 * The path of an archive's entry as a path below the root: no leading or doubled slash, no "."
 * component; "" is the root itself. malloc'ed. NULL, with a reason in *why, for one that has a ".."
 * component, a component of more than 255 bytes, or more than NAMES_DEPTH_MAX components.
 */
char *names_normalise(const char *path, const char **why);

/* Last component of a normalised path. */
const char *names_base(const char *path);

enum whiteout {
	WHITEOUT_NONE,   /* an ordinary name */
	WHITEOUT_ONE,    /* .wh.NAME: *victim names the sibling that is removed */
	WHITEOUT_OPAQUE, /* .wh..wh..opq: what lower layers have in this directory is removed */
	WHITEOUT_OTHER,  /* .wh..wh.*: left over by aufs; means nothing */
	WHITEOUT_BAD,    /* .wh. followed by nothing, "." or ".." */
};

/* What the last component of a normalised path means in a layer. */
enum whiteout names_whiteout(const char *base, const char **victim);

/* The path made fit for a terminal: whatever is not printable ASCII becomes '?'; long
 * ones are cut in the middle. Returns buf. */
#define NAMES_SHOWN_MAX 200
const char *names_shown(const char *path, char buf[NAMES_SHOWN_MAX]);

#endif
