/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume as files: see volume.h. */
#include "ploop/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"

#define LOCK_NAME PLOOP_DESCRIPTOR_NAME ".lck"
/* As far as stor_superblock_read() looks. */
#define SUPERBLOCK_BYTES (72u << 10)

static int lock_failed(const struct ploop_volume *pv, const char *name, struct stor_err *err)
{
	if (errno != EWOULDBLOCK)
		return host->fail(err, STOR_FAILED, errno, "ploop: lock %s/%s", pv->path, name);
	return host->fail(err, STOR_BUSY, 0, "ploop: %s/%s is in use", pv->path, name);
}

static uint32_t at_least(uint32_t wait_ms)
{
	return wait_ms < PLOOP_RELEASE_WAIT_MS ? PLOOP_RELEASE_WAIT_MS : wait_ms;
}

static int lock_file(int fd, int operation, uint32_t wait_ms)
{
	return copyfile_lock(fd, operation, at_least(wait_ms));
}

/* False once the time is over. */
static bool pause_until(int64_t end_ms)
{
	static const struct timespec pause = { .tv_nsec = 10000000 };

	if (monotonic_ms() >= end_ms)
		return false;
	nanosleep(&pause, NULL);
	return true;
}

/* A volume that cannot be written to needs no lock against those who write. */
static int lock_descriptor(struct ploop_volume *pv, unsigned flags, uint32_t wait_ms,
                           struct stor_err *err)
{
	int operation = flags & PLOOP_VOLUME_EXCLUSIVE ? LOCK_EX : LOCK_SH;
	int mode = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;

	if (faccessat(pv->dir_fd, PLOOP_DESCRIPTOR_NAME, F_OK, 0) < 0)
		return host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                  "ploop: %s/" PLOOP_DESCRIPTOR_NAME, pv->path);
	if (!(flags & PLOOP_VOLUME_READS))
		mode |= O_CREAT;
	pv->lock_fd = openat(pv->dir_fd, LOCK_NAME, mode, 0600);
	/* EROFS: nobody else writes there either. */
	if (pv->lock_fd < 0 && (errno == EROFS || (errno == ENOENT && flags & PLOOP_VOLUME_READS)))
		return 0;
	if (pv->lock_fd < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: open %s/" LOCK_NAME, pv->path);
	return lock_file(pv->lock_fd, operation, wait_ms) ? lock_failed(pv, LOCK_NAME, err) : 0;
}

static int fail_served(const struct ploop_volume *pv, const char *name, struct stor_err *err)
{
	host->fail(err, STOR_BUSY, 0, "ploop: %s is in use: the kernel's driver has it as %s",
	           pv->path, name);
	host->hint(err, "ploop list shows where it is mounted");
	return -1;
}

/* Has a device one of the volume's own files, or does it write to one that they lie on? -1: no
 * memory. */
static int find_device(const struct ploop_volume *pv, char name[PLOOP_DRIVER_NAME_BYTES])
{
	const struct ploop_descriptor *d = &pv->descriptor;
	cleanup_free struct ploop_driver_file *files = calloc(d->image_count, sizeof(*files));
	unsigned count = 0;
	struct stat st;

	if (!files)
		return -1;
	for (unsigned i = 0; i < d->image_count; i++)
		if (!fstatat(pv->dir_fd, d->images[i].file, &st, 0))
			files[count++] = (struct ploop_driver_file){
				.dev = st.st_dev,
				.inode = st.st_ino,
				.writes = !strchr(d->images[i].file, '/'),
			};
	return ploop_driver_has(files, count, name);
}

static int refuse_served(const struct ploop_volume *pv, uint32_t wait_ms, struct stor_err *err)
{
	int64_t end_ms = monotonic_ms() + at_least(wait_ms);
	char name[PLOOP_DRIVER_NAME_BYTES];
	int found;

	while ((found = find_device(pv, name)) > 0)
		if (!pause_until(end_ms))
			return fail_served(pv, name, err);
	return found ? host->fail(err, STOR_FAILED, ENOMEM, "ploop: open %s", pv->path) : 0;
}

bool ploop_volume_has_device(const struct ploop_volume *pv)
{
	char name[PLOOP_DRIVER_NAME_BYTES];

	return find_device(pv, name) > 0;
}

