/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The check of a volume: the descriptor against the files, each image, the partition table, and
 * the filesystem with its own checker. The checker sees
 * the filesystem as a sparse copy that the engine reads out; only a repair is done on the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include <stor/superblock.h>
#include <stor/util.h>

#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/check.h"
#include "ploop/image.h"
#include "ploop/partition.h"
#include "ploop/tool.h"
#include "ploop/volume.h"
#include "ploop/window.h"

/* Exit statuses of e2fsck(8), a bit each. */
#define E2FSCK_LEFT 4
#define E2FSCK_FAILED 8

#define COPY_BYTES (1u << 20)

struct volume_check {
	struct ploop_check check;
	struct ploop_volume pv;
	const struct stor_volume *volume;
	bool is_outgrown;  /* the live state is larger than the descriptor says */
	bool is_too_large; /* for a file of the store's filesystem */
};

static int emit_nothing(void *ctx, const char *key, const char *value)
{
	(void)ctx;
	(void)key;
	(void)value;
	return 0;
}

/* --- files --- */

static const struct ploop_image *image_named(const struct ploop_descriptor *d, const char *name)
{
	for (unsigned i = 0; i < d->image_count; i++)
		if (!strcmp(d->images[i].file, name))
			return &d->images[i];
	return NULL;
}

/* An image that no state uses: an interrupted operation's, or one that somebody put there. */
static int check_orphan(void *ctx, const char *name)
{
	struct volume_check *c = ctx;
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_header header;

	if (image_named(&c->pv.descriptor, name) ||
	    c->pv.dir->ops->open(c->pv.dir, name, 0, &file) ||
	    !ploop_image_read_header(file, &header))
		return 0;
	return ploop_check_say(&c->check, "warning",
	                       "%s: an image that " PLOOP_DESCRIPTOR_NAME " does not name", name);
}

/* Files below and with a state; more than there are: it descends from itself. */
static unsigned depth_of(const struct ploop_descriptor *d, const struct ploop_shot *shot)
{
	unsigned depth = 0;

	while (shot && depth++ <= d->shot_count)
		shot = ploop_descriptor_shot(d, shot->parent);
	return depth;
}

/* Of what the parser lets pass: a circle, a parent that does not exist, too many files. */
static int check_states(struct volume_check *c)
{
	const struct ploop_descriptor *d = &c->pv.descriptor;
	int r = 0;

	for (unsigned i = 0; i < d->shot_count && !r; i++) {
		const struct ploop_shot *shot = &d->shots[i];

		if (!ploop_descriptor_image(d, shot->guid))
			r = ploop_check_say(&c->check, "error", "state %s has no image",
			                    shot->guid);
		else if (!guid_equal(shot->parent, PLOOP_NO_GUID) &&
		         !ploop_descriptor_shot(d, shot->parent))
			r = ploop_check_say(&c->check, "error",
			                    "state %s has a parent that does not exist",
			                    shot->guid);
		else if (depth_of(d, shot) > d->shot_count)
			r = ploop_check_say(&c->check, "error", "state %s descends from itself",
			                    shot->guid);
		else if (depth_of(d, shot) > PLOOP_CHAIN_MAX)
			r = ploop_check_say(&c->check, "error",
			                    "state %s lies on a chain of more than %u files",
			                    shot->guid, PLOOP_CHAIN_MAX);
	}
	return r;
}

/* --- images --- */

static bool is_raw_base(const struct volume_check *c, const struct ploop_image *image)
{
	const struct ploop_shot *shot = ploop_descriptor_shot(&c->pv.descriptor, image->guid);

	return image->is_plain && shot && guid_equal(shot->parent, PLOOP_NO_GUID);
}

/* Sectors of the disk as the image has them; 0: it cannot be read, which others say. */
static uint64_t sectors_of(struct volume_check *c, const struct ploop_image *image)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_header header;
	uint64_t size = 0;

	if (!image || c->pv.dir->ops->open(c->pv.dir, image->file, 0, &file))
		return 0;
	if (is_raw_base(c, image))
		return file->ops->size(file, &size) ? 0 : size / PLOOP_SECTOR;
	return ploop_image_read_header(file, &header) ? header.sectors : 0;
}

