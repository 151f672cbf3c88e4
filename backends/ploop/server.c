/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching a chain by the engine: the chain is opened here, where errors can be told, and used in
 * the server, which has this process's memory. Then this process lets go of its copy: descriptors
 * and memory, but not the mark in the image.
 */
#include "ploop/server.h"

#include <stdlib.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/host.h"
#include "common/loopdev.h"
#include "ploop/server_parts.h"

#define START_TIMEOUT_MS 10000
/* Of the host's disk, by which a file that grows may be longer than it need be. */
#define AHEAD_BYTES (UINT64_C(64) << 20)

static int open_engine(struct ploop_server *server, const struct ploop_server_params *params,
                       struct stor_err *err)
{
	struct ploop_open_params open = *params->open;

	open.executor = &server->executor;
	open.ahead_bytes = AHEAD_BYTES;
	server->engine = ploop_engine_open(&open, err);
	if (!server->engine) {
		for (unsigned i = 0; i < open.count; i++)
			ploop_file_close(open.links[i].file);
		return -1;
	}
	server->target.size_bytes = ploop_engine_size(server->engine);
	/* The device ends with the file, so that it can grow when that does. */
	if (params->size_bytes)
		server->target.size_bytes = params->offset_bytes + params->size_bytes;
	server->top_fd = open.links[open.count - 1].file->fd;
	server->cluster_sectors = ploop_engine_cluster_bytes(server->engine) / PLOOP_SECTOR;
	server->is_partition = params->is_partition;
	server->target.discard_bytes = ploop_engine_cluster_bytes(server->engine);
	return 0;
}

/* Starts the process. It has the engine from here on. */
static int spawn(struct ploop_server *server, const struct ploop_server_params *params,
                 struct stor_server *spawned, struct stor_err *err)
{
	cleanup_free int *keep = calloc(params->open->count + 3, sizeof(*keep));
	struct stor_server_req req = {
		.struct_size = sizeof(req),
		.name = params->name,
		.main = ploop_server_main,
		.arg = server,
		.keep_fds = keep,
		.flags = STOR_SERVER_KEEPS_PEER,
	};
	unsigned count = 0;

	if (!keep)
		return host->fail(err, STOR_FAILED, ENOMEM, "start %s", params->name);
	for (unsigned i = 0; i < params->open->count; i++)
		if (params->open->links[i].file->fd >= 0)
			keep[count++] = params->open->links[i].file->fd;
	keep[count++] = server->fuse_fd;
	if (params->lock_fd >= 0)
		keep[count++] = params->lock_fd;
	keep[count] = -1;
	return host->spawn_server(&req, spawned, err);
}

/* The server runs: make the device. */
static int make_device(const struct ploop_server_params *params, const struct export_mount *mount,
                       const struct stor_server *spawned, const char **how, struct stor_err *err)
{
	struct loopdev_opts opts = {
		.read_only = params->read_only,
		.io = params->direct_io ? LOOPDEV_DIRECT : LOOPDEV_BUFFERED,
		.block_bytes = params->block_bytes,
		.offset_bytes = params->offset_bytes,
	};
	struct ploop_control_answer answer;
	cleanup_close int file_fd = -1;

	if (ploop_control_receive(spawned->control_fd, 0, START_TIMEOUT_MS, params->name, &answer,
	                          err))
		return -1;
	*how = answer.is_over_uring ? "engine, FUSE over io_uring" : "engine";
	kill_point("ploop-server-started");
	file_fd = export_mount_open(mount, params->name, params->read_only, err);
	if (file_fd < 0)
		return -1;
	kill_point("ploop-server-opened");
	return loopdev_attach(file_fd, params->name, &opts, err);
}

static int attach(struct ploop_server *server, const struct ploop_server_params *params,
                  struct stor_attachment *attachment, struct stor_err *err)
{
	struct stor_server spawned = { .struct_size = sizeof(spawned),
		                       .pidfd = -1,
		                       .control_fd = -1 };
	struct export_mount mount = { .fuse_fd = -1, .mount_fd = -1 };
	int loop_fd = -1;

	if (!export_mount_create(params->name, &mount, err)) {
		server->fuse_fd = mount.fuse_fd;
		kill_point("ploop-mounted");
		if (!spawn(server, params, &spawned, err)) {
			/* Two must not close one image; and the connection has to end with the
			 * server, so that nothing here waits for one that died. */
			ploop_engine_abandon(server->engine);
			server->engine = NULL;
			close_fd(&mount.fuse_fd);
			loop_fd = make_device(params, &mount, &spawned, &attachment->how, err);
		}
	}
	close_fd(&mount.fuse_fd);
	/* The device holds the file, and the file the mount; without a device the server sees that
	 * nobody is left. */
	close_fd(&mount.mount_fd);
	if (loop_fd < 0) {
		close_fd(&spawned.control_fd);
		close_fd(&spawned.pidfd);
		return -1;
	}
	attachment->kind = STOR_ATTACHED_BLOCK;
	attachment->fd = loop_fd;
	attachment->lock_fd = -1;
	attachment->control_fd = spawned.control_fd;
	attachment->server_pidfd = spawned.pidfd;
	return 0;
}

int ploop_server_attach(const struct ploop_server_params *params,
                        struct stor_attachment *attachment, struct stor_err *err)
{
	struct ploop_server *server = calloc(1, sizeof(*server));
	int result = -1;

	if (!server)
		return host->fail(err, STOR_FAILED, ENOMEM, "start %s", params->name);
	ploop_server_prepare(server, params);
	if (!open_engine(server, params, err)) {
		result = attach(server, params, attachment, err);
		/* It never was anybody else's. */
		if (server->engine)
			(void)ploop_engine_close(server->engine, err);
	}
	free(server);
	return result;
}
