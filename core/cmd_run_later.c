/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of `run` that are yet to come: refused by name, with what can be done until then. */
#include "core/cmd_run.h"

#define IN_BACKGROUND "stor runs in the foreground; a shell puts it behind: stor run ... &"
#define BY_SIGNAL "stor passes on the signals that it gets: kill -TERM its process"

const struct opt_later run_later[] = {
	{ 'd', "detach", IN_BACKGROUND },
	{ 'P', "publish-all", "images carry no list of ports; --publish names them" },
	{ 'q', "quiet", "run prints nothing of its own but errors; it fetches no images" },
	{ 0, "stop-signal", BY_SIGNAL },
	{ 0, "stop-timeout", BY_SIGNAL },
	{ 0, "sysctl", "/proc/sys is read-only inside; with --net host the host's hold" },
	{ 0, NULL, NULL },
};