/* The disk is never larger below than above, or data would show that was cut off; and the live
 * state has all of it. */
static int check_size(struct volume_check *c, const struct ploop_image *image)
{
	const struct ploop_descriptor *d = &c->pv.descriptor;
	const struct ploop_shot *shot = ploop_descriptor_shot(d, image->guid);
	const struct ploop_image *parent = ploop_descriptor_image(d, shot->parent);
	uint64_t sectors = sectors_of(c, image), below = sectors_of(c, parent);

	if (!sectors)
		return 0;
	if (guid_equal(image->guid, d->top) && sectors < d->sectors)
		return ploop_check_say(&c->check, "error",
		                       "%s: the disk has %" PRIu64 " sectors, not %" PRIu64,
		                       image->file, sectors, d->sectors);
	if (guid_equal(image->guid, d->top) && !is_raw_base(c, image) &&
	    ploop_descriptor_is_outgrown(d, sectors)) {
		c->is_outgrown = true;
		return ploop_check_say(&c->check, c->check.repair ? "repaired" : "warning",
		                       "%s: the disk has %" PRIu64 " sectors, not %" PRIu64
		                       ": its resize was interrupted",
		                       image->file, sectors, d->sectors);
	}
	if (below > sectors)
		return ploop_check_say(&c->check, "error",
		                       "%s: the disk has %" PRIu64 " sectors, but %" PRIu64
		                       " in %s, which it lies on",
		                       image->file, sectors, below, parent->file);
	return 0;
}

static int check_header(struct volume_check *c, const struct ploop_image *image,
                        struct ploop_file *file)
{
	const struct ploop_descriptor *d = &c->pv.descriptor;
	struct ploop_header header;

	if (!ploop_image_read_header(file, &header))
		return 0;
	if (header.cluster_sectors != d->cluster_sectors)
		return ploop_check_say(&c->check, "error",
		                       "%s: clusters of %" PRIu32 " sectors, not %" PRIu32,
		                       image->file, header.cluster_sectors, d->cluster_sectors);
	return 0;
}

static int check_image(struct volume_check *c, const struct ploop_image *image,
                       struct stor_err *err)
{
	bool is_raw = is_raw_base(c, image);
	/* A parent in another volume's folder is that volume's to mend. */
	bool repairs = c->check.repair && !strchr(image->file, '/');
	struct ploop_check own = c->check;
	cleanup_ploop_file struct ploop_file *file = NULL;
	int r = c->pv.dir->ops->open(c->pv.dir, image->file, repairs ? PLOOP_OPEN_WRITE : 0, &file);

