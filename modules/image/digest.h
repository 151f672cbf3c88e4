/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 digests as container images name them: "sha256:" and 64 hexadecimal digits. */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>

/* "sha256:" + 64 + terminator. */
#define DIGEST_TEXT_MAX 72

/* Is it one, in lower case, so that it can be part of a path? */
bool digest_is_valid(const char *text);

/* The text of what was hashed; the context starts anew. */
void digest_finish(struct sha256_ctx *ctx, char text[DIGEST_TEXT_MAX]);

/* Digest of a piece of memory. */
void digest_of(const void *data, size_t size, char text[DIGEST_TEXT_MAX]);

#endif
