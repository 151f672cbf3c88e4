/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 digests: see digest.h. */
#include "modules/image/digest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/str.h"

bool digest_is_valid(const char *text)
{
	const char *digits = text + strlen("sha256:");

	return str_starts(text, "sha256:") && strlen(digits) == 64 &&
	       strspn(digits, "0123456789abcdef") == 64;
}

void digest_finish(struct sha256_ctx *ctx, char text[DIGEST_TEXT_MAX])
{
	uint8_t bytes[SHA256_DIGEST_SIZE];
	int used = snprintf(text, DIGEST_TEXT_MAX, "sha256:");

	sha256_digest(ctx, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		used += snprintf(text + used, DIGEST_TEXT_MAX - (size_t)used, "%02x", bytes[i]);
}

void digest_of(const void *data, size_t size, char text[DIGEST_TEXT_MAX])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, size, data);
	digest_finish(&ctx, text);
}