	if (r)
		return ploop_check_say(&c->check, "error", "%s: %s", image->file, strerror(-r));
	if (flock(file->fd, (repairs ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
		return host->fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, errno,
		                  "ploop: lock %s", image->file);
	if (is_raw)
		return 0;
	if (check_header(c, image, file))
		return -1;
	own = c->check;
	own.repair = repairs;
	r = ploop_check_image(file, image->file, &own, err);
	c->check.damaged = own.damaged;
	c->check.repaired = own.repaired;
	return r;
}

/* --- another opinion --- */

/*
 * What libploop says of the images, which were found sound. It wants the clusters of an image to be
 * written, or not, as wholes, and mends nothing here: so what it does not like is a warning.
 */
static int ask_libploop(struct volume_check *c, const struct ploop_image *image,
                        struct libploop_answer *answer, struct stor_err *err)
{
	struct libploop_job job = {
		.op = LIBPLOOP_CHECK,
		.dir_fd = c->pv.dir_fd,
		.name = image->file,
		.cluster_sectors = c->pv.descriptor.cluster_sectors,
	};

	if (libploop_run(&job, answer, err))
		return -1;
	if (answer->result != LIBPLOOP_REFUSED)
		return 0;
	return ploop_check_say(&c->check, "warning", "%s: libploop refuses it (%d): %s",
	                       image->file, answer->code, answer->text);
}

/* It takes the mark of a newer program for an in-use mark. */
static bool misleads_libploop(struct volume_check *c, const struct ploop_image *image)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_header header;

	return !c->pv.dir->ops->open(c->pv.dir, image->file, 0, &file) &&
	       ploop_image_read_header(file, &header) && header.mark == PLOOP_MARK_CLOSED_CBT;
}

static int second_opinion(struct volume_check *c, struct stor_err *err)
{
	enum ploop_tool_choice choice =
		(enum ploop_tool_choice)c->volume->values[PLOOP_PARAM_TOOL].number;
	const struct ploop_descriptor *d = &c->pv.descriptor;
	struct libploop_answer answer = { .result = LIBPLOOP_DONE };

	if (c->check.damaged || !ploop_tool_prefers_libploop(choice, LIBPLOOP_CHECK))
		return 0;
	for (unsigned i = 0; i < d->image_count && answer.result != LIBPLOOP_ABSENT; i++)
		if (!d->images[i].is_plain && !strchr(d->images[i].file, '/') &&
		    (choice == PLOOP_TOOL_LIBPLOOP || !misleads_libploop(c, &d->images[i])) &&
		    ask_libploop(c, &d->images[i], &answer, err))
			return -1;
	if (answer.result != LIBPLOOP_ABSENT)
		return 0;
	return choice == PLOOP_TOOL_LIBPLOOP ? libploop_fail(&answer, "check", err) : 0;
}

/* --- what the disk holds --- */

static int finish_resize(struct volume_check *c, struct blockdev *disk, struct stor_err *err)
{
	struct ploop_descriptor *d = &c->pv.descriptor;
	uint64_t end;
	int r;

	if (ploop_fit_partition(disk, d->cluster_sectors, c->pv.path, &end, err))
		return -1;
	r = blockdev_flush(disk);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: %s: partition table", c->pv.path);
	d->sectors = disk->size_bytes / PLOOP_SECTOR;
	return c->pv.has_descriptor ? ploop_descriptor_store(c->pv.dir, d, err) : 0;
}

static int check_partition(struct volume_check *c, struct ploop_engine *engine,
                           struct stor_err *err)
{
	struct blockdev *disk = ploop_engine_blockdev(engine);
	struct gpt_partition partition;
	enum gpt_state state;
	int r = gpt_read(disk, &state, &partition);

	if (!r && state == GPT_DAMAGED)
		return ploop_check_say(&c->check, "error", "the partition table is damaged");
	if (!r && c->is_outgrown)
		return c->check.repair ? finish_resize(c, disk, err) : 0;
	if (!r && state == GPT_ONE && !c->check.repair)
		return ploop_check_say(&c->check, "error",
		                       "one copy of the partition table is damaged");
	if (!r && state == GPT_ONE) {
		r = gpt_write(disk, &partition);
		if (!r)
			return ploop_check_say(&c->check, "repaired",
			                       "one copy of the partition table was damaged");
	}
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: %s: partition table", c->pv.path) : 0;
}

/* The filesystem as a sparse file without a name. */
static int copy_out(struct volume_check *c, struct blockdev *dev, struct stor_err *err)
{
	cleanup_close int fd = host->temp_file(err);
	cleanup_free char *buffer = malloc(COPY_BYTES);
	struct blockdev_extent extent = { .offset = 0 };
	int r = 0;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)dev->size_bytes) < 0 && errno == EFBIG) {
		c->is_too_large = true;
		return steal_fd(&fd);
	}
	if (!buffer || ftruncate(fd, (off_t)dev->size_bytes) < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: check %s", c->pv.path);
	for (uint64_t at = 0; at < dev->size_bytes && !r; at = extent.offset + extent.length) {
		r = blockdev_extent(dev, at, &extent);
		for (uint64_t done = 0; !r && extent.kind != BLOCKDEV_HOLE && done < extent.length;
		     done += COPY_BYTES) {
			uint64_t n = extent.length - done;

			n = n < COPY_BYTES ? n : COPY_BYTES;
			r = blockdev_pread(dev, buffer, n, at + done);
			if (!r && pwrite_all(fd, buffer, n, at + done) < 0)
				r = -errno;
		}
		if (!r && host->progress("reading", at, dev->size_bytes, err) < 0)
			return -1;
	}
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: check %s: read the filesystem",
		                  c->pv.path);
	return steal_fd(&fd);
}

