/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of states: snapshot, rollback, delete. */
#include "ploop/ops_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/tool.h"

/* --- snapshot --- */

static int check_free(struct ploop_disk *disk, const char *id, char guid[GUID_TEXT_BYTES],
                      struct stor_err *err)
{
	ploop_snapshot_guid(id, guid);
	if (guid_equal(guid, PLOOP_TOP_GUID) || guid_equal(guid, PLOOP_NO_GUID))
		return host->fail(err, STOR_USAGE, 0, "ploop: \"%s\" has a meaning of its own", id);
	if (ploop_descriptor_shot(&disk->descriptor, guid))
		return host->fail(err, STOR_USAGE, 0, "ploop: %s has a snapshot \"%s\" already",
		                  disk->path, id);
	return disk->descriptor.shot_count < PLOOP_STATES_MAX
	               ? 0
	               : host->fail(err, STOR_UNSUPPORTED, 0, "ploop: %s has %u states already",
	                            disk->path, PLOOP_STATES_MAX);
}

/* The descriptor in which the live state is the state `guid`, and `file` is on top of it. */
static int make_changed(struct ploop_disk *disk, const char *guid, bool is_temporary,
                        const char *file, struct ploop_descriptor *changed, struct stor_err *err)
{
	const struct ploop_image *chain[PLOOP_CHAIN_MAX];
	bool is_plain;

	if (!ploop_descriptor_chain(&disk->descriptor, disk->descriptor.top, chain, err) ||
	    ploop_descriptor_copy(&disk->descriptor, changed, err))
		return -1;
	is_plain = chain[0]->is_plain;
	ploop_descriptor_rename(changed, changed->top, guid);
	ploop_descriptor_shot(changed, guid)->is_temporary = is_temporary;
	memcpy(changed->top, PLOOP_TOP_GUID, sizeof(changed->top));
	return ploop_descriptor_add(changed, changed->top, guid, file, is_plain)
	               ? host->fail(err, STOR_FAILED, ENOMEM, "ploop: snapshot %s", disk->path)
	               : 0;
}

static int commit(struct ploop_disk *disk, const char *id, const char *file, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	struct ploop_intent intent = { .text = NULL };
	char guid[GUID_TEXT_BYTES];

	ploop_snapshot_guid(id, guid);
	return ploop_names_add(disk, id, guid, err) ||
	                       make_changed(disk, guid, false, file, &changed, err)
	               ? -1
	               : ploop_ops_store(disk, &changed, &intent, err);
}

/* --- the same of a running disk --- */

static int stage(struct ploop_disk *disk, const char *guid, bool is_temporary, const char *file,
                 struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };

	return make_changed(disk, guid, is_temporary, file, &changed, err)
	               ? -1
	               : ploop_descriptor_stage(disk->dir, &changed, err);
}

int ploop_op_snapshot_stage(struct ploop_disk *disk, const char *id, char **file,
                            struct stor_err *err)
{
	char guid[GUID_TEXT_BYTES];
	uint64_t sectors;

	if (id && check_free(disk, id, guid, err))
		return -1;
	if (!id && guid_make(guid) < 0)
		return host->fail(err, STOR_FAILED, errno, "ploop: name a state of %s", disk->path);
	*file = ploop_ops_new_delta(disk, disk->descriptor.top, &sectors, err);
	if (!*file)
		return -1;
	if ((!id || !ploop_names_add(disk, id, guid, err)) && !stage(disk, guid, !id, *file, err))
		return 0;
	(void)disk->dir->ops->unlink(disk->dir, *file);
	free(*file);
	*file = NULL;
	return -1;
}

