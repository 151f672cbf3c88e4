/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine has of what ploop's ways to attach and to work on files need. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/examine.h"
#include "common/export.h"
#include "ploop/backend.h"
#include "ploop/driver.h"
#include "ploop/libploop.h"

static int examine_fuse(const struct stor_examine_req *req)
{
	cleanup_close int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char detail[128];
	const struct stor_finding finding = {
		.struct_size = sizeof(finding),
		.what = "/dev/fuse",
		.is_there = fd >= 0,
		.detail = detail,
		.remedy = "modprobe fuse",
	};

	if (fd >= 0)
		snprintf(detail, sizeof(detail), "for attach=engine%s",
		         export_wants_wide_ring() ? ", over io_uring" : "");
	else
		snprintf(detail, sizeof(detail), "%s: attach=direct alone", strerror(errno));
	return req->emit(req->emit_ctx, &finding);
}

/* No other kernel lacks it: the engine needs none. */
static int examine_driver(const struct stor_examine_req *req)
{
	const struct stor_finding finding = {
		.struct_size = sizeof(finding),
		.what = "ploop driver",
		.is_there = true,
		.detail = "for attach=kernel, which needs libploop too",
	};

	return ploop_driver_is_there() ? req->emit(req->emit_ctx, &finding) : 0;
}

static int examine_libploop(const struct stor_examine_req *req, struct stor_err *err)
{
	const struct libploop_job job = { .op = LIBPLOOP_FIND, .dir_fd = -1 };
	struct libploop_answer answer;
	struct stor_finding finding = {
		.struct_size = sizeof(finding),
		.what = "libploop",
		.remedy = "install the package ploop; without it the engine does everything",
	};

	if (libploop_run(&job, &answer, err))
		return -1;
	finding.is_there = answer.result == LIBPLOOP_DONE;
	finding.detail = answer.text;
	return req->emit(req->emit_ctx, &finding);
}

int ploop_examine(const struct stor_examine_req *req, struct stor_err *err)
{
	if (examine_loop_devices(req) || examine_fuse(req) || examine_driver(req) ||
	    examine_libploop(req, err))
		return -1;
	return examine_program("e2fsck", "e2fsprogs", "check of the filesystem inside", req);
}
