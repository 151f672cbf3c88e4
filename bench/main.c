/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor-bench: what `stor bench` executes; and what it executes itself. */
#include <stdio.h>
#include <string.h>

#include "bench/measure/cmd.h"
#include "bench/measure/subject.h"
#include "bench/measure/traffic.h"
#include "bench/report/report.h"

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	int result;

	if (argc > 3 && !strcmp(argv[1], "--floor"))
		return bare_floor(argv[2], argv + 3);
	if (argc > 3 && !strcmp(argv[1], "--host"))
		return bare_host(argv[2], argv + 3);
	if (argc > 2 && !strcmp(argv[1], "--host-end"))
		return traffic_set_address(argc, argv);
	result = argc > 1 && !strcmp(argv[1], "report") ? cmd_bench_report(argc - 1, argv + 1, &err)
	                                                : cmd_bench_measure(argc, argv, &err);
	if (result >= 0)
		return result;
	fflush(stdout);
	err_print(&err);
	return (int)err.status;
}