int ploop_op_snapshot_staged(struct ploop_disk *disk, const char *file, struct stor_err *err)
{
	struct ploop_descriptor now;

	if (ploop_descriptor_load(disk->dir, &now, err))
		return -1;
	ploop_ops_adopt(disk, &now);
	for (unsigned i = 0; i < disk->descriptor.image_count; i++)
		if (!strcmp(disk->descriptor.images[i].file, file))
			return 0;
	(void)disk->dir->ops->unlink(disk->dir, PLOOP_DESCRIPTOR_STAGED);
	(void)disk->dir->ops->unlink(disk->dir, file);
	return -1;
}

#ifdef PLOOP_FAULTS
/* The bug put back: for a moment the file is not where the descriptor says. */
static int commit_before_file(struct ploop_disk *disk, const char *id, const char *file,
                              struct stor_err *err)
{
	int r = disk->dir->ops->rename(disk->dir, file, "late");

	return r || commit(disk, id, file, err) || disk->dir->ops->rename(disk->dir, "late", file)
	               ? -1
	               : 0;
}
#endif

int ploop_op_snapshot(struct ploop_disk *disk, const char *id, struct stor_err *err)
{
	struct libploop_job job = { .op = LIBPLOOP_SNAPSHOT };
	cleanup_free char *file = NULL;
	char guid[GUID_TEXT_BYTES];
	uint64_t sectors;
	int r;

	if (ploop_op_settle(disk, err) || check_free(disk, id, guid, err))
		return -1;
	job.guid = guid;
	/* Named first: libploop stores the descriptor. */
	if (disk->tool && ploop_names_add(disk, id, guid, err))
		return -1;
	r = ploop_tool_do(disk, &job, "snapshot", err);
	if (r <= 0)
		return r;
	file = ploop_ops_new_delta(disk, disk->descriptor.top, &sectors, err);
	if (!file)
		return -1;
#ifdef PLOOP_FAULTS
	if (ploop_op_fault(disk, FILE_LATE))
		return commit_before_file(disk, id, file, err);
#endif
	/* A commit that fails may have happened all the same: the file stays, and is removed by the
	 * next recovery if it did not. */
	return commit(disk, id, file, err);
}

/* --- rollback --- */

/* libploop leaves the disk the size that it has. */
static int switch_by_libploop(struct ploop_disk *disk, const char *guid, struct stor_err *err)
{
	struct libploop_job job = { .op = LIBPLOOP_SWITCH, .guid = guid };
	struct ploop_engine *engine;
	bool is_of_that_size;

	if (!disk->tool)
		return 1;
	engine = ploop_disk_engine(disk, guid, false, err);
	if (!engine)
		return -1;
	is_of_that_size = ploop_engine_size(engine) == disk->descriptor.sectors * PLOOP_SECTOR;
	ploop_engine_abandon(engine);
	return is_of_that_size ? ploop_tool_do(disk, &job, "rollback", err) : 1;
}

/* The whole disk gets the size that it had then. */
static int put_new_top(struct ploop_disk *disk, const char *guid, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	struct ploop_intent intent = { .text = NULL };
	const struct ploop_image *top;
	uint64_t sectors = 0;
	cleanup_free char *file = NULL;
	bool is_plain;
	int r = switch_by_libploop(disk, guid, err);

	if (r <= 0)
		return r;
	file = ploop_ops_new_delta(disk, guid, &sectors, err);

	if (!file || ploop_descriptor_copy(&disk->descriptor, &changed, err))
		return -1;
	is_plain = ploop_descriptor_image(&changed, guid)->is_plain;
	top = ploop_descriptor_image(&disk->descriptor, disk->descriptor.top);
	ploop_intent_drop(&intent, top ? top->file : NULL);
	ploop_descriptor_remove(&changed, changed.top);
	memcpy(changed.top, PLOOP_TOP_GUID, sizeof(changed.top));
	changed.sectors = sectors;
	if (ploop_descriptor_add(&changed, changed.top, guid, file, is_plain)) {
		free(intent.text);
		return host->fail(err, STOR_FAILED, ENOMEM, "ploop: roll %s back", disk->path);
	}
	return ploop_ops_store(disk, &changed, &intent, err);
}

