/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk's folder opened for operations, chains opened as engines, and copying between them. */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "ploop/image.h"

#define LOCK_NAME PLOOP_DESCRIPTOR_NAME ".lck"
#define COPY_BYTES (4u << 20)

void ploop_disk_close(struct ploop_disk *disk)
{
	ploop_descriptor_free(&disk->descriptor);
	if (disk->owns_dir)
		ploop_dir_close(disk->dir);
	disk->dir = NULL;
	close_fd(&disk->lock_fd);
}

int ploop_disk_load(struct ploop_dir *dir, const char *path, unsigned flags,
                    struct ploop_disk *disk, struct stor_err *err)
{
	*disk = (struct ploop_disk){ .dir = dir, .path = path, .lock_fd = -1 };
	if (ploop_descriptor_load(dir, &disk->descriptor, err))
		return -1;
	if (!(flags & PLOOP_DISK_RECOVER) || !ploop_ops_recover(disk, err))
		return 0;
	ploop_disk_close(disk);
	return -1;
}

static int lock(int dir_fd, const char *path, uint32_t wait_ms, struct stor_err *err)
{
	cleanup_close int fd = openat(
		dir_fd, LOCK_NAME, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

	if (fd < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s/" LOCK_NAME, path);
	if (!copyfile_lock(fd, LOCK_EX, wait_ms))
		return steal_fd(&fd);
	if (errno == EWOULDBLOCK)
		return host->fail(err, STOR_BUSY, 0, "ploop: %s is in use", path);
	return host->fail(err, STOR_FAILED, errno, "ploop: lock %s/" LOCK_NAME, path);
}

int ploop_disk_open(const char *path, uint32_t wait_ms, struct ploop_disk *disk,
                    struct stor_err *err)
{
	cleanup_close int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int lock_fd = -1;
	struct ploop_dir *dir;

	if (dir_fd < 0)
		return host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                  "ploop: open %s", path);
	if (faccessat(dir_fd, PLOOP_DESCRIPTOR_NAME, F_OK, 0) < 0)
		return host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                  "ploop: %s/" PLOOP_DESCRIPTOR_NAME, path);
	lock_fd = lock(dir_fd, path, wait_ms, err);
	if (lock_fd < 0)
		return -1;
	dir = ploop_dir_open_fd(dir_fd);
	if (!dir)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s", path);
	if (ploop_disk_load(dir, path, 0, disk, err)) {
		ploop_dir_close(dir);
		return -1;
	}
	disk->owns_dir = true;
	disk->lock_fd = steal_fd(&lock_fd);
	disk->open_flags = PLOOP_OPEN_LOCK;
	if (!ploop_ops_recover(disk, err))
		return 0;
	ploop_disk_close(disk);
	return -1;
}

/* --- chains --- */

static int open_link(struct ploop_disk *disk, struct ploop_link *link, bool writes,
                     struct stor_err *err)
{
	unsigned flags = disk->open_flags;
	int r;

	if (writes && !ploop_file_is_own(link->name))
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: image %s does not belong to %s alone", link->name,
		                  disk->path);
	if (writes)
		flags |= PLOOP_OPEN_WRITE | PLOOP_OPEN_OWN;
	r = disk->dir->ops->open(disk->dir, link->name, flags, &link->file);
	if (r == -EWOULDBLOCK)
		return host->fail(err, STOR_BUSY, 0, "ploop: image %s of %s is in use", link->name,
		                  disk->path);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: open image %s of %s", link->name,
	                      disk->path)
	         : 0;
}

struct ploop_engine *ploop_ops_open(struct ploop_disk *disk, const struct ploop_image *chain[],
                                    unsigned from, unsigned count, bool writable,
                                    struct stor_err *err)
{
	cleanup_free struct ploop_link *links = calloc(count - from, sizeof(*links));
	struct ploop_open_params params = {
		.links = links,
		.count = count - from,
		.writable = writable,
		.cluster_sectors = disk->descriptor.cluster_sectors,
		.recover = true,
	};
	struct ploop_engine *engine = NULL;
	int r = 0;

	if (!links) {
		host->fail(err, STOR_FAILED, ENOMEM, "ploop: open %s", disk->path);
		return NULL;
	}
	for (unsigned i = from; i < count && !r; i++) {
		struct ploop_link *link = &links[i - from];

		/* Type Plain stands at every image of a raw disk, but only its base is raw. */
		link->is_raw = !i && chain[0]->is_plain;
		link->name = chain[i]->file;
		r = open_link(disk, link, writable && i == count - 1, err);
	}
	if (!r)
		engine = ploop_engine_open(&params, err);
	for (unsigned i = 0; i < count - from && !engine; i++)
		ploop_file_close(links[i].file);
	return engine;
}

struct ploop_engine *ploop_disk_engine(struct ploop_disk *disk, const char *guid, bool writable,
                                       struct stor_err *err)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	const char *top = disk->descriptor.top;
	unsigned count;

	if (writable && guid && !guid_equal(guid, top)) {
		host->fail(err, STOR_USAGE, 0, "ploop: state %s is not to be written to", guid);
		return NULL;
	}
	count = ploop_descriptor_chain(&disk->descriptor, guid ? guid : top, chain, err);
	return count ? ploop_ops_open(disk, chain, 0, count, writable, err) : NULL;
}

