/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decompression in front of the reader of archives: see stream.h. gzip is undone here, by zlib:
 * libarchive skips the checksum and the length at its end, so damage in it would go unseen. All
 * other compressions are libarchive's, which checks what they have.
 */
#include "modules/image/stream.h"

#include <archive.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/image/archive.h"

#define IN_SIZE (256u << 10)
#define OUT_SIZE (256u << 10)

/* How often a silent pipe is asked for, when a signal came just before the wait. */
#define WAIT_MS 500

/* Identification and compression method (RFC 1952): what a gzip file begins with. */
static const unsigned char gzip_magic[3] = { 0x1f, 0x8b, 8 };

/* --- the file ----------------------------------------------------------------------------- */

/* Waits until there is something to read. A pipe may stay silent for as long as somebody likes, and
 * reading goes on after a signal; so the user's interruption is looked for here. */
static int wait_for_input(struct stream *stream)
{
	struct stor_err unused = STOR_ERR_INIT;
	struct pollfd pollfd = { .fd = stream->fd, .events = POLLIN };

	for (;;) {
		int result = poll(&pollfd, 1, WAIT_MS);

		if (result > 0)
			return 0;
		if (result < 0 && errno != EINTR)
			return -1;
		if (stream->req->progress("unpacking", stream->file_bytes, 0, &unused) < 0) {
			errno = ECANCELED;
			return -1;
		}
	}
}

/* Reads up to `room` bytes. 0: the end; -1 with errno, ECANCELED when the user interrupted. */
static ssize_t read_some(struct stream *stream, void *into, size_t room)
{
	ssize_t n;

	if (wait_for_input(stream) < 0)
		return -1;
	do
		n = read(stream->fd, into, room);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n;
	if (stream->file_hash)
		sha256_update(stream->file_hash, (size_t)n, into);
	stream->file_bytes += (uint64_t)n;
	return n;
}

static ssize_t read_file(struct archive *archive, void *ctx, const void **data)
{
	struct stream *stream = ctx;
	ssize_t n = (ssize_t)stream->head_bytes;

	*data = stream->in;
	stream->head_bytes = 0;
	if (!n)
		n = read_some(stream, stream->in, IN_SIZE);
	if (n < 0)
		archive_set_error(archive, errno, "%s",
		                  errno == ECANCELED ? "interrupted" : strerror(errno));
	return n;
}

/* --- gzip --------------------------------------------------------------------------------- */

static ssize_t fail_gzip(struct archive *archive, const char *why)
{
	archive_set_error(archive, EINVAL, "damaged gzip data: %s", why);
	return -1;
}

/* Gives zlib more of the file. 0: its end; -1: failed. */
static ssize_t refill(struct stream *stream, struct archive *archive)
{
	const void *data;
	ssize_t n;

	if (stream->gzip.avail_in)
		return 1;
	n = read_file(archive, stream, &data);
	if (n > 0) {
		stream->gzip.next_in = stream->in;
		stream->gzip.avail_in = (uInt)n;
	}
	return n;
}

/* After one member comes another, or nothing but padding. 1: another; 0: the end; -1: failed. */
static ssize_t next_member(struct stream *stream, struct archive *archive)
{
	for (bool is_padded = false;; is_padded = true) {
		ssize_t n = refill(stream, archive);

		if (n <= 0)
			return n;
		if (*stream->gzip.next_in) {
			if (is_padded || *stream->gzip.next_in != gzip_magic[0])
				return fail_gzip(archive, "something else follows its end");
			stream->is_between_members = false;
			inflateReset(&stream->gzip);
			return 1;
		}
		while (stream->gzip.avail_in && !*stream->gzip.next_in) {
			stream->gzip.next_in++;
			stream->gzip.avail_in--;
		}
	}
}

static ssize_t inflate_some(struct stream *stream, struct archive *archive, const void **data)
{
	z_stream *gzip = &stream->gzip;

	gzip->next_out = stream->out;
	gzip->avail_out = OUT_SIZE;
	*data = stream->out;
	while (gzip->avail_out == OUT_SIZE) {
		ssize_t n = stream->is_between_members ? next_member(stream, archive)
		                                       : refill(stream, archive);
		int result;

		if (n < 0)
			return -1;
		if (!n)
			return stream->is_between_members ? 0 : fail_gzip(archive, "truncated");
		result = inflate(gzip, Z_NO_FLUSH);
		if (result == Z_STREAM_END)
			stream->is_between_members = true;
		else if (result != Z_OK && result != Z_BUF_ERROR)
			return fail_gzip(archive, gzip->msg ? gzip->msg : "unreadable");
	}
	return (ssize_t)(OUT_SIZE - gzip->avail_out);
}