/* Runs e2fsck on a descriptor of this process, which the program reaches by way of /proc. */
static int run_e2fsck(struct volume_check *c, int fd, const char *extended, const char *option,
                      struct stor_err *err)
{
	char path[64];
	const char *argv[6] = { "e2fsck", option };
	size_t n = 2;
	int status;

	snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)getpid(), fd);
	if (extended) {
		argv[n++] = "-E";
		argv[n++] = extended;
	}
	argv[n++] = path;
	status = host->run_program(argv, c->check.emit, c->check.ctx, err);
	if (status < 16)
		return status;
	return host->fail(err, STOR_FAILED, 0, "check %s: e2fsck ended with status %d", c->pv.path,
	                  status);
}

static int find_in_copy(struct volume_check *c, int fd, struct stor_err *err)
{
	struct stor_superblock sb;
	int status;

	if (stor_superblock_read(fd, &sb) < 0)
		return host->fail(err, STOR_FAILED, errno, "check %s", c->pv.path);
	if (sb.fs_type && strncmp(sb.fs_type, "ext", 3) != 0)
		return ploop_check_say(&c->check, "note", "%s: not looked at", sb.fs_type);
	/* e2fsck -n does not replay the journal, and calls damage what a replay mends. */
	if (sb.fs_type && sb.needs_recovery && run_e2fsck(c, fd, "journal_only", "-fy", err) < 0)
		return -1;
	status = run_e2fsck(c, fd, NULL, "-fn", err);
	if (status < 0)
		return -1;
	return status ? ploop_check_say(&c->check, "error", "the filesystem is damaged") : 0;
}

static int check_filesystem(struct volume_check *c, struct ploop_engine *engine,
                            struct stor_err *err)
{
	struct blockdev *disk = ploop_engine_blockdev(engine), *dev;
	cleanup_close int fd = -1;
	struct ploop_extent extent;

	if (ploop_find_filesystem(disk, c->pv.path, &extent, err))
		return -1;
	dev = window_open(disk, extent.offset_bytes, extent.size_bytes);
	if (!dev)
		return host->fail(err, STOR_FAILED, errno, "check %s", c->pv.path);
	fd = copy_out(c, dev, err);
	blockdev_close(dev);
	if (fd < 0)
		return -1;
	return c->is_too_large ? 0 : find_in_copy(c, fd, err);
}

/* --- on its device --- */

/* One that no copy can be made of. Its journal could not be replayed there. */
static int look_at_device(struct volume_check *c, struct stor_err *err)
{
	struct stor_attach_req req = { .struct_size = sizeof(req),
		                       .flags = STOR_ATTACH_READ_ONLY,
		                       .userns_fd = -1 };
	struct stor_attachment at = { .struct_size = sizeof(at) };
	struct stor_superblock sb;
	int r = ploop_attach(c->volume, &req, &at, err);

	if (r)
		return -1;
	if (stor_superblock_read(at.fd, &sb) < 0)
		r = host->fail(err, STOR_FAILED, errno, "check %s", c->volume->path);
	else if (sb.fs_type && !strncmp(sb.fs_type, "ext", 3) && sb.needs_recovery)
		r = ploop_check_say(&c->check, "note",
		                    "the filesystem was not looked at, for it was not unmounted: "
		                    "it is mended when it is mounted, or by a repair");
	else
		r = find_in_copy(c, at.fd, err);
	close_fd(&at.fd);
	close_fd(&at.control_fd);
	close_fd(&at.server_pidfd);
	close_fd(&at.lock_fd);
	return r;
}

