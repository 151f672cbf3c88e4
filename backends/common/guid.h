/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identifiers of 128 bits, as text "{8-4-4-4-12}" and as bytes of a partition table. */
#ifndef COMMON_GUID_H
#define COMMON_GUID_H

#include <stdbool.h>
#include <stdint.h>

#define GUID_TEXT_BYTES 39 /* with braces and terminator */

/* A random one (version 4), lower case with braces. 0, or -1 with errno. */
int guid_make(char text[GUID_TEXT_BYTES]);

/* Exactly "{8-4-4-4-12}", digits of either case. */
bool guid_is_valid(const char *text);

/* Without regard to case; both valid. */
bool guid_equal(const char *a, const char *b);

/* The bytes as a GPT stores them (the first three groups little endian); text must be valid. */
void guid_to_bytes(const char *text, uint8_t bytes[16]);

#endif
