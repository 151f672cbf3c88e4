/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths of archives' entries, one a line: made safe, read as whiteouts, kept in a set. */
#include "tests/fuzz/fuzz.h"

#include "modules/image/digest.h"
#include "modules/image/names.h"
#include "modules/image/pathset.h"

/* Is it what names.h promises of a normalised path? */
static bool is_safe(const char *path)
{
	unsigned depth = 0;

	if (!*path)
		return true;
	for (const char *at = path;; at++) {
		size_t n = strcspn(at, "/");

		if (!n || n > 255 || ++depth > NAMES_DEPTH_MAX || (n == 1 && *at == '.') ||
		    (n == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		at += n;
		if (!*at)
			return true;
	}
}

static void read_name(const char *line, struct pathset *set)
{
	const char *why = NULL, *victim = NULL;
	char shown[NAMES_SHOWN_MAX];
	char *path = names_normalise(line, &why), *again;

	FUZZ_PROMISE(strlen(names_shown(line, shown)) < NAMES_SHOWN_MAX);
	digest_is_valid(line);
	if (!path) {
		FUZZ_PROMISE(why && *why);
		return;
	}
	FUZZ_PROMISE(is_safe(path));
	again = names_normalise(path, &why);
	FUZZ_PROMISE(again && !strcmp(again, path));
	if (names_whiteout(names_base(path), &victim) == WHITEOUT_ONE)
		FUZZ_PROMISE(*victim && !strchr(victim, '/') && strcmp(victim, ".") != 0 &&
		             strcmp(victim, "..") != 0);
	pathset_add(set, path);
	FUZZ_PROMISE(!*path || pathset_has(set, path));
	free(again);
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text, *line;
	struct pathset set = { NULL };

	while ((line = strsep(&rest, "\n")))
		read_name(line, &set);
	pathset_free(&set);
	free(text);
	return 0;
}
