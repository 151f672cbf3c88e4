/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a container's volume and the processes that serve it read and write: see cmd_stats.h. */
#include "core/cmd_stats.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/container_store.h"

#define TEXT_LIMIT_BYTES 65536

bool stats_read_volume(const struct record *record, struct disk_io *volume)
{
	const char *text = record_get(record, "root-device-io");
	struct disk_io before;

	if (!text || !disk_io_parse(text, &before) ||
	    !disk_io_read(container_recorded_disk(record), volume))
		return false;
	volume->read_ops -= before.read_ops;
	volume->read_bytes -= before.read_bytes;
	volume->write_ops -= before.write_ops;
	volume->write_bytes -= before.write_bytes;
	return true;
}

/* False: it has ended. */
static bool add_process(long pid, uint64_t *read_bytes, uint64_t *write_bytes)
{
	cleanup_free char *path = xasprintf("/proc/%ld/io", pid);
	struct stor_err ended = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, TEXT_LIMIT_BYTES, NULL, &ended);
	const char *read_line = text ? strstr(text, "\nread_bytes: ") : NULL;
	const char *write_line = text ? strstr(text, "\nwrite_bytes: ") : NULL;

	if (!read_line || !write_line)
		return false;
	*read_bytes += strtoull(strchr(read_line, ' '), NULL, 10);
	*write_bytes += strtoull(strchr(write_line, ' '), NULL, 10);
	return true;
}

/* Version 1 counts what is written directly alone, and that of some disks. */
static bool counts_all(const struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->count; i++)
		if (cgroup->places[i].controllers & CGROUP_IO)
			return cgroup->places[i].is_v2;
	return false;
}

void stats_add_server_io(const struct cgroup *cgroup, struct cgroup_stats *server)
{
	struct stor_err gone = STOR_ERR_INIT;
	uint64_t read_bytes = 0, write_bytes = 0;
	cleanup_free char *pids = NULL;
	bool is_known = false;
	char *at;

	if (counts_all(cgroup))
		return;
	for (size_t i = 0; i < cgroup->count && !pids; i++)
		if (cgroup->places[i].leaf_fds[CGROUP_SERVER] >= 0)
			pids = fs_read_file(cgroup->places[i].leaf_fds[CGROUP_SERVER],
			                    "cgroup.procs", TEXT_LIMIT_BYTES, NULL, &gone);
	at = pids;
	while (at && *at) {
		is_known |= add_process(strtol(at, &at, 10), &read_bytes, &write_bytes);
		at += *at == '\n';
	}
	if (!is_known)
		return;
	server->read_bytes = read_bytes;
	server->write_bytes = write_bytes;
	server->read_ops = server->write_ops = CGROUP_UNKNOWN;
}
