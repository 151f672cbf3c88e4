/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor bench: executes stor-bench, which measures stor from outside, as it measures others. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/cmd_store.h"
#include "core/module.h"

int cmd_bench(struct store *store, int argc, char **argv, struct stor_err *err)
{
	cleanup_free char *program = NULL;
	const char *modules = module_dir(err);
	char self[PATH_MAX];

	(void)store;
	(void)argc;
	if (!modules)
		return -1;
	if (proc_self_path(self, sizeof(self)) < 0)
		return err_fail(err, STOR_FAILED, errno, "bench: find the path of stor");
	program = xasprintf("%s/internal/stor-bench", modules);
	if (setenv("STOR_BENCH_STOR", self, 1) < 0)
		return err_fail(err, STOR_FAILED, errno, "bench: set the environment");
	execv(program, argv);
	return err_fail(err, STOR_UNSUPPORTED, errno, "bench: execute %s", program);
}