int ploop_op_rollback(struct ploop_disk *disk, const char *id, struct stor_err *err)
{
	char guid[GUID_TEXT_BYTES];
	struct ploop_shot *shot;

	if (ploop_op_settle(disk, err))
		return -1;
	shot = ploop_ops_find(disk, id, err);
	if (!shot)
		return -1;
	memcpy(guid, shot->guid, sizeof(guid));
	if (put_new_top(disk, guid, err))
		return -1;
	/* What was only kept for the old top. */
	return ploop_op_settle(disk, err);
}

/* --- delete --- */

static int remove_leaf(struct ploop_disk *disk, const char *guid, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	const struct ploop_image *image;
	struct libploop_job job = { .op = LIBPLOOP_DELETE, .guid = guid };
	struct ploop_intent intent = { .text = NULL };
	int r = ploop_tool_do(disk, &job, "delete", err);

	if (r <= 0)
		return r;
	image = ploop_descriptor_image(&disk->descriptor, guid);
	if (ploop_descriptor_copy(&disk->descriptor, &changed, err))
		return -1;
	ploop_intent_drop(&intent, image ? image->file : NULL);
	ploop_descriptor_remove(&changed, guid);
	return ploop_ops_store(disk, &changed, &intent, err);
}

static int make_temporary(struct ploop_disk *disk, const char *guid, struct stor_err *err)
{
	cleanup_ploop_descriptor struct ploop_descriptor changed = { .images = NULL };
	struct libploop_job job = { .op = LIBPLOOP_DELETE, .guid = guid };
	struct ploop_intent intent = { .text = NULL };
	int r = ploop_tool_do(disk, &job, "delete", err);

	if (r <= 0)
		return r;
	if (ploop_descriptor_copy(&disk->descriptor, &changed, err))
		return -1;
	ploop_descriptor_shot(&changed, guid)->is_temporary = true;
	return ploop_ops_store(disk, &changed, &intent, err);
}

int ploop_op_delete(struct ploop_disk *disk, const char *id, struct stor_err *err)
{
	bool is_pending = ploop_ops_is_pending(disk, id);
	char guid[GUID_TEXT_BYTES];
	struct ploop_shot *shot;
	unsigned children;
	int r;

	if (ploop_op_settle(disk, err))
		return -1;
	if (is_pending)
		return 0;
	shot = ploop_ops_find(disk, id, err);
	if (!shot)
		return -1;
	memcpy(guid, shot->guid, sizeof(guid));
	children = ploop_descriptor_children(&disk->descriptor, guid);
	if (children == 1)
		return ploop_op_merge(disk, id, NULL, err);
	if (children)
		return make_temporary(disk, guid, err);
	r = remove_leaf(disk, guid, err);
	return r ? r : ploop_op_settle(disk, err);
}

/* --- temporary states --- */

/* One that can go now: it has no child, or one, and lies in a file that may be written to. */
static const struct ploop_shot *next_to_settle(const struct ploop_descriptor *d)
{
	for (unsigned i = 0; i < d->shot_count; i++) {
		const struct ploop_shot *shot = &d->shots[i];
		const struct ploop_image *image = ploop_descriptor_image(d, shot->guid);

		if (shot->is_temporary && image && ploop_file_is_own(image->file) &&
		    !guid_equal(shot->guid, d->top) &&
		    ploop_descriptor_children(d, shot->guid) <= 1)
			return shot;
	}
	return NULL;
}

int ploop_op_settle(struct ploop_disk *disk, struct stor_err *err)
{
	const struct ploop_shot *shot;

	while ((shot = next_to_settle(&disk->descriptor))) {
		char guid[GUID_TEXT_BYTES];

		memcpy(guid, shot->guid, sizeof(guid));
		if (ploop_descriptor_children(&disk->descriptor, guid)
		            ? ploop_ops_fold(disk, guid, guid, err)
		            : remove_leaf(disk, guid, err))
			return -1;
	}
	return 0;
}
