/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Merging snapshots into their child: the file of the lowest takes over what lies above it. */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/tool.h"
#include "ploop/internal.h"

static const struct ploop_shot *only_child(const struct ploop_descriptor *d, const char *guid)
{
	const struct ploop_shot *child = NULL;

	for (unsigned i = 0; i < d->shot_count; i++) {
		if (!guid_equal(d->shots[i].parent, guid))
			continue;
		if (child)
			return NULL;
		child = &d->shots[i];
	}
	return child;
}

/* Part of a chain: `lowest` up to `newest`, and the child that they become part of. */
struct range {
	const struct ploop_image *chain[PLOOP_CHAIN_MAX]; /* up to and including the child */
	unsigned count;
	unsigned lowest;
	char child[GUID_TEXT_BYTES];
};

/* Before anything is changed. */
static int check_writable(struct ploop_disk *disk, const char *name, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	int r;

	if (!ploop_file_is_own(name))
		return host->fail(err, STOR_UNSUPPORTED, 0,
		                  "ploop: merge %s: image %s is shared with another volume",
		                  disk->path, name);
	r = disk->dir->ops->open(disk->dir, name,
	                         disk->open_flags | PLOOP_OPEN_WRITE | PLOOP_OPEN_OWN, &file);
	return r ? host->fail(err, r == -EWOULDBLOCK ? STOR_BUSY : STOR_FAILED, -r,
	                      "ploop: merge %s: open image %s", disk->path, name)
	         : 0;
}

/* Nothing else may lie on a state of the range. */
static int check_range(struct ploop_disk *disk, const struct range *range, struct stor_err *err)
{
	for (unsigned i = range->lowest; i < range->count - 1; i++) {
		const char *guid = range->chain[i]->guid;

		if (only_child(&disk->descriptor, guid))
			continue;
		host->fail(err, STOR_UNSUPPORTED, 0,
		           "ploop: merge %s: snapshot %s has other children", disk->path, guid);
		host->hint(err, "delete or merge those first");
		return -1;
	}
	return check_writable(disk, range->chain[range->lowest]->file, err);
}

static int find_range(struct ploop_disk *disk, const char *newest, const char *lowest,
                      struct range *range, struct stor_err *err)
{
	const struct ploop_shot *child = only_child(&disk->descriptor, newest);

	if (!child) {
		host->fail(err, STOR_UNSUPPORTED, 0, "ploop: merge %s: snapshot %s has %s",
		           disk->path, newest,
		           ploop_descriptor_children(&disk->descriptor, newest)
		                   ? "several children"
		                   : "no child to be merged into");
		host->hint(err, "`stor volume snapshot-rm` removes it");
		return -1;
	}
	memcpy(range->child, child->guid, sizeof(range->child));
	range->count = ploop_descriptor_chain(&disk->descriptor, child->guid, range->chain, err);
	if (!range->count)
		return -1;
	range->lowest = range->count - 1;
	while (range->lowest && !guid_equal(range->chain[range->lowest]->guid, lowest))
		range->lowest--;
	if (!guid_equal(range->chain[range->lowest]->guid, lowest))
		return host->fail(err, STOR_USAGE, 0, "ploop: merge %s: %s does not lie below %s",
		                  disk->path, lowest, newest);
	return check_range(disk, range, err);
}

/* The parents cease to be snapshots before the first of them is written to. */
static int mark_temporary(struct ploop_disk *disk, const struct range *range, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	struct ploop_intent intent = { .text = NULL };

	if (ploop_op_fault(disk, NO_TEMPORARY))
		return 0;
	if (ploop_descriptor_copy(&disk->descriptor, &changed, err))
		return -1;
	for (unsigned i = range->lowest; i < range->count - 1; i++)
		ploop_descriptor_shot(&changed, range->chain[i]->guid)->is_temporary = true;
	return ploop_ops_store(disk, &changed, &intent, err);
}