static int open_dir(struct ploop_volume *pv, struct stor_err *err)
{
	pv->dir_fd = open(pv->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pv->dir_fd < 0)
		return host->fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                  "ploop: open %s", pv->path);
	pv->dir = ploop_dir_open_fd(pv->dir_fd);
	return pv->dir ? 0 : host->fail(err, STOR_FAILED, errno, "ploop: open %s", pv->path);
}

/* A lone image is a base: its header says all that a descriptor would. */
static int describe_lone(struct ploop_volume *pv, const char *name, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header;
	const char *why = NULL;
	int r = pv->dir->ops->open(pv->dir, name, 0, &file);

	if (!r)
		r = file->ops->pread(file, raw, sizeof(raw), 0);
	if (r)
		return host->fail(err, r == -ENOENT ? STOR_NOT_FOUND : STOR_FAILED, -r,
		                  "ploop: read %s/%s", pv->path, name);
	why = ploop_header_parse(raw, &header);
	if (why) {
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s/%s: %s", pv->path, name, why);
		host->hint(err, "a raw disk needs its " PLOOP_DESCRIPTOR_NAME);
		return -1;
	}
	if (ploop_descriptor_make(&pv->descriptor, header.sectors, header.cluster_sectors, name,
	                          false) < 0)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: open %s/%s", pv->path, name);
	return 0;
}

int ploop_volume_open_dir(const char *path, unsigned flags, uint32_t wait_ms,
                          struct ploop_volume *pv, struct stor_err *err)
{
	*pv = (struct ploop_volume)PLOOP_VOLUME_INIT;
	pv->is_unlocked = flags & PLOOP_VOLUME_UNLOCKED;
	pv->may_be_served = flags & (PLOOP_VOLUME_SERVED | PLOOP_VOLUME_UNLOCKED);
	pv->has_descriptor = true;
	snprintf(pv->path, sizeof(pv->path), "%s", path);
	if (!open_dir(pv, err) &&
	    (flags & PLOOP_VOLUME_UNLOCKED || !lock_descriptor(pv, flags, wait_ms, err)) &&
	    !ploop_descriptor_load(pv->dir, &pv->descriptor, err) &&
	    (!(flags & PLOOP_VOLUME_EXCLUSIVE) || !refuse_served(pv, wait_ms, err)))
		return 0;
	ploop_volume_close(pv);
	return -1;
}

/* Splits "dir/name" in place. */
static const char *split_path(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return path;
	*slash = '\0';
	return slash + 1;
}

static int open_file(const char *path, unsigned flags, uint32_t wait_ms, struct ploop_volume *pv,
                     struct stor_err *err)
{
	char dir[PATH_MAX];
	const char *name;

	snprintf(dir, sizeof(dir), "%s", path);
	name = split_path(dir);
	if (strlen(name) > 4 && !strcmp(name + strlen(name) - 4, ".xml"))
		return ploop_volume_open_dir(*dir ? dir : "/", flags, wait_ms, pv, err);
	*pv = (struct ploop_volume)PLOOP_VOLUME_INIT;
	pv->is_unlocked = flags & PLOOP_VOLUME_UNLOCKED;
	pv->may_be_served = flags & (PLOOP_VOLUME_SERVED | PLOOP_VOLUME_UNLOCKED);
	snprintf(pv->path, sizeof(pv->path), "%s", *dir ? dir : "/");
	if (!open_dir(pv, err) && !describe_lone(pv, name, err))
		return 0;
	ploop_volume_close(pv);
	return -1;
}

int ploop_volume_open(const struct stor_volume *volume, unsigned flags, uint32_t wait_ms,
                      struct ploop_volume *pv, struct stor_err *err)
{
	bool is_foreign = volume->flags & STOR_VOLUME_FOREIGN;
	struct stat st;
	int r;

	if (is_foreign && !stat(volume->path, &st) && !S_ISDIR(st.st_mode))
		r = open_file(volume->path, flags, wait_ms, pv, err);
	else
		r = ploop_volume_open_dir(volume->path, flags, wait_ms, pv, err);
	pv->is_foreign = is_foreign;
	return r;
}

/* A descriptor of any origin must not make somebody's disk out of a device, or of another's image.
 */
static int check_origin(const struct ploop_volume *pv, const struct ploop_link *link,
                        struct stor_err *err)
{
	char proc[64], dir[PATH_MAX], file[PATH_MAX];
	ssize_t dir_length, length;
	struct stat st;

