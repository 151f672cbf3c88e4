/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removing a container's ephemeral volume. Which backend made it is told by the symbolic link
 * containers/ID/backend, which is there before the volume and goes after it: the container's record
 * may not have come so far when stor was killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/volume.h"

/* Lets the backend remove what it keeps in the volume. */
static int destroy_content(const char *backend_name, const char *path, const struct record *record,
                           struct stor_err *err)
{
	const struct backend *backend = backend_load(backend_name, err);
	cleanup_params struct params params = { .values = NULL };
	struct stor_volume ref = { .struct_size = sizeof(ref), .path = path };

	if (!backend || params_parse(&params, backend, NULL, record,
	                             STOR_PARAM_CREATE | STOR_PARAM_ATTACH, err) < 0)
		return -1;
	ref.values = params.values;
	return backend_destroy(backend, &ref, err);
}

int root_destroy(struct store *store, const char *id, const struct record *record,
                 struct stor_err *err)
{
	cleanup_free char *data = xasprintf("containers/%s/data", id);
	cleanup_free char *link = xasprintf("containers/%s/backend", id);
	cleanup_free char *path = NULL;
	char backend[128];
	ssize_t n;

	if (unlinkat(store->fd, data, AT_REMOVEDIR) < 0 && errno != ENOENT) {
		n = readlinkat(store->fd, link, backend, sizeof(backend) - 1);
		if (n < 0)
			return err_fail(err, STOR_FAILED, errno, "read %s/%s", store->path, link);
		backend[n] = '\0';
		path = xasprintf("%s/%s", store->path, data);
		if (destroy_content(backend, path, record, err) < 0)
			return err_context(err, "remove volume");
		kill_point("root-destroyed");
		if (fs_remove_tree(store->fd, data, err) < 0)
			return -1;
	}
	if (unlinkat(store->fd, link, 0) < 0 && errno != ENOENT)
		return err_fail(err, STOR_FAILED, errno, "remove %s/%s", store->path, link);
	return 0;
}
