/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzz target is one file, tests/fuzz/NAME.c. It is built twice: with libFuzzer by clang, which
 * looks for inputs (make check-fuzz, make check-long), and with driver/replay.c by the compiler of
 * everything else, which runs the inputs kept in tests/fuzz/corpus/NAME (make check).
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Run one input. Returns 0; a failure ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* End the process unless the condition holds: what the code under test promises. */
#define FUZZ_PROMISE(condition)                                                                    \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy of its own size and with a terminator, so that reading beyond the end is seen. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