	if (fstat(link->file->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: image %s of %s is no file",
		                  link->name, pv->path);
	if (!pv->is_foreign)
		return 0;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", pv->dir_fd);
	dir_length = readlink(proc, dir, sizeof(dir));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", link->file->fd);
	length = readlink(proc, file, sizeof(file));
	if (dir_length < 0 || length < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: locate image %s of %s",
		                  link->name, pv->path);
	if (dir_length == 1 || (length > dir_length && !memcmp(dir, file, (size_t)dir_length) &&
	                        file[dir_length] == '/'))
		return 0;
	host->fail(err, STOR_UNSUPPORTED, 0, "ploop: image %s of %s lies outside its folder",
	           link->name, pv->path);
	host->hint(err, "move it there, and name it so in " PLOOP_DESCRIPTOR_NAME);
	return -1;
}

static int open_link(struct ploop_volume *pv, unsigned index, bool writes, uint32_t wait_ms,
                     struct stor_err *err)
{
	struct ploop_link *link = &pv->links[index];
	int r = pv->dir->ops->open(pv->dir, link->name, writes ? PLOOP_OPEN_WRITE : 0, &link->file);

	if (r)
		return host->fail(err, r == -ENOENT ? STOR_NOT_FOUND : STOR_FAILED, -r,
		                  "ploop: open image %s of %s", link->name, pv->path);
	pv->count = index + 1;
	if (check_origin(pv, link, err))
		return -1;
	if (!pv->is_unlocked && lock_file(link->file->fd, writes ? LOCK_EX : LOCK_SH, wait_ms))
		return lock_failed(pv, link->name, err);
	return 0;
}

/* All but the last `omitted` files of a chain. */
static int open_links(struct ploop_volume *pv, const char *guid, unsigned omitted, bool writes,
                      uint32_t wait_ms, struct stor_err *err)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	unsigned count = ploop_descriptor_chain(&pv->descriptor, guid, chain, err);

	if (!count)
		return -1;
	count -= omitted;
	for (unsigned i = 0; i < count; i++) {
		/* Type Plain stands at every image of a raw disk, but only its base is raw. */
		pv->links[i] = (struct ploop_link){ .is_raw = !i && chain[0]->is_plain,
			                            .name = chain[i]->file };
		if (open_link(pv, i, writes && i == count - 1, wait_ms, err)) {
			ploop_volume_close_chain(pv);
			return -1;
		}
	}
	return 0;
}

bool ploop_volume_is_served(const struct ploop_volume *pv, bool writes,
                            char name[PLOOP_DRIVER_NAME_BYTES])
{
	struct ploop_driver_file files[PLOOP_CHAIN_MAX];
	unsigned count = 0;
	struct stat st;

	for (unsigned i = 0; i < pv->count; i++)
		if (!fstat(pv->links[i].file->fd, &st))
			files[count++] = (struct ploop_driver_file){
				.dev = st.st_dev,
				.inode = st.st_ino,
				.writes = writes && i == pv->count - 1,
			};
	return ploop_driver_has(files, count, name);
}

/* The files of a chain, once no device has them. Whoever takes that down needs the lock of the top.
 */
static int open_unserved(struct ploop_volume *pv, const char *guid, unsigned omitted, bool writes,
                         uint32_t wait_ms, struct stor_err *err)
{
	int64_t end_ms = monotonic_ms() + at_least(wait_ms);
	char name[PLOOP_DRIVER_NAME_BYTES];

	for (;;) {
		if (open_links(pv, guid, omitted, writes, wait_ms, err))
			return -1;
		if (pv->may_be_served || !ploop_volume_is_served(pv, writes, name))
			return 0;
		ploop_volume_close_chain(pv);
		if (!pause_until(end_ms))
			return fail_served(pv, name, err);
	}
}

int ploop_volume_open_chain(struct ploop_volume *pv, const char *guid, bool writes,
                            uint32_t wait_ms, struct stor_err *err)
{
	return open_unserved(pv, guid ? guid : pv->descriptor.top, 0, writes, wait_ms, err);
}

int ploop_volume_open_below(struct ploop_volume *pv, struct stor_err *err)
{
	return open_unserved(pv, pv->descriptor.top, 1, false, 0, err);
}

