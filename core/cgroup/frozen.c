/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a container paused? By its record alone: no module is loaded. See cgroup.h. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The payload is in a leaf, or in the directory itself. Only the hierarchy with the freezer has a
 * file of either name. */
static bool is_place_frozen(const char *dir)
{
	static const char *const names[] = { "freezer.state", "cgroup.freeze" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		cleanup_free char *own = xasprintf("%s/%s", dir, names[i]);
		cleanup_free char *leaf =
			xasprintf("%s/%s/%s", dir, cgroup_leaf_names[CGROUP_PAYLOAD], names[i]);

		if (says_frozen(leaf) || says_frozen(own))
			return true;
	}
	return false;
}

bool cgroup_is_paused(struct store *store, const char *id)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *path = cgroup_record_path(id);
	struct stor_err ignored = STOR_ERR_INIT;
	const char *text;

	if (faccessat(store->state_fd, path, F_OK, 0) < 0 ||
	    record_load(&record, store->state_fd, path, &ignored) < 0)
		return false;
	for (size_t at = 0; (text = record_next(&record, "place", &at));) {
		const char *dir = strchr(text, '/');

		if (dir && is_place_frozen(dir))
			return true;
	}
	return false;
}
