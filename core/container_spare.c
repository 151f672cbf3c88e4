/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeping and taking empty container folders: see container_spare.h. */
#include "core/container_spare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

/* As many as short runs follow each other at a time; more would only slow down the search. */
#define SPARE_COUNT 4
#define SPARE_PATH_MAX 64

/* A rename either takes a whole folder or finds that somebody else has. */
static bool move(struct store *store, const char *from, const char *to)
{
	return renameat2(store->fd, from, store->fd, to, RENAME_NOREPLACE) == 0;
}

bool container_take_spare(struct store *store, const char *id)
{
	char spare[SPARE_PATH_MAX], place[SPARE_PATH_MAX];

	snprintf(place, sizeof(place), "containers/%s", id);
	for (int i = 0; i < SPARE_COUNT; i++) {
		snprintf(spare, sizeof(spare), "spare/%d", i);
		if (move(store, spare, place))
			return true;
	}
	return false;
}

bool container_keep_spare(struct store *store, const char *id)
{
	char spare[SPARE_PATH_MAX], place[SPARE_PATH_MAX];
	struct stor_err ignored = STOR_ERR_INIT;

	snprintf(place, sizeof(place), "containers/%s", id);
	for (int i = 0; i < SPARE_COUNT; i++) {
		snprintf(spare, sizeof(spare), "spare/%d", i);
		if (move(store, place, spare))
			return true;
		if (errno == ENOENT && !i && store_make_dir(store->fd, "spare", &ignored) == 0 &&
		    move(store, place, spare))
			return true;
		if (errno != EEXIST)
			return false;
	}
	return false;
}