/* Copy what the states above have down into the lowest's file. */
static int copy_down(struct ploop_disk *disk, const struct range *range, struct stor_err *err)
{
	struct ploop_engine *from, *to;
	uint64_t size;
	int r = 0;

	from = ploop_ops_open(disk, (const struct ploop_image **)range->chain, range->lowest + 1,
	                      range->count, false, err);
	if (!from)
		return -1;
	/* With what lies below it, or zeros would be taken for nothing. */
	to = ploop_ops_open(disk, (const struct ploop_image **)range->chain, 0, range->lowest + 1,
	                    true, err);
	size = ploop_engine_size(from);
	if (!to)
		r = -1;
	else if (ploop_engine_size(to) > size)
		r = host->fail(err, STOR_UNSUPPORTED, 0,
		               "ploop: merge %s: snapshot %s is larger than its child", disk->path,
		               range->chain[range->lowest]->guid);
	else if (ploop_engine_size(to) < size)
		r = ploop_engine_grow(to, size, err);
	if (!r)
		r = ploop_ops_copy(from, to, "merging", err);
	/* What was copied before it was cancelled is valid, and is kept: the mark goes. */
	if (to && r)
		(void)ploop_engine_finish(to);
	else if (to && ploop_engine_close(to, err))
		r = -1;
	ploop_engine_abandon(from);
	return r;
}

/* The lowest's file becomes the child's. */
static int take_over(struct ploop_disk *disk, const struct range *range, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	const char *lowest = range->chain[range->lowest]->guid;
	struct ploop_intent intent = { .text = NULL };
	struct ploop_shot *shot;
	bool is_temporary;

	if (ploop_descriptor_copy(&disk->descriptor, &changed, err))
		return -1;
	is_temporary = ploop_descriptor_shot(&changed, range->child)->is_temporary;
	for (unsigned i = range->lowest + 1; i < range->count; i++) {
		ploop_intent_drop(&intent, range->chain[i]->file);
		ploop_descriptor_remove(&changed, range->chain[i]->guid);
	}
	shot = ploop_descriptor_shot(&changed, lowest);
	shot->is_temporary = is_temporary;
	ploop_descriptor_rename(&changed, lowest, range->child);
	return ploop_ops_store(disk, &changed, &intent, err);
}

/* It takes one parent at a time, the newest first. 1: the engine goes on with `rest`. */
static int fold_by_libploop(struct ploop_disk *disk, const struct range *range,
                            char rest[GUID_TEXT_BYTES], struct stor_err *err)
{
	struct libploop_job job = { .op = LIBPLOOP_MERGE, .guid = range->child };
	int r = 0;

	for (unsigned i = range->lowest; i < range->count - 1 && !r; i++)
		r = ploop_tool_do(disk, &job, "merge", err);
	memcpy(rest, ploop_descriptor_shot(&disk->descriptor, range->child)->parent,
	       GUID_TEXT_BYTES);
	return r;
}

int ploop_ops_fold(struct ploop_disk *disk, const char *newest, const char *lowest,
                   struct stor_err *err)
{
	struct range range = { .count = 0 };
	char rest[GUID_TEXT_BYTES];
	int r;

	if (find_range(disk, newest, lowest, &range, err) || mark_temporary(disk, &range, err))
		return -1;
	r = fold_by_libploop(disk, &range, rest, err);
	if (r <= 0)
		return r;
	/* The descriptor was replaced, and the chain's strings with it. */
	if (find_range(disk, rest, lowest, &range, err) || copy_down(disk, &range, err))
		return -1;
	return take_over(disk, &range, err);
}

/* All snapshots of the live chain, but those in files of others. */
static int fold_all(struct ploop_disk *disk, struct stor_err *err)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	unsigned lowest = 0, count = ploop_descriptor_chain(&disk->descriptor, disk->descriptor.top,
	                                                    chain, err);
	char newest_guid[GUID_TEXT_BYTES], lowest_guid[GUID_TEXT_BYTES];

	if (!count)
		return -1;
	while (lowest < count && !ploop_file_is_own(chain[lowest]->file))
		lowest++;
	if (lowest + 1 >= count)
		return 0;
	memcpy(newest_guid, chain[count - 2]->guid, sizeof(newest_guid));
	memcpy(lowest_guid, chain[lowest]->guid, sizeof(lowest_guid));
	return ploop_ops_fold(disk, newest_guid, lowest_guid, err);
}

