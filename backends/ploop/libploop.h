/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libploop, the library of `ploop`, at work on the files of a stopped disk, and making the devices
 * of the kernel's driver. It is loaded and called in a child process that ends with the call: it
 * logs into files, keeps state, reads beyond the end of short strings and divides by numbers that a
 * descriptor may lack. So what it is given has been read and validated, and whatever becomes of it,
 * stor goes on.
 */
#ifndef PLOOP_LIBPLOOP_H
#define PLOOP_LIBPLOOP_H

#include <stdint.h>

#include <stor/backend.h>

enum libploop_op {
	LIBPLOOP_FIND,   /* only load it */
	LIBPLOOP_CREATE, /* an image and its descriptor; name, sectors, cluster, layout, version */
	LIBPLOOP_SNAPSHOT, /* the live state becomes `guid` */
	LIBPLOOP_SWITCH,   /* a new live state on `guid` */
	LIBPLOOP_DELETE,   /* the state `guid` */
	LIBPLOOP_MERGE,    /* the state `guid` takes over its parent */
	LIBPLOOP_VERSION,  /* all images get `version` */
	LIBPLOOP_LAYOUT,   /* the base gets `layout` */
	LIBPLOOP_CHECK,    /* the image `name`, without writing */
	LIBPLOOP_MOUNT,    /* the live state becomes a block device that bears `cookie` */
	LIBPLOOP_UMOUNT,   /* take `device` down */
};

/* As libploop counts them. */
enum libploop_layout { LIBPLOOP_EXPANDABLE, LIBPLOOP_PREALLOCATED, LIBPLOOP_RAW };

struct libploop_job {
	enum libploop_op op;
	int dir_fd; /* the disk's folder */
	const char *name, *guid, *cookie, *device;
	uint64_t sectors;
	uint32_t cluster_sectors;
	unsigned version;
	enum libploop_layout layout;
};

enum libploop_result { LIBPLOOP_ABSENT, LIBPLOOP_DONE, LIBPLOOP_REFUSED };

struct libploop_answer {
	enum libploop_result result;
	int code;       /* of libploop, when it refused */
	char text[512]; /* why it refused, or cannot be loaded; its file when it was only found */
};

/* Do it. 0 with *answer filled, or -1 with err filled when the child crashed or could not be run.
 */
int libploop_run(const struct libploop_job *job, struct libploop_answer *answer,
                 struct stor_err *err);

/* The class of its refusal. */
enum stor_status libploop_status(const struct libploop_answer *answer);

/* Fill err by an answer that is a refusal, or that there is no libploop. Returns -1. */
int libploop_fail(const struct libploop_answer *answer, const char *what, struct stor_err *err);

#endif
