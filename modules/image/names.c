/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that strangers wrote: see names.h. */
#include "modules/image/names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/str.h"

char *names_normalise(const char *path, const char **why)
{
	char *out = xmalloc(strlen(path) + 1);
	size_t used = 0;
	unsigned depth = 0;

	for (const char *at = path; *at;) {
		size_t length = strcspn(at, "/");

		if (length == 2 && at[0] == '.' && at[1] == '.') {
			*why = "its name leads out of the image by \"..\"";
			free(out);
			return NULL;
		}
		if (length > NAME_MAX) {
			*why = "a name in it is longer than 255 bytes";
			free(out);
			return NULL;
		}
		if (length && !(length == 1 && at[0] == '.')) {
			if (++depth > NAMES_DEPTH_MAX) {
				*why = "directories are nested too deeply";
				free(out);
				return NULL;
			}
			if (used)
				out[used++] = '/';
			memcpy(out + used, at, length);
			used += length;
		}
		at += length;
		at += strspn(at, "/");
	}
	out[used] = '\0';
	return out;
}

const char *names_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

enum whiteout names_whiteout(const char *base, const char **victim)
{
	if (!str_starts(base, ".wh."))
		return WHITEOUT_NONE;
	if (!strcmp(base, ".wh..wh..opq"))
		return WHITEOUT_OPAQUE;
	base += strlen(".wh.");
	if (str_starts(base, ".wh."))
		return WHITEOUT_OTHER;
	if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
		return WHITEOUT_BAD;
	*victim = base;
	return WHITEOUT_ONE;
}

const char *names_shown(const char *path, char buf[NAMES_SHOWN_MAX])
{
	size_t length = strlen(path), half = (NAMES_SHOWN_MAX - 4) / 2, used = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)path[i];

		if (length >= NAMES_SHOWN_MAX && i == half) {
			memcpy(buf + used, "...", 3);
			used += 3;
			i = length - half;
			c = (unsigned char)path[i];
		}
		/* Only ASCII is surely harmless when a name is cut or badly encoded. */
		buf[used++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
	}
	buf[used] = '\0';
	return buf;
}
