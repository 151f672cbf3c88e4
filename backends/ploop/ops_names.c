/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users call snapshots, and the list of them. */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stor/util.h>

#include "common/host.h"

#define NAMES_MAX (1u << 20)
#define NAMES_TEMPORARY PLOOP_NAMES_NAME ".tmp"
#define ID_BYTES 65

/* 64 bits of a text: FNV-1a, then mixed so that every bit depends on every other. */
static uint64_t hash(const char *text, uint64_t seed)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

void ploop_snapshot_guid(const char *id, char guid[GUID_TEXT_BYTES])
{
	uint64_t high = hash(id, 0), low = hash(id, UINT64_C(0x73746f7220736e61));

	if (guid_is_valid(id)) {
		snprintf(guid, GUID_TEXT_BYTES, "%s", id);
		return;
	}
	snprintf(guid, GUID_TEXT_BYTES, "{%.36s}", id);
	if (strlen(id) == 36 && guid_is_valid(guid))
		return;
	high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x8000);
	low = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
	snprintf(guid, GUID_TEXT_BYTES, "{%08x-%04x-%04x-%04x-%012" PRIx64 "}",
	         (unsigned)(high >> 32), (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xffff,
	         (unsigned)(low >> 48), low & UINT64_C(0xffffffffffff));
}

/* The file's text, or an empty one: it only serves to list. */
static char *load(struct ploop_disk *disk)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	uint64_t size = 0;
	char *text;

	if (disk->dir->ops->open(disk->dir, PLOOP_NAMES_NAME, PLOOP_OPEN_OWN, &file) ||
	    file->ops->size(file, &size) || size > NAMES_MAX)
		size = 0;
	text = calloc(1, size + 1);
	if (text && size && file->ops->pread(file, text, size, 0))
		*text = '\0';
	return text;
}

/* One line: false when it is none. */
static bool read_line(const char *line, char guid[GUID_TEXT_BYTES], int64_t *seconds,
                      char id[ID_BYTES])
{
	return sscanf(line, "%38s %" SCNd64 " %64[A-Za-z0-9_.-]", guid, seconds, id) == 3 &&
	       guid_is_valid(guid);
}

int ploop_names_add(struct ploop_disk *disk, const char *id, const char *guid, struct stor_err *err)
{
	cleanup_free char *old = load(disk), *text = NULL;
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_dir *dir = disk->dir;
	char known[GUID_TEXT_BYTES], name[ID_BYTES], *save = NULL;
	int64_t seconds;
	size_t length = 0;
	int r = 0;

	if (old)
		text = malloc(strlen(old) + ID_BYTES + GUID_TEXT_BYTES + 32);
	if (!text)
		r = -ENOMEM;
	for (char *line = r ? NULL : strtok_r(old, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (read_line(line, known, &seconds, name) && !guid_equal(known, guid) &&
		    ploop_descriptor_shot(&disk->descriptor, known))
			length += (size_t)sprintf(text + length, "%s\n", line);
	if (!r) {
		sprintf(text + length, "%s %" PRId64 " %.64s\n", guid, (int64_t)time(NULL), id);
		r = dir->ops->unlink(dir, NAMES_TEMPORARY);
		r = r == -ENOENT ? 0 : r;
	}
	if (!r)
		r = dir->ops->open(dir, NAMES_TEMPORARY, PLOOP_OPEN_CREATE, &file);
	if (!r)
		r = file->ops->pwrite(file, text, strlen(text), 0);
	if (!r)
		r = file->ops->sync(file);
	/* Durable with the descriptor, which is stored next. */
	if (!r)
		r = dir->ops->rename(dir, NAMES_TEMPORARY, PLOOP_NAMES_NAME);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write %s/" PLOOP_NAMES_NAME, disk->path)
	         : 0;
}

static bool is_hidden(const struct ploop_descriptor *d, const struct ploop_shot *shot)
{
	return shot->is_temporary || guid_equal(shot->guid, d->top);
}

/* The nearest state below that a user may see; NULL: none. */
static const struct ploop_shot *visible_parent(const struct ploop_descriptor *d,
                                               const struct ploop_shot *shot)
{
	unsigned steps = 0;

	do
		shot = ploop_descriptor_shot(d, shot->parent);
	while (shot && is_hidden(d, shot) && steps++ < d->shot_count);
	return shot;
}

static void name_of(const char *names, const struct ploop_shot *shot, char id[ID_BYTES],
                    int64_t *seconds)
{
	char guid[GUID_TEXT_BYTES];

	for (const char *line = names; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (read_line(line, guid, seconds, id) && guid_equal(guid, shot->guid))
			return;
	}
	*seconds = -1;
	snprintf(id, ID_BYTES, "%.36s", shot->guid + 1);
}

static unsigned depth_of(const struct ploop_descriptor *d, const struct ploop_shot *shot)
{
	unsigned depth = 0;

	while (depth <= d->shot_count && (shot = ploop_descriptor_shot(d, shot->parent)))
		depth++;
	return depth;
}

int ploop_op_snapshots(struct ploop_disk *disk, stor_snapshot_fn emit, void *ctx,
                       struct stor_err *err)
{
	const struct ploop_descriptor *d = &disk->descriptor;
	const struct ploop_shot *current = visible_parent(d, ploop_descriptor_shot(d, d->top));
	cleanup_free char *names = load(disk);

	if (!names)
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: list snapshots of %s",
		                  disk->path);
	/* Parents before their children. */
	for (unsigned depth = 0; depth <= d->shot_count; depth++) {
		for (unsigned i = 0; i < d->shot_count; i++) {
			const struct ploop_shot *shot = &d->shots[i], *parent;
			struct stor_snapshot snapshot = { .struct_size = sizeof(snapshot) };
			char id[ID_BYTES], parent_id[ID_BYTES];
			int64_t ignored;

			if (is_hidden(d, shot) || depth_of(d, shot) != depth)
				continue;
			parent = visible_parent(d, shot);
			name_of(names, shot, id, &snapshot.created_seconds);
			if (parent)
				name_of(names, parent, parent_id, &ignored);
			snapshot.id = id;
			snapshot.parent = parent ? parent_id : NULL;
			snapshot.is_current = shot == current;
			if (emit(ctx, &snapshot))
				return host->fail(err, STOR_FAILED, 0,
				                  "ploop: list snapshots of %s", disk->path);
		}
	}
	return 0;
}

struct ploop_shot *ploop_ops_find(struct ploop_disk *disk, const char *id, struct stor_err *err)
{
	char guid[GUID_TEXT_BYTES];
	struct ploop_shot *shot;

	ploop_snapshot_guid(id, guid);
	shot = ploop_descriptor_shot(&disk->descriptor, guid);
	if (shot && !is_hidden(&disk->descriptor, shot))
		return shot;
	host->fail(err, STOR_NOT_FOUND, 0, "ploop: %s has no snapshot \"%s\"", disk->path, id);
	return NULL;
}

bool ploop_ops_is_pending(struct ploop_disk *disk, const char *id)
{
	char guid[GUID_TEXT_BYTES];
	const struct ploop_shot *shot;

	ploop_snapshot_guid(id, guid);
	shot = ploop_descriptor_shot(&disk->descriptor, guid);
	return shot && shot->is_temporary;
}
