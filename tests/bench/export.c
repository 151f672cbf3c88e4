/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * export create FILE SIZE-BYTES CLUSTER-SECTORS [full]: makes an empty image, or one with every
 * cluster in its place, written with zeros.
 * export engine FILE...: attaches the chain (base first) through the engine.
 * export raw FILE, export buffered FILE: attaches a raw file by a loop device, with direct I/O or
 * without.
 * export direct FILE: the same for the data of a full image.
 * export transport FILE: a raw file through the export, without an engine.
 * All that attach print the device, with the server's process number where there is one, hold it
 * until standard input ends, and return when it is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"
#include "common/loopdev.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/host.h"
#include "ploop/direct.h"
#include "ploop/image.h"
#include "ploop/seal.h"
#include "ploop/server.h"
#include "raw_export.h"

static void fail(const char *what, const struct stor_err *err)
{
	fprintf(stderr, "export: %s: %s\n", what, err ? err->text : strerror(errno));
	exit(1);
}

static struct ploop_dir *here(void)
{
	cleanup_close int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ploop_dir *dir = fd < 0 ? NULL : ploop_dir_open_fd(fd);

	if (!dir)
		fail(".", NULL);
	return dir;
}

static void print_device(int loop_fd, int pidfd, double ms)
{
	char link[64], target[256] = "", line[128];
	FILE *info;
	int pid = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", loop_fd);
	if (readlink(link, target, sizeof(target) - 1) < 0)
		fail(link, NULL);
	if (pidfd >= 0) {
		snprintf(link, sizeof(link), "/proc/self/fdinfo/%d", pidfd);
		info = fopen(link, "re");
		while (info && fgets(line, sizeof(line), info))
			if (sscanf(line, "Pid: %d", &pid) == 1)
				break;
		if (info)
			fclose(info);
	}
	printf("%s %d %.2f\n", target, pid, ms);
	fflush(stdout);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void attach_engine(char **files, unsigned count, struct stor_attachment *attachment)
{
	cleanup_free struct ploop_link *links = calloc(count, sizeof(*links));
	struct ploop_open_params open = {
		.links = links, .count = count, .writable = true, .recover = true
	};
	struct ploop_server_params params = { .lock_fd = -1,
		                              .name = "stor-ploop bench",
		                              .open = &open,
		                              .direct_io = true,
		                              .block_bytes = 4096 };
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_dir *dir = here();

	for (unsigned i = 0; i < count; i++) {
		unsigned flags = PLOOP_OPEN_LOCK | (i + 1 == count ? PLOOP_OPEN_WRITE : 0);
		int r = dir->ops->open(dir, files[i], flags, &links[i].file);

		links[i].name = files[i];
		if (r) {
			errno = -r;
			fail(files[i], NULL);
		}
	}
	ploop_dir_close(dir);
	if (ploop_server_attach(&params, attachment, &err))
		fail(files[0], &err);
}

static void attach_raw(const char *file, const struct loopdev_opts *opts,
                       struct stor_attachment *attachment)
{
	cleanup_close int fd = open(file, O_RDWR | O_CLOEXEC);
	struct stor_err err = STOR_ERR_INIT;

	if (fd < 0)
		fail(file, NULL);
	attachment->fd = loopdev_attach(fd, file, opts, &err);
	if (attachment->fd < 0)
		fail(file, &err);
}

static void attach_transport(const char *file, struct stor_attachment *attachment)
{
	struct stor_err err = STOR_ERR_INIT;

	attachment->fd = transport_attach(file, &attachment->server_pidfd, &err);
	if (attachment->fd < 0)
		fail(file, &err);
}

static void attach_direct(char *file, struct stor_attachment *attachment)
{
	struct loopdev_opts opts = { .io = LOOPDEV_DIRECT, .block_bytes = 4096 };
	struct ploop_volume volume = { .links = { { .name = file } }, .count = 1 };
	struct ploop_dir *dir = here();
	const char *why;

	if (dir->ops->open(dir, file, PLOOP_OPEN_WRITE, &volume.links[0].file))
		fail(file, NULL);
	why = ploop_direct_place(&volume, &opts.offset_bytes, &opts.size_bytes);
	if (why) {
		fprintf(stderr, "export: %s: %s\n", file, why);
		exit(1);
	}
	attach_raw(file, &opts, attachment);
	ploop_file_close(volume.links[0].file);
	ploop_dir_close(dir);
}

static void fill(struct ploop_dir *dir, const char *file)
{
	struct ploop_link link = { .name = file };
	struct ploop_open_params params = { .links = &link, .count = 1, .writable = true };
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_engine *engine = NULL;

	if (!dir->ops->open(dir, file, PLOOP_OPEN_WRITE, &link.file))
		engine = ploop_engine_open(&params, &err);
	if (!engine || ploop_engine_preallocate(engine, &err) || ploop_engine_close(engine, &err))
		fail(file, &err);
	if (dir->ops->open(dir, file, PLOOP_OPEN_WRITE, &link.file))
		fail(file, NULL);
	if (ploop_seal_all(link.file, file, &err))
		fail(file, &err);
	ploop_file_close(link.file);
}

static int create(const char *file, uint64_t bytes, uint32_t cluster_sectors, bool is_full)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_dir *dir = here();

	if (ploop_image_create(dir, file, 2, cluster_sectors, bytes / 512, &err))
		fail(file, &err);
	if (is_full)
		fill(dir, file);
	ploop_dir_close(dir);
	return 0;
}

static int no_progress(const char *what, uint64_t done_bytes, uint64_t total_bytes,
                       struct stor_err *err)
{
	(void)what, (void)done_bytes, (void)total_bytes, (void)err;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct stor_host services = {
		.struct_size = sizeof(services),
		.version = "bench",
		.fail = err_fail,
		.hint = err_hint,
		.log = log_line,
		.progress = no_progress,
		.spawn_server = host_spawn_server,
	};
	struct loopdev_opts raw_opts = { .block_bytes = 4096 };
	struct stor_attachment attachment = { .fd = -1, .control_fd = -1, .server_pidfd = -1 };
	struct pollfd ended;
	double start = now_ms();
	char byte;

	host = &services;
	if (argc >= 5 && !strcmp(argv[1], "create"))
		return create(argv[2], strtoull(argv[3], NULL, 0), (uint32_t)atoi(argv[4]),
		              argc > 5);
	if (argc < 3)
		return 2;
	raw_opts.io = strcmp(argv[1], "buffered") ? LOOPDEV_DIRECT : LOOPDEV_BUFFERED;
	if (!strcmp(argv[1], "engine"))
		attach_engine(argv + 2, (unsigned)argc - 2, &attachment);
	else if (!strcmp(argv[1], "direct"))
		attach_direct(argv[2], &attachment);
	else if (!strcmp(argv[1], "transport"))
		attach_transport(argv[2], &attachment);
	else
		attach_raw(argv[2], &raw_opts, &attachment);
	print_device(attachment.fd, attachment.server_pidfd, now_ms() - start);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	close(attachment.fd);
	close_fd(&attachment.control_fd);
	ended = (struct pollfd){ .fd = attachment.server_pidfd, .events = POLLIN };
	if (attachment.server_pidfd >= 0 && poll(&ended, 1, 10000) != 1)
		fail("the server did not end", NULL);
	return 0;
}
