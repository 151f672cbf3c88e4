/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bytes of an archive out of a file or pipe in any compression, checked to the file's end. */
#ifndef IMAGE_STREAM_H
#define IMAGE_STREAM_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <sys/types.h>
#include <zlib.h>

#include "modules/image/image_module.h"

struct archive;

#define STREAM_TAIL_SIZE 512

/* The caller sets the first five, and leaves the rest 0. */
struct stream {
	int fd;                             /* borrowed; it is read from where it stands */
	const struct image_import_req *req; /* asked whether the user interrupted */
	struct sha256_ctx *file_hash;       /* gets all that is read; NULL: none */
	struct sha256_ctx *content_hash;    /* gets all that comes out; NULL: none */
	uint64_t content_limit;             /* refuse to unpack more than this */

	uint64_t file_bytes, content_bytes; /* so far */
	/* Private. */
	unsigned char *in, *out;
	size_t head_bytes; /* of `in`, read when the compression was looked for */
	bool is_gzip, is_between_members;
	z_stream gzip;
	struct archive *other;                /* undoes every other compression */
	unsigned char tail[STREAM_TAIL_SIZE]; /* the last bytes that came out */
};

/* Look at the first bytes. The caller calls stream_free() after failure too. */
int stream_open(struct stream *stream, struct stor_err *err);

/* A read callback of libarchive, ctx is the stream: the next bytes of the archive, valid until the
 * next call; 0 at the end of an undamaged file; -1 with the reader's error set. */
ssize_t stream_read(struct archive *archive, void *ctx, const void **data);

/* Read what comes after the end of the archive, where the compression keeps its checksums. */
int stream_finish(struct stream *stream, struct stor_err *err);

/* Do the last bytes look like the end of an archive, which is a block of zeros? */
bool stream_ends_in_zeros(const struct stream *stream);

void stream_free(struct stream *stream);
#define cleanup_stream __attribute__((cleanup(stream_free)))

#endif
