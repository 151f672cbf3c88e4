/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * root BACKEND [KEY=VALUE…]: does with the store what `stor run --rm` does, without a container:
 * takes an id, prepares a root of the built-in image, prints how it was cloned, and takes all of it
 * away again. The paths come from STOR_STORE and STOR_STATE.
 */
#include <stdio.h>
#include <stdlib.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/container_store.h"
#include "core/volume.h"

static int prepare_and_release(struct store *store, const struct root_opts *opts,
                               struct stor_err *err)
{
	cleanup_record struct record record = RECORD_INIT;
	cleanup_free char *id = NULL;
	struct root root;

	record_add(&record, "rm", "yes");
	record_add(&record, "backend", root_backend_name(opts->backend));
	if (container_begin(store, NULL, &record, &id, err) < 0)
		return -1;
	if (root_prepare(store, id, opts, &root, &record, err) < 0) {
		struct stor_err ignored = STOR_ERR_INIT;

		container_end(store, id, &record, 0, true, &ignored);
		return -1;
	}
	puts(root.clone_mode);
	if (root_release(&root, true, err) < 0)
		return -1;
	return container_end(store, id, &record, 0, true, err);
}

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	struct store store = STORE_INIT;
	cleanup_strv struct strv params = STRV_INIT;
	struct root_opts opts = { .params = &params };
	char self[4096], modules[4200];

	store.path = getenv("STOR_STORE");
	store.state_path = getenv("STOR_STATE");
	if (argc < 2 || !store.path || !store.state_path || proc_self_dir(self, sizeof(self)) < 0) {
		fprintf(stderr, "usage: root BACKEND [KEY=VALUE...]\n");
		return 2;
	}
	/* Beside this program in the build. */
	snprintf(modules, sizeof(modules), "%s/../../modules", self);
	setenv("STOR_MODULES", modules, 1);
	opts.backend = argv[1];
	for (int i = 2; i < argc; i++)
		strv_add(&params, argv[i]);
	if (prepare_and_release(&store, &opts, &err) == 0)
		return 0;
	err_print(&err);
	return (int)err.status;
}
