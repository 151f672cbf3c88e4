/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root of a container that ran before, or was made and never ran: what root_prepare() has put
 * into its record is attached again. */
#include <string.h>

#include <stor/util.h>

#include "core/golden.h"
#include "core/volume.h"

static int attach_own(struct store *store, const struct root_opts *opts,
                      const struct volume *volume, struct attached *attached, struct stor_err *err)
{
	struct attach_opts attach = ATTACH_OPTS_INIT;

	attach.ephemeral = opts->is_throwaway;
	return volume_attach(store, volume, &attach, attached, err);
}

static int open_overlay(struct store *store, const char *id, const struct root_opts *opts,
                        struct root *root, const struct record *record, struct stor_err *err)
{
	const char *golden = record_get(record, "volume.golden");
	struct attach_opts read_only = ATTACH_OPTS_INIT;

	root->is_overlay = true;
	read_only.read_only = true;
	if (!golden)
		return err_fail(err, STOR_FAILED, 0, "container %s: damaged record", id);
	if (golden_find(store, golden, &root->base_volume, err) < 0 ||
	    volume_of_container(store, id, record, &root->upper_volume, err) < 0 ||
	    volume_attach(store, &root->base_volume, &read_only, &root->base, err) < 0)
		return -1;
	return attach_own(store, opts, &root->upper_volume, &root->upper, err);
}

int root_open(struct store *store, const char *id, const struct root_opts *opts, struct root *root,
              struct record *record, struct stor_err *err)
{
	const char *clone = record_get(record, "volume.clone");
	int result;

	if (opts->root)
		return root_prepare(store, id, opts, root, record, err);
	*root = (struct root){ .base = ATTACHED_INIT, .upper = ATTACHED_INIT };
	root->is_ephemeral = true;
	if (!clone)
		return err_fail(err, STOR_FAILED, 0,
		                "container %s was killed before its root was made", id);
	if (!strcmp(clone, "overlay"))
		result = open_overlay(store, id, opts, root, record, err);
	else
		result = volume_of_container(store, id, record, &root->base_volume, err) < 0
		                 ? -1
		                 : attach_own(store, opts, &root->base_volume, &root->base, err);
	root->clone_mode = clone;
	if (result < 0) {
		struct stor_err ignored = STOR_ERR_INIT;

		root_release(root, false, &ignored);
	}
	return result;
}
