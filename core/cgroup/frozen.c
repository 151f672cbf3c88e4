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

/* A file that only the hierarchy with the freezer has. */
static bool says_frozen(const char *dir, const char *name)
{
	cleanup_free char *path =
		xasprintf("%s/%s/%s", dir, cgroup_leaf_names[CGROUP_PAYLOAD], name);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, 64, NULL, &ignored);

	return text && (*text == '1' || str_starts(text, "FR"));
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

		if (dir && (says_frozen(dir, "freezer.state") || says_frozen(dir, "cgroup.freeze")))
			return true;
	}
	return false;
}
