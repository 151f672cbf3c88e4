/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor-bench: what `stor bench` executes. */
#include <stdio.h>
#include <string.h>

#include "bench/report/report.h"

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;

	if (argc < 2 || strcmp(argv[1], "report") != 0) {
		err_fail(&err, STOR_USAGE, 0, "bench: no such command: %s",
		         argc < 2 ? "(none)" : argv[1]);
		err_hint(&err, "stor bench report --help");
	} else if (cmd_bench_report(argc - 1, argv + 1, &err) == 0) {
		return 0;
	}
	err_print(&err);
	return (int)err.status;
}