/* --- the whole ---------------------------------------------------------------------------- */

static int open_other(struct stream *stream, struct stor_err *err)
{
	struct archive_entry *entry;

	stream->other = archive_new_reader();
	archive_read_support_format_raw(stream->other);
	if (archive_read_open(stream->other, stream, NULL, read_file, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(stream->other, &entry) != ARCHIVE_OK)
		return archive_fail(stream->other, "open", err);
	return 0;
}

int stream_open(struct stream *stream, struct stor_err *err)
{
	stream->in = xmalloc(IN_SIZE);
	/* A pipe may bring them one by one. */
	while (stream->head_bytes < sizeof(gzip_magic)) {
		ssize_t n = read_some(stream, stream->in + stream->head_bytes,
		                      IN_SIZE - stream->head_bytes);

		if (n < 0 && errno == ECANCELED)
			return err_fail(err, STOR_FAILED, 0, "interrupted");
		if (n < 0)
			return err_fail(err, STOR_FAILED, errno, "read");
		if (!n)
			break;
		stream->head_bytes += (size_t)n;
	}
	if (!stream->head_bytes)
		return err_fail(err, STOR_FAILED, 0, "it is empty");
	if (stream->head_bytes < sizeof(gzip_magic) ||
	    memcmp(stream->in, gzip_magic, sizeof(gzip_magic)) != 0)
		return open_other(stream, err);
	/* 16: expect the header and the trailer of gzip, and check them. */
	if (inflateInit2(&stream->gzip, MAX_WBITS + 16) != Z_OK)
		return err_fail(err, STOR_FAILED, ENOMEM, "open");
	stream->is_gzip = true;
	stream->out = xmalloc(OUT_SIZE);
	return 0;
}

static ssize_t read_other(struct stream *stream, struct archive *archive, const void **data)
{
	la_int64_t offset;
	size_t size;
	int result;

	do
		result = archive_read_data_block(stream->other, data, &size, &offset);
	while (result == ARCHIVE_OK && !size);
	if (result == ARCHIVE_EOF)
		return 0;
	if (result == ARCHIVE_OK)
		return (ssize_t)size;
	if (archive != stream->other)
		archive_copy_error(archive, stream->other);
	return -1;
}

static void keep_tail(struct stream *stream, const unsigned char *data, size_t size)
{
	size_t kept = size < STREAM_TAIL_SIZE ? STREAM_TAIL_SIZE - size : 0;

	memmove(stream->tail, stream->tail + STREAM_TAIL_SIZE - kept, kept);
	memcpy(stream->tail + kept, data + size - (STREAM_TAIL_SIZE - kept),
	       STREAM_TAIL_SIZE - kept);
}

ssize_t stream_read(struct archive *archive, void *ctx, const void **data)
{
	struct stream *stream = ctx;
	ssize_t n = stream->is_gzip ? inflate_some(stream, archive, data)
	                            : read_other(stream, archive, data);

	if (n <= 0)
		return n;
	stream->content_bytes += (uint64_t)n;
	if (stream->content_bytes > stream->content_limit) {
		archive_set_error(archive, EFBIG, "it unpacks to more than %llu bytes",
		                  (unsigned long long)stream->content_limit);
		return -1;
	}
	if (stream->content_hash)
		sha256_update(stream->content_hash, (size_t)n, *data);
	keep_tail(stream, *data, (size_t)n);
	return n;
}

int stream_finish(struct stream *stream, struct stor_err *err)
{
	/* Something to keep an error in. */
	struct archive *errors = archive_new_reader();
	const void *data;
	ssize_t n;
	int result = 0;

	while ((n = stream_read(errors, stream, &data)) > 0)
		;
	/* What follows the end of the compressed data belongs to the file as well. */
	while (!n && (n = read_file(errors, stream, &data)) > 0)
		n = 0;
	if (n < 0)
		result = archive_fail(errors, "read to its end", err);
	archive_read_free(errors);
	return result;
}

bool stream_ends_in_zeros(const struct stream *stream)
{
	static const unsigned char zeros[STREAM_TAIL_SIZE];

	return stream->content_bytes >= STREAM_TAIL_SIZE &&
	       !memcmp(stream->tail, zeros, STREAM_TAIL_SIZE);
}

void stream_free(struct stream *stream)
{
	if (stream->is_gzip)
		inflateEnd(&stream->gzip);
	archive_read_free(stream->other);
	free(stream->in);
	free(stream->out);
}