void ploop_volume_close_chain(struct ploop_volume *pv)
{
	for (unsigned i = 0; i < pv->count; i++)
		ploop_file_close(pv->links[i].file);
	pv->count = 0;
}

void ploop_volume_close(struct ploop_volume *pv)
{
	ploop_volume_close_chain(pv);
	ploop_descriptor_free(&pv->descriptor);
	ploop_dir_close(pv->dir);
	pv->dir = NULL;
	close_fd(&pv->lock_fd);
	close_fd(&pv->dir_fd);
}

struct ploop_open_params ploop_volume_params(const struct ploop_volume *pv, bool writes)
{
	return (struct ploop_open_params){
		.links = pv->links,
		.count = pv->count,
		.writable = writes,
		.cluster_sectors = pv->descriptor.cluster_sectors,
		/* Its lock is ours: whoever left the mark is gone. */
		.recover = true,
	};
}

struct ploop_engine *ploop_volume_engine(struct ploop_volume *pv, bool writes, struct stor_err *err)
{
	struct ploop_open_params params = ploop_volume_params(pv, writes);
	struct ploop_engine *engine = ploop_engine_open(&params, err);

	for (unsigned i = 0; engine && i < pv->count; i++)
		pv->links[i].file = NULL;
	return engine;
}

int ploop_volume_describe(struct ploop_dir *dir, const struct ploop_descriptor *descriptor,
                          bool is_lasting, struct stor_err *err)
{
	cleanup_free char *text = is_lasting ? NULL : ploop_descriptor_format(descriptor);
	cleanup_ploop_file struct ploop_file *file = NULL, *lock = NULL;
	int r = dir->ops->open(dir, LOCK_NAME, PLOOP_OPEN_CREATE, &lock);

	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: make " LOCK_NAME);
	if (is_lasting)
		return ploop_descriptor_store(dir, descriptor, err);
	r = text ? dir->ops->open(dir, PLOOP_DESCRIPTOR_NAME, PLOOP_OPEN_CREATE, &file) : -ENOMEM;
	if (!r)
		r = file->ops->pwrite(file, text, strlen(text), 0);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write " PLOOP_DESCRIPTOR_NAME) : 0;
}

/* The claims of the filesystem there, by way of a file in memory. */
static int read_superblock(struct blockdev *dev, struct ploop_extent *extent)
{
	cleanup_close int fd = memfd_create("superblock", MFD_CLOEXEC);
	uint64_t size =
		extent->size_bytes < SUPERBLOCK_BYTES ? extent->size_bytes : SUPERBLOCK_BYTES;
	cleanup_free char *start = malloc(SUPERBLOCK_BYTES);
	struct stor_superblock sb;
	int r;

	if (fd < 0 || !start)
		return -ENOMEM;
	r = blockdev_pread(dev, start, size, extent->offset_bytes);
	if (r)
		return r;
	if (pwrite_all(fd, start, size, 0) < 0 || stor_superblock_read(fd, &sb) < 0)
		return -errno;
	extent->block_bytes = sb.fs_type ? sb.block_bytes : 512;
	return 0;
}

int ploop_find_filesystem(struct blockdev *dev, const char *path, struct ploop_extent *extent,
                          struct stor_err *err)
{
	struct gpt_partition partition;
	enum gpt_state state;
	int r = gpt_read(dev, &state, &partition);

	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: %s: read partition table", path);
	if (state == GPT_DAMAGED) {
		host->fail(err, STOR_FAILED, 0, "ploop: %s: its partition table is damaged", path);
		host->hint(err, "stor volume check");
		return -1;
	}
	*extent = (struct ploop_extent){ .size_bytes = dev->size_bytes };
	if (state != GPT_NONE) {
		extent->is_partition = true;
		extent->offset_bytes = partition.first_sector * PLOOP_SECTOR;
		extent->size_bytes = partition.sectors * PLOOP_SECTOR;
	}
	if (extent->offset_bytes > dev->size_bytes ||
	    extent->size_bytes > dev->size_bytes - extent->offset_bytes)
		return host->fail(err, STOR_FAILED, 0,
		                  "ploop: %s: its partition ends beyond the disk", path);
	r = read_superblock(dev, extent);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: %s: read filesystem", path) : 0;
}