int ploop_op_merge(struct ploop_disk *disk, const char *id, const char *until, struct stor_err *err)
{
	char newest[GUID_TEXT_BYTES], lowest[GUID_TEXT_BYTES];
	struct ploop_shot *shot;
	bool is_pending = id && ploop_ops_is_pending(disk, id);

	if (ploop_op_settle(disk, err))
		return -1;
	if (!id)
		return fold_all(disk, err);
	if (is_pending && !until && !ploop_ops_is_pending(disk, id))
		return 0;
	shot = ploop_ops_find(disk, id, err);
	if (!shot)
		return -1;
	memcpy(newest, shot->guid, sizeof(newest));
	memcpy(lowest, shot->guid, sizeof(lowest));
	if (until) {
		shot = ploop_ops_find(disk, until, err);
		if (!shot)
			return -1;
		memcpy(lowest, shot->guid, sizeof(lowest));
	}
	return ploop_ops_fold(disk, newest, lowest, err);
}

/* --- of a running disk --- */

/* A longer table could need the room of clusters that the server reads. */
static int check_sizes(struct ploop_disk *disk, const struct range *range, struct stor_err *err)
{
	struct ploop_engine *engine[2] = { NULL, NULL };
	bool differ = false;

	for (unsigned i = 0; i < 2; i++) {
		unsigned count = i ? range->count : range->lowest + 1;

		engine[i] = ploop_ops_open(disk, (const struct ploop_image **)range->chain, 0,
		                           count, false, err);
	}
	if (engine[0] && engine[1])
		differ = ploop_engine_size(engine[0]) != ploop_engine_size(engine[1]);
	for (unsigned i = 0; i < 2; i++)
		if (engine[i])
			ploop_engine_abandon(engine[i]);
	if (!engine[0] || !engine[1])
		return -1;
	return differ ? host->fail(err, STOR_UNSUPPORTED, 0,
	                           "ploop: merge %s: the disk has grown since; it can be merged "
	                           "when it is stopped",
	                           disk->path)
	              : 0;
}

/* Down to the lowest of the states below that are only waiting for their end. */
static void extend_down(const struct ploop_descriptor *d, char lowest[GUID_TEXT_BYTES])
{
	for (unsigned steps = 0; steps < d->shot_count; steps++) {
		const struct ploop_shot *shot = ploop_descriptor_shot(d, lowest), *parent;
		const struct ploop_image *image;

		parent = shot ? ploop_descriptor_shot(d, shot->parent) : NULL;
		image = parent ? ploop_descriptor_image(d, parent->guid) : NULL;
		if (!image || !parent->is_temporary || !ploop_file_is_own(image->file) ||
		    ploop_descriptor_children(d, parent->guid) != 1)
			return;
		memcpy(lowest, parent->guid, GUID_TEXT_BYTES);
	}
}

int ploop_op_merge_begin(struct ploop_disk *disk, const char *id, const char *until,
                         struct ploop_fold *fold, struct stor_err *err)
{
	const struct ploop_shot *newest = ploop_ops_find(disk, id, err);
	const struct ploop_shot *lowest =
		until && newest ? ploop_ops_find(disk, until, err) : newest;
	struct range range = { .count = 0 };

	if (!newest || !lowest)
		return -1;
	memcpy(fold->newest, newest->guid, sizeof(fold->newest));
	memcpy(fold->lowest, lowest->guid, sizeof(fold->lowest));
	extend_down(&disk->descriptor, fold->lowest);
	if (find_range(disk, fold->newest, fold->lowest, &range, err) ||
	    check_sizes(disk, &range, err))
		return -1;
	fold->needs_state = guid_equal(range.child, disk->descriptor.top);
	return 0;
}

int ploop_op_merge_fold(struct ploop_disk *disk, const struct ploop_fold *fold,
                        struct stor_err *err)
{
	return ploop_ops_fold(disk, fold->newest, fold->lowest, err);
}