int ploop_ops_copy(struct ploop_engine *from, struct ploop_engine *to, const char *what,
                   struct stor_err *err)
{
	struct blockdev *source = ploop_engine_blockdev(from), *target = ploop_engine_blockdev(to);
	uint32_t cluster = ploop_engine_cluster_bytes(from);
	/* Whole clusters, so that nothing has to be read before it is written. */
	uint64_t room = cluster < COPY_BYTES ? COPY_BYTES : cluster, size = source->size_bytes;
	cleanup_free char *buffer = aligned_alloc(PLOOP_PAGE_BYTES, room);
	struct blockdev_extent extent = { .offset = 0 };
	int r = buffer ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < size && !r; at = extent.offset + extent.length) {
		r = ploop_engine_extent(from, at, &extent);
		if (r || extent.kind == BLOCKDEV_HOLE)
			continue;
		if (extent.length > room)
			extent.length = room;
		r = blockdev_pread(source, buffer, extent.length, at);
		if (!r)
			r = blockdev_pwrite(target, buffer, extent.length, at);
		if (!r && host->progress(what, at + extent.length, size, err))
			return -1;
	}
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: %s", what) : 0;
}

/* --- files and descriptors --- */

char *ploop_ops_new_name(struct ploop_disk *disk, struct stor_err *err)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	char guid[GUID_TEXT_BYTES], *name = NULL;
	const char *base, *slash;
	int length;

	if (!ploop_descriptor_chain(&disk->descriptor, disk->descriptor.top, chain, err))
		return NULL;
	slash = strrchr(chain[0]->file, '/');
	base = slash ? slash + 1 : chain[0]->file;
	length = (int)strlen(base);
	/* A base that was itself made so. */
	if (length >= GUID_TEXT_BYTES + 1 && base[length - GUID_TEXT_BYTES] == '.' &&
	    guid_is_valid(base + length - (GUID_TEXT_BYTES - 1)))
		length -= GUID_TEXT_BYTES;
	if (guid_make(guid) < 0 || asprintf(&name, "%.*s.%s", length, base, guid) < 0) {
		host->fail(err, STOR_FAILED, errno, "ploop: name a new image of %s", disk->path);
		return NULL;
	}
	return name;
}

/* Size and version of the state that a new delta is to lie on. */
static int measure(struct ploop_disk *disk, const struct ploop_image *image, bool is_raw,
                   unsigned *version, uint64_t *sectors, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	cleanup_free uint8_t *page = aligned_alloc(PLOOP_PAGE_BYTES, PLOOP_PAGE_BYTES);
	struct ploop_header header;
	const char *why = NULL;
	uint64_t size;
	int r = page ? disk->dir->ops->open(disk->dir, image->file, 0, &file) : -ENOMEM;

	if (!r && is_raw) {
		r = file->ops->size(file, &size);
		*version = 2;
		*sectors = size / PLOOP_SECTOR;
	} else if (!r) {
		r = file->ops->pread(file, page, PLOOP_PAGE_BYTES, 0);
		why = r ? NULL : ploop_header_parse(page, &header);
	}
	if (r || why)
		return host->fail(err, STOR_FAILED, -r, "ploop: read image %s of %s%s%s",
		                  image->file, disk->path, why ? ": " : "", why ? why : "");
	if (!is_raw) {
		*version = header.version;
		*sectors = header.sectors;
	}
	return 0;
}

char *ploop_ops_new_delta(struct ploop_disk *disk, const char *parent, uint64_t *sectors,
                          struct stor_err *err)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	unsigned version = 0, count = ploop_descriptor_chain(&disk->descriptor, parent, chain, err);
	cleanup_free char *name = NULL;
	int r;

	if (!count)
		return NULL;
	if (count == PLOOP_CHAIN_MAX) {
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s has a chain of %u files already",
		           disk->path, count);
		host->hint(err, "merge snapshots");
		return NULL;
	}
	name = ploop_ops_new_name(disk, err);
	if (!name ||
	    measure(disk, chain[count - 1], count == 1 && chain[0]->is_plain, &version, sectors,
	            err) ||
	    ploop_image_create(disk->dir, name, version, disk->descriptor.cluster_sectors, *sectors,
	                       err))
		return NULL;
	r = disk->dir->ops->sync(disk->dir);
	if (!r)
		return steal_ptr(&name);
	(void)disk->dir->ops->unlink(disk->dir, name);
	host->fail(err, STOR_FAILED, -r, "ploop: make \"%s\"", name);
	return NULL;
}

int ploop_descriptor_copy(const struct ploop_descriptor *from, struct ploop_descriptor *to,
                          struct stor_err *err)
{
	*to = *from;
	to->images = calloc(from->image_count, sizeof(*to->images));
	to->shots = calloc(from->shot_count, sizeof(*to->shots));
	to->image_count = 0;
	if (!to->images || !to->shots)
		goto failed;
	memcpy(to->shots, from->shots, from->shot_count * sizeof(*to->shots));
	for (unsigned i = 0; i < from->image_count; i++) {
		to->images[i] = from->images[i];
		to->images[i].file = strdup(from->images[i].file);
		to->image_count++;
		if (!to->images[i].file)
			goto failed;
	}
	return 0;
failed:
	ploop_descriptor_free(to);
	return host->fail(err, STOR_FAILED, ENOMEM, "ploop: change " PLOOP_DESCRIPTOR_NAME);
}

void ploop_ops_adopt(struct ploop_disk *disk, struct ploop_descriptor *changed)
{
	ploop_descriptor_free(&disk->descriptor);
	disk->descriptor = *changed;
	memset(changed, 0, sizeof(*changed));
}
