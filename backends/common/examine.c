/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See examine.h. */
#include "common/examine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <stor/util.h>

int examine_loop_devices(const struct stor_examine_req *req)
{
	cleanup_close int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control_fd < 0 ? -1 : ioctl(control_fd, LOOP_CTL_GET_FREE);
	char detail[128];
	const struct stor_finding finding = {
		.struct_size = sizeof(finding),
		.what = "loop devices",
		.is_there = number >= 0,
		.detail = detail,
		.remedy =
			number >= 0 ? NULL : "modprobe loop; raise its max_loop when none is free",
	};

	if (number >= 0)
		snprintf(detail, sizeof(detail), "/dev/loop%d is free", number);
	else
		snprintf(detail, sizeof(detail), "%s: %s: no volume can be attached",
		         control_fd < 0 ? "/dev/loop-control" : "a free device", strerror(errno));
	return req->emit(req->emit_ctx, &finding);
}

static bool is_in_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (const char *at = path ? path : ""; *at;) {
		int length = (int)strcspn(at, ":");

		snprintf(file, sizeof(file), "%.*s/%s", length, at, program);
		if (length && access(file, X_OK) == 0)
			return true;
		at += length + (at[length] == ':');
	}
	return false;
}

int examine_program(const char *program, const char *package, const char *use,
                    const struct stor_examine_req *req)
{
	char detail[128], remedy[128];
	const struct stor_finding finding = {
		.struct_size = sizeof(finding),
		.what = program,
		.is_there = is_in_path(program),
		.detail = detail,
		.remedy = remedy,
	};

	snprintf(detail, sizeof(detail), "%s%s", finding.is_there ? "for " : "not there: no ", use);
	snprintf(remedy, sizeof(remedy), "install it: the package %s has it", package);
	return req->emit(req->emit_ctx, &finding);
}
