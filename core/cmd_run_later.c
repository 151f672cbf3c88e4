/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of `run` that are yet to come: refused by name, with what can be done until then. */
#include "core/cmd_run.h"

const struct opt_later run_later[] = {
	{ 'P', "publish-all", "images carry no list of ports; --publish names them" },
	{ 'q', "quiet", "run prints nothing of its own but errors; it fetches no images" },
	{ 0, "sysctl", "/proc/sys is read-only inside; with --net host the host's hold" },
	{ 0, NULL, NULL },
};
