/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing a container's ephemeral volume, whose backend the container's record names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/fs.h"
#include "core/volume.h"
#include "core/volume_users.h"

int root_destroy(struct store *store, const char *id, const struct record *record,
                 struct stor_err *err)
{
	cleanup_free char *data = xasprintf("containers/%s/data", id);
	cleanup_volume struct volume volume = VOLUME_INIT;

	/* Mostly root_release() has removed it already. */
	if (unlinkat(store->fd, data, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (volume_of_container(store, id, record, &volume, err) < 0 ||
	    volume_end_dead_users(store, &volume, err) < 0 ||
	    backend_destroy(volume.backend, &volume.ref, err) < 0)
		return err_context(err, "remove its volume");
	kill_point("root-destroyed");
	return fs_remove_tree(store->fd, data, err);
}
