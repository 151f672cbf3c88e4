/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a container paused? By its record alone: no module is loaded. See cgroup.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/record.h"
#include "core/cgroup/internal.h"

static bool says_frozen(const char *path)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, 64, NULL, &ignored);

	return text && (*text == '1' || str_starts(text, "FR"));
}

/* "v1|v2 CONTROLLERS PATH". The payload is in a leaf; in the freezer's own hierarchy of version 1,
 * in the directory itself. */
static bool is_place_frozen(const char *place)
{
	const char *dir = strchr(place, '/');
	bool is_v2 = str_starts(place, "v2 ");
	unsigned controllers = 0;
	cleanup_free char *own = NULL, *leaf = NULL;

	if (!dir || sscanf(place, "%*s %u", &controllers) != 1 ||
	    (!is_v2 && !(controllers & CGROUP_FREEZER)))
		return false;
	leaf = xasprintf("%s/%s/%s", dir, cgroup_leaf_names[CGROUP_PAYLOAD],
	                 is_v2 ? "cgroup.freeze" : "freezer.state");
	own = xasprintf("%s/freezer.state", dir);
	return says_frozen(leaf) || (!is_v2 && says_frozen(own));
}

bool cgroup_is_paused(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = cgroup_record_path(id);
	struct stor_err ignored = STOR_ERR_INIT;
	const char *text;

	if (record_load(&record, store->state_fd, path, &ignored) < 0)
		return false;
	for (size_t at = 0; (text = record_next(&record, "place", &at));)
		if (is_place_frozen(text))
			return true;
	return false;
}
