/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See detach_keys.h. */
#include "core/detach_keys.h"

#include <ctype.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/opts.h"
#include "core/base/str.h"

/* "ctrl-X", or one character. -1: it is neither. */
static int parse_key(const char *word)
{
	int letter;

	if (strlen(word) == 1)
		return (unsigned char)*word;
	if (!str_starts(word, "ctrl-") || strlen(word) != 6)
		return -1;
	letter = toupper((unsigned char)word[5]);
	return letter >= '@' && letter <= '_' ? letter - '@' : -1;
}

int detach_keys_parse(struct detach_keys *keys, const char *text, struct stor_err *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *rest = copy, *word;

	keys->count = keys->matched = 0;
	while (*text && (word = strsep(&rest, ","))) {
		int key = parse_key(word);

		if (key < 0 || keys->count == DETACH_KEYS_MAX)
			return opts_fail_value("--detach-keys", text,
			                       "a list like ctrl-p,ctrl-q, or empty", err);
		keys->keys[keys->count++] = (char)key;
	}
	return 0;
}

/* How many of the keys end what was typed, after this byte did not go on with them? */
static size_t rematch(const struct detach_keys *keys, size_t matched, char byte)
{
	char typed[DETACH_KEYS_MAX + 1];

	memcpy(typed, keys->keys, matched);
	typed[matched++] = byte;
	for (size_t length = matched - 1; length > 0; length--)
		if (!memcmp(keys->keys, typed + matched - length, length))
			return length;
	return 0;
}

size_t detach_keys_filter(struct detach_keys *keys, const char *typed, size_t size, char *out,
                          bool *is_detached)
{
	size_t count = 0;

	*is_detached = false;
	for (size_t i = 0; i < size; i++) {
		char held[DETACH_KEYS_MAX + 1];
		size_t kept;

		if (keys->matched < keys->count && typed[i] == keys->keys[keys->matched]) {
			if (++keys->matched < keys->count)
				continue;
			*is_detached = true;
			return count;
		}
		/* What was held back goes on, but for what may still be a beginning. */
		memcpy(held, keys->keys, keys->matched);
		held[keys->matched] = typed[i];
		kept = keys->count ? rematch(keys, keys->matched, typed[i]) : 0;
		memcpy(out + count, held, keys->matched + 1 - kept);
		count += keys->matched + 1 - kept;
		keys->matched = kept;
	}
	return count;
}
