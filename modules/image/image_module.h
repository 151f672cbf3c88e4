/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The internal module "image": what core/cmd_image_*.c call in it after module_load_internal(). */
#ifndef IMAGE_MODULE_H
#define IMAGE_MODULE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "core/base/record.h"

/* Device nodes in an image are dead anyway: every root is mounted nodev. */
enum image_devices { IMAGE_DEVICES_KEEP, IMAGE_DEVICES_SKIP, IMAGE_DEVICES_REFUSE };

/* Called every few MiB and every few entries. total 0: not known. Returns -1 with err filled when
 * the user interrupted. */
typedef int (*image_progress_fn)(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                                 struct stor_err *err);

struct image_import_req {
	int source_fd;      /* the directory, or an archive opened for reading, perhaps a pipe */
	const char *source; /* its name, for messages */
	int work_fd;        /* a folder below the store with an empty folder "rootfs" in it; what
	                       else is made in it, the caller removes with it */
	enum image_devices devices;
	/* Refuse an image with more than this in its files, holes counted; and with more entries.
	 */
	uint64_t limit_bytes, limit_entries;
	const char *platform; /* "linux/amd64", "linux/arm/v7" */
	const char *ref;      /* which image of several: a tag or a digest; NULL: the only one */
	image_progress_fn progress;
	/* Gets kind, entries, bytes and config.* as core/image.h lists them. */
	struct record *record;
};

struct image_export_req {
	/* What is written: a directory, opened for reading, with all below it; a regular file, too;
	 * or, when name is set, the entry of that name in the directory tree_fd (links are not
	 * followed). */
	int tree_fd;
	const char *name;
	const char *as;    /* its path in the archive; NULL: the root */
	bool skips_kernel; /* directories that the kernel makes up (/proc, /sys) are empty */
	int out_fd;
	const char *out;         /* its name, for messages */
	const char *compression; /* "none", "gzip", "zstd", "xz" */
	image_progress_fn progress;
	uint64_t total_bytes; /* about what there is to write; 0: not known */
};

/* An archive that goes into a directory where somebody may be at work. */
struct image_unpack_req {
	int source_fd;      /* opened for reading, perhaps a pipe */
	const char *source; /* its name, for messages */
	int dir_fd; /* nothing happens outside of it, whatever links are or come to be in it */
	bool keeps_owner; /* else all belongs to uid and gid, and has no set-id bits nor privileges
	                   */
	uid_t uid;
	gid_t gid;
	enum image_devices devices;
	image_progress_fn progress;
};

/* Exported as stor_internal_image. */
struct stor_internal_image {
	const char *version;
	/* Fill rootfs from the source, whatever kind of source it turns out to be. */
	int (*import)(const struct image_import_req *req, struct stor_err *err);
	/* Write the tree as a pax archive, its entries in order of their names. */
	int (*export)(const struct image_export_req *req, struct stor_err *err);
	/* Unpack an archive. A directory is neither replaced nor replaces something, and the
	 * archive's root changes nothing of dir_fd. */
	int (*unpack)(const struct image_unpack_req *req, struct stor_err *err);
};

#endif