static int repair_device(struct volume_check *c, int fd, struct stor_err *err)
{
	int status = run_e2fsck(c, fd, NULL, "-fp", err);

	/* -p leaves to a person's decision what could lose data; that person has asked. */
	if (status > 0 && status & (E2FSCK_LEFT | E2FSCK_FAILED))
		status = run_e2fsck(c, fd, NULL, "-fy", err);
	if (status < 0)
		return -1;
	if (status & (E2FSCK_LEFT | E2FSCK_FAILED))
		return ploop_check_say(&c->check, "error", "the filesystem is damaged");
	return status ? ploop_check_say(&c->check, "repaired", "the filesystem") : 0;
}

static int repair_filesystem(struct volume_check *c, struct stor_err *err)
{
	struct stor_attach_req req = { .struct_size = sizeof(req), .userns_fd = -1 };
	struct stor_attachment at = { .struct_size = sizeof(at) };
	struct stor_superblock sb;
	int r = ploop_attach(c->volume, &req, &at, err);

	if (r)
		return -1;
	if (stor_superblock_read(at.fd, &sb) < 0)
		r = host->fail(err, STOR_FAILED, errno, "check %s", c->volume->path);
	else if (sb.fs_type && strncmp(sb.fs_type, "ext", 3) != 0)
		r = ploop_check_say(&c->check, "note", "%s: not looked at", sb.fs_type);
	else
		r = repair_device(c, at.fd, err);
	return ploop_end_attachment(c->volume, &at, err) ? -1 : r;
}

/* --- all of it --- */

static int check_files(struct volume_check *c, struct stor_err *err)
{
	const struct ploop_descriptor *d = &c->pv.descriptor;

	if (check_states(c))
		return -1;
	for (unsigned i = 0; i < d->image_count; i++)
		if (check_image(c, &d->images[i], err))
			return -1;
	for (unsigned i = 0; i < d->image_count; i++)
		if (check_size(c, &d->images[i]))
			return -1;
	return c->pv.has_descriptor ? c->pv.dir->ops->list(c->pv.dir, check_orphan, c) : 0;
}

static int check_disk(struct volume_check *c, struct stor_err *err)
{
	bool repair = c->check.repair;
	struct ploop_engine *engine;
	int r;

	if (c->check.damaged)
		return ploop_check_say(
			&c->check, "note",
			"the filesystem was not looked at, for the images are damaged");
	if (ploop_volume_open_chain(&c->pv, NULL, repair, 0, err))
		return -1;
	engine = ploop_volume_engine(&c->pv, repair, err);
	if (!engine)
		return -1;
	r = check_partition(c, engine, err);
	if (!r && !repair && !c->check.damaged)
		r = check_filesystem(c, engine, err);
	return ploop_engine_close(engine, err) || r ? -1 : 0;
}

int ploop_check(const struct stor_volume *volume, const struct stor_check_req *req,
                enum stor_verdict *verdict, struct stor_err *err)
{
	bool repair = req->flags & STOR_CHECK_REPAIR;
	struct volume_check c = {
		.check = { .emit = req->emit ? req->emit : emit_nothing,
		           .ctx = req->emit_ctx,
		           .repair = repair },
		.volume = volume,
	};
	int r;

	if (ploop_volume_open(volume, repair ? PLOOP_VOLUME_EXCLUSIVE : PLOOP_VOLUME_READS, 0,
	                      &c.pv, err))
		return -1;
	r = check_files(&c, err);
	if (!r)
		r = second_opinion(&c, err);
	if (!r)
		r = check_disk(&c, err);
	ploop_volume_close(&c.pv);
	if (!r && c.is_too_large)
		r = look_at_device(&c, err);
	if (!r && repair && !c.check.damaged)
		r = repair_filesystem(&c, err);
	*verdict = ploop_check_verdict(&c.check);
	return r;
}
