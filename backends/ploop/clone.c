/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of volumes: all files of one, sharing their blocks where the store can; or, at once, an
 * empty delta on top of the other's files, which must then stay as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "common/copyfile.h"
#include "common/host.h"
#include "ploop/backend.h"
#include "ploop/image.h"
#include "ploop/volume.h"

struct clone {
	const struct stor_clone_req *req;
	struct ploop_volume from;
	struct ploop_dir *to;
	struct ploop_descriptor descriptor; /* of the new volume */
	struct copyfile copy;
	bool is_lasting;
};

/* --- copies --- */

/* Name of a file's copy, which lies in the clone's folder whatever its path was. */
static void name_copy(const struct clone *c, unsigned index, char *buf, size_t size)
{
	if (index)
		snprintf(buf, size, PLOOP_BASE_NAME ".%s", c->descriptor.images[index].guid);
	else
		snprintf(buf, size, PLOOP_BASE_NAME);
}

static int copy_image(struct clone *c, unsigned index, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *from = NULL, *to = NULL;
	struct ploop_image *image = &c->descriptor.images[index];
	char name[sizeof(PLOOP_BASE_NAME) + 1 + GUID_TEXT_BYTES];
	uint64_t size = 0;
	int r;

	name_copy(c, index, name, sizeof(name));
	r = c->from.dir->ops->open(c->from.dir, image->file, 0, &from);
	if (!r && copyfile_lock(from->fd, LOCK_SH, 0))
		return host->fail(err, errno == EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, errno,
		                  "ploop: lock \"%s\"", image->file);
	if (!r)
		r = from->ops->size(from, &size);
	if (!r)
		r = c->to->ops->open(c->to, name, PLOOP_OPEN_CREATE, &to);
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: copy \"%s\"", image->file);
	if (copyfile_content(&c->copy, from->fd, to->fd, size, image->file, err) < 0)
		return -1;
	r = c->is_lasting ? to->ops->sync(to) : 0;
	if (r)
		return host->fail(err, STOR_FAILED, -r, "ploop: sync copy of \"%s\"", image->file);
	free(image->file);
	image->file = strdup(name);
	return image->file ? 0 : host->fail(err, STOR_FAILED, ENOMEM, "ploop: clone");
}

static int copy_all(struct clone *c, struct stor_err *err)
{
	const struct ploop_descriptor *from = &c->from.descriptor;
	struct ploop_descriptor *to = &c->descriptor;

	to->is_preallocated = from->is_preallocated;
	to->max_delta_sectors = from->max_delta_sectors;
	for (unsigned i = 0; i < from->image_count; i++) {
		const struct ploop_image *image = &from->images[i];
		const struct ploop_shot *shot = ploop_descriptor_shot(from, image->guid);
		struct stat st;

		if (ploop_descriptor_add(to, image->guid, shot ? shot->parent : PLOOP_NO_GUID,
		                         image->file, image->is_plain) < 0)
			return host->fail(err, STOR_FAILED, ENOMEM, "ploop: clone");
		if (shot)
			to->shots[i].is_temporary = shot->is_temporary;
		if (!fstatat(c->from.dir_fd, image->file, &st, 0))
			c->copy.total_bytes += (uint64_t)st.st_blocks * 512;
	}
	memcpy(to->top, from->top, GUID_TEXT_BYTES);
	for (unsigned i = 0; i < to->image_count; i++)
		if (copy_image(c, i, err))
			return -1;
	return 0;
}

/* --- deltas --- */

/* The source's chain, by absolute names: a folder may move before it is used. */
static int add_parents(struct clone *c, struct stor_err *err)
{
	char parent[GUID_TEXT_BYTES] = PLOOP_NO_GUID, guid[GUID_TEXT_BYTES], target[PATH_MAX];

	for (unsigned i = 0; i < c->from.count; i++) {
		char link[64];
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", c->from.links[i].file->fd);
		n = readlink(link, target, sizeof(target) - 1);
		if (n < 0 || guid_make(guid) < 0)
			return host->fail(err, STOR_FAILED, errno, "ploop: locate \"%s\"",
			                  c->from.links[i].name);
		target[n] = '\0';
		if (ploop_descriptor_add(&c->descriptor, guid, parent, target,
		                         c->from.links[0].is_raw) < 0)
			return host->fail(err, STOR_FAILED, ENOMEM, "ploop: clone");
		memcpy(parent, guid, sizeof(parent));
	}
	memcpy(c->descriptor.top, PLOOP_TOP_GUID, sizeof(PLOOP_TOP_GUID));
	if (ploop_descriptor_add(&c->descriptor, PLOOP_TOP_GUID, parent, PLOOP_BASE_NAME,
	                         c->from.links[0].is_raw) < 0)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: clone");
	return 0;
}

static int make_delta(struct clone *c, struct stor_err *err)
{
	struct ploop_link *top;
	uint8_t raw[PLOOP_HEADER_BYTES];
	struct ploop_header header = { .version = 2 };
	uint32_t cluster_sectors = c->from.descriptor.cluster_sectors;

	if (ploop_volume_open_chain(&c->from, NULL, false, 0, err))
		return -1;
	if (c->from.count == PLOOP_CHAIN_MAX)
		return host->fail(err, STOR_UNSUPPORTED, 0, "ploop: the chain of %s is too long",
		                  c->from.path);
	top = ploop_volume_top(&c->from);
	if (!top->is_raw) {
		int r = top->file->ops->pread(top->file, raw, sizeof(raw), 0);
		const char *why = r ? "it cannot be read" : ploop_header_parse(raw, &header);

		if (why)
			return host->fail(err, STOR_FAILED, -r, "ploop: clone \"%s\": %s",
			                  top->name, why);
		cluster_sectors = header.cluster_sectors;
	}
	c->descriptor.cluster_sectors = cluster_sectors;
	if (add_parents(c, err))
		return -1;
	return ploop_image_create(c->to, PLOOP_BASE_NAME, header.version, cluster_sectors,
	                          c->descriptor.sectors, err);
}

/* --- the callback --- */

static int drop_file(void *ctx, const char *name)
{
	struct ploop_dir *dir = ctx;

	dir->ops->unlink(dir, name);
	return 0;
}

static int make(struct clone *c, struct stor_err *err)
{
	int r = c->req->mode == STOR_CLONE_DELTA ? make_delta(c, err) : copy_all(c, err);

	kill_point("ploop-cloned");
	if (!r)
		r = ploop_volume_describe(c->to, &c->descriptor, c->is_lasting, err);
	if (r)
		c->to->ops->list(c->to, drop_file, c->to);
	return r;
}

int ploop_clone(const struct stor_volume *volume, const struct stor_clone_req *req,
                struct stor_err *err)
{
	cleanup_close int dir_fd = open(volume->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct clone c = { .req = req,
		           .copy = { .mode = req->mode },
		           .is_lasting = !(req->flags & STOR_CREATE_EPHEMERAL) };
	int r;

	if (ploop_volume_open(req->source, PLOOP_VOLUME_READS, 0, &c.from, err))
		return -1;
	c.descriptor.sectors = c.from.descriptor.sectors;
	c.descriptor.cluster_sectors = c.from.descriptor.cluster_sectors;
	c.to = dir_fd < 0 ? NULL : ploop_dir_open_fd(dir_fd);
	if (c.to)
		c.to->is_throwaway = !c.is_lasting;
	r = c.to ? make(&c, err)
	         : host->fail(err, STOR_FAILED, errno, "ploop: open %s", volume->path);
	ploop_dir_close(c.to);
	ploop_descriptor_free(&c.descriptor);
	ploop_volume_close(&c.from);
	return r;
}
