/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/guid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

int guid_make(char text[GUID_TEXT_BYTES])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) {
		errno = EIO;
		return -1;
	}
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(text, GUID_TEXT_BYTES,
	         "{%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x}", b[0],
	         b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
	         b[14], b[15]);
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool guid_is_valid(const char *text)
{
	static const char shape[] = "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}";

	for (unsigned i = 0; i < sizeof(shape); i++)
		if (shape[i] == 'x' ? hex_digit(text[i]) < 0 : text[i] != shape[i])
			return false;
	return true;
}

bool guid_equal(const char *a, const char *b)
{
	return !strcasecmp(a, b);
}

void guid_to_bytes(const char *text, uint8_t bytes[16])
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	unsigned n = 0;

	for (const char *at = text + 1; *at != '}'; at += 2) {
		if (*at == '-')
			at++;
		bytes[order[n++]] =
			(uint8_t)((unsigned)hex_digit(at[0]) << 4 | (unsigned)hex_digit(at[1]));
	}
}
