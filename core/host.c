/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of services that every backend is given. */
#include <errno.h>
#include <fcntl.h>

#include "core/backend.h"
#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/host.h"
#include "core/progress.h"

/* Borrowed from the opened store, for the services have no other way to it. */
static int store_folder_fd = -1;

void host_set_store(int store_fd)
{
	store_folder_fd = store_fd;
}

static int make_temp_file(struct stor_err *err)
{
	int fd;

	if (store_folder_fd < 0)
		return err_fail(err, STOR_FAILED, 0, "temporary file: no store is open");
	fd = openat(store_folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_fail(err, errno == EOPNOTSUPP ? STOR_UNSUPPORTED : STOR_FAILED, errno,
		         "temporary file in the store");
		if (errno == EOPNOTSUPP)
			err_hint(err, "put the store on ext4, xfs, btrfs or tmpfs");
		return -1;
	}
	return fd;
}

const struct stor_host *host_services(void)
{
	static const struct stor_host services = {
		.struct_size = sizeof(services),
		.version = STOR_VERSION,
		.fail = err_fail,
		.hint = err_hint,
		.log = log_line,
		.progress = progress_update,
		.temp_file = make_temp_file,
		.spawn_server = host_spawn_server,
		.call_isolated = host_call_isolated,
		.run_program = proc_run,
	};

	return &services;
}
