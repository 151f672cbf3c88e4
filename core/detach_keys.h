/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys that detach from a container: found in what is typed, piece by piece. */
#ifndef CORE_DETACH_KEYS_H
#define CORE_DETACH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"

#define DETACH_KEYS_MAX 16

struct detach_keys {
	char keys[DETACH_KEYS_MAX];
	size_t count;   /* 0: there are none */
	size_t matched; /* so many of them were typed last, and are held back */
};

/* ctrl-p,ctrl-q */
#define DETACH_KEYS_INIT                                                                           \
	{                                                                                          \
		.keys = { 16, 17 }, .count = 2                                                     \
	}

/* "ctrl-p,ctrl-q", "ctrl-@,x"; "" for none. STOR_USAGE. */
int detach_keys_parse(struct detach_keys *keys, const char *text, struct stor_err *err);

/*
 * What is to be handed on of `size` typed bytes goes to `out` (room for size + DETACH_KEYS_MAX).
 * Returns how many; *is_detached when the keys were all typed: what follows is not looked at.
 */
size_t detach_keys_filter(struct detach_keys *keys, const char *typed, size_t size, char *out,
                          bool *is_detached);

#endif
