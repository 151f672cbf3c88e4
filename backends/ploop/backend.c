/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The `ploop` backend: its table, what it takes for a volume, and removing one. A volume is a
 * folder with DiskDescriptor.xml and the images that it names: one of the store, or one that
 * OpenVZ made.
 */
#include "ploop/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "ploop/volume.h"

static const struct stor_param ploop_params[] = {
	[PLOOP_PARAM_FORMAT] = { "format", STOR_PARAM_ENUM, STOR_PARAM_CREATE, "v2", "v1|v2",
	                         "version of the image format" },
	[PLOOP_PARAM_CLUSTER] = { "cluster", STOR_PARAM_SIZE, STOR_PARAM_CREATE, "1M", NULL,
	                          "bytes that are allocated at once, from 32K to 64M" },
	[PLOOP_PARAM_LAYOUT] = { "layout", STOR_PARAM_ENUM, STOR_PARAM_CREATE, "expandable",
	                         "expandable|preallocated|raw",
	                         "space taken when written to, or at once, or a plain disk" },
	[PLOOP_PARAM_INODE_RATIO] = { "inode-ratio", STOR_PARAM_SIZE, STOR_PARAM_CREATE, "16K",
	                              NULL, "one inode for as many bytes of the filesystem" },
	[PLOOP_PARAM_JOURNAL] = { "journal", STOR_PARAM_BOOL, STOR_PARAM_CREATE, "yes", NULL,
	                          "keep a journal, so that a crash needs no check" },
	[PLOOP_PARAM_ATTACH] = { "attach", STOR_PARAM_ENUM, STOR_PARAM_ATTACH, "auto",
	                         "auto|kernel|direct|engine", "how the disk becomes a device" },
	[PLOOP_PARAM_DIRECT_IO] = { "direct-io", STOR_PARAM_ENUM, STOR_PARAM_ATTACH, "auto",
	                            "auto|yes|no", "go round the host's page cache" },
	[PLOOP_PARAM_DISCARD] = { "discard", STOR_PARAM_BOOL, STOR_PARAM_ATTACH, "no", NULL,
	                          "give space that files free back to the host at once" },
	[PLOOP_PARAM_TOOL] = { "tool", STOR_PARAM_ENUM, STOR_PARAM_CHANGE, "auto",
	                       "auto|libploop|engine", "who works on the files" },
	[PLOOP_PARAM_DESCRIPTOR] = { "descriptor", STOR_PARAM_BOOL, STOR_PARAM_CHANGE, "no", NULL,
	                             "convert: give a lone image a " PLOOP_DESCRIPTOR_NAME },
	{ .key = NULL },
};

/* How sure: of a folder or file with the descriptor's name, and of a file with the magic. */
#define SURE_DESCRIPTOR 100
#define SURE_MAGIC 90

static bool has_descriptor(int dir_fd)
{
	struct stat st;

	return !fstatat(dir_fd, PLOOP_DESCRIPTOR_NAME, &st, 0) && S_ISREG(st.st_mode);
}

static int ploop_probe(const struct stor_probe_req *req)
{
	const char *slash = strrchr(req->path, '/'), *name = slash ? slash + 1 : req->path;
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header;
	struct stat st;

	if (fstat(req->fd, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		return has_descriptor(req->fd) ? SURE_DESCRIPTOR : 0;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (!strcmp(name, PLOOP_DESCRIPTOR_NAME))
		return SURE_DESCRIPTOR;
	if (pread_all(req->fd, raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		return 0;
	return ploop_header_parse(raw, &header) ? 0 : SURE_MAGIC;
}

/* --- removing ------------------------------------------------------------------------------- */

struct removal {
	const char *path;
	int dir_fd;
	struct stor_err *err;
};

/* Nobody has the file. The descriptor is closed at once: who comes later finds no descriptor. */
static int check_free(void *ctx, const char *name)
{
	struct removal *removal = ctx;
	cleanup_close int fd =
		openat(removal->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct ploop_driver_file file = { .writes = true };
	char device[PLOOP_DRIVER_NAME_BYTES];
	struct stat st;

	if (fd < 0)
		return 0;
	if (!fstat(fd, &st)) {
		file.dev = st.st_dev;
		file.inode = st.st_ino;
	}
	if (ploop_driver_has(&file, 1, device))
		return host->fail(removal->err, STOR_BUSY, 0,
		                  "ploop: %s/%s is in use: the kernel's driver has it as %s",
		                  removal->path, name, device);
	if (!copyfile_lock(fd, LOCK_EX, PLOOP_RELEASE_WAIT_MS) || errno != EWOULDBLOCK)
		return 0;
	return host->fail(removal->err, STOR_BUSY, 0, "ploop: %s/%s is in use", removal->path,
	                  name);
}

static int remove_one(void *ctx, const char *name)
{
	struct removal *removal = ctx;

	if (!unlinkat(removal->dir_fd, name, 0) || errno == ENOENT)
		return 0;
	return host->fail(removal->err, STOR_FAILED, errno, "ploop: remove %s/%s", removal->path,
	                  name);
}

int ploop_destroy(const struct stor_volume *volume, const struct stor_destroy_req *req,
                  struct stor_err *err)
{
	cleanup_close int dir_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct removal removal = { .path = volume->path, .dir_fd = dir_fd, .err = err };
	struct ploop_dir *dir;
	int r;

	(void)req;
	if (dir_fd < 0 && errno == ENOENT)
		return 0;
	dir = dir_fd < 0 ? NULL : ploop_dir_open_fd(dir_fd);
	if (!dir)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s", volume->path);
	r = dir->ops->list(dir, check_free, &removal);
	/* First the one without which nothing is attached. */
	if (!r)
		r = remove_one(&removal, PLOOP_DESCRIPTOR_NAME);
	if (!r)
		r = dir->ops->list(dir, remove_one, &removal);
	ploop_dir_close(dir);
	if (r < -1)
		return host->fail(err, STOR_FAILED, -r, "ploop: list %s", volume->path);
	return r;
}

static struct stor_backend ploop_backend = {
	.name = "ploop",
	.version = STOR_VERSION,
	.summary = "ext4 in a ploop disk of OpenVZ's format, without its kernel",
	.params = ploop_params,
	.fs_types = "ext4",
	.flags = STOR_BACKEND_DELTAS,
	.load = host_load,
	.probe = ploop_probe,
	.create = ploop_create,
	.attach = ploop_attach,
	.detach = ploop_detach,
	.release = ploop_release,
	.info = ploop_info,
	.destroy = ploop_destroy,
	.clone = ploop_clone,
	.resize = ploop_resize,
	.check = ploop_check,
	.snapshot = ploop_snapshot,
	.snapshot_list = ploop_snapshot_list,
	.snapshot_delete = ploop_snapshot_delete,
	.rollback = ploop_rollback,
	.merge = ploop_merge,
	.compact = ploop_compact,
	.examine = ploop_examine,
	.convert = ploop_convert,
};

STOR_REGISTER_BACKEND(ploop_backend)
