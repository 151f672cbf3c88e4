/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of states, and the descriptor as a file. Its text is in descriptor_xml.c. */
#include "ploop/descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"
#include "ploop/format.h"

#define TEXT_MAX (4u << 20)

void ploop_descriptor_free(struct ploop_descriptor *descriptor)
{
	for (unsigned i = 0; i < descriptor->image_count; i++)
		free(descriptor->images[i].file);
	free(descriptor->images);
	free(descriptor->shots);
	memset(descriptor, 0, sizeof(*descriptor));
}

struct ploop_image *ploop_descriptor_image(const struct ploop_descriptor *descriptor,
                                           const char *guid)
{
	for (unsigned i = 0; i < descriptor->image_count; i++)
		if (guid_equal(descriptor->images[i].guid, guid))
			return &descriptor->images[i];
	return NULL;
}

struct ploop_shot *ploop_descriptor_shot(const struct ploop_descriptor *descriptor,
                                         const char *guid)
{
	for (unsigned i = 0; i < descriptor->shot_count; i++)
		if (guid_equal(descriptor->shots[i].guid, guid))
			return &descriptor->shots[i];
	return NULL;
}

unsigned ploop_descriptor_children(const struct ploop_descriptor *descriptor, const char *guid)
{
	unsigned count = 0;

	for (unsigned i = 0; i < descriptor->shot_count; i++)
		count += guid_equal(descriptor->shots[i].parent, guid);
	return count;
}

unsigned ploop_descriptor_chain(const struct ploop_descriptor *descriptor, const char *guid,
                                const struct ploop_image *chain[], struct stor_err *err)
{
	unsigned count = 0;

	while (!guid_equal(guid, PLOOP_NO_GUID)) {
		const struct ploop_shot *shot = ploop_descriptor_shot(descriptor, guid);
		const struct ploop_image *image = ploop_descriptor_image(descriptor, guid);

		if (!shot || !image) {
			host->fail(err, count ? STOR_FAILED : STOR_NOT_FOUND, 0,
			           "ploop: state %s is not in " PLOOP_DESCRIPTOR_NAME, guid);
			return 0;
		}
		if (count == PLOOP_CHAIN_MAX) {
			host->fail(err, STOR_FAILED, 0, "ploop: chain of more than %u files",
			           PLOOP_CHAIN_MAX);
			return 0;
		}
		chain[count++] = image;
		guid = shot->parent;
	}
	for (unsigned i = 0; i < count / 2; i++) {
		const struct ploop_image *swap = chain[i];

		chain[i] = chain[count - 1 - i];
		chain[count - 1 - i] = swap;
	}
	if (!count)
		host->fail(err, STOR_FAILED, 0, "ploop: no state named");
	return count;
}

int ploop_descriptor_add(struct ploop_descriptor *descriptor, const char *guid, const char *parent,
                         const char *file, bool is_plain)
{
	unsigned images = descriptor->image_count, shots = descriptor->shot_count;
	struct ploop_image *image;
	struct ploop_shot *shot;

	image = realloc(descriptor->images, (images + 1) * sizeof(*image));
	if (!image)
		return -1;
	descriptor->images = image;
	shot = realloc(descriptor->shots, (shots + 1) * sizeof(*shot));
	if (!shot)
		return -1;
	descriptor->shots = shot;
	image[images] = (struct ploop_image){ .is_plain = is_plain, .file = strdup(file) };
	if (!image[images].file)
		return -1;
	shot[shots] = (struct ploop_shot){ .is_temporary = false };
	memcpy(image[images].guid, guid, GUID_TEXT_BYTES);
	memcpy(shot[shots].guid, guid, GUID_TEXT_BYTES);
	memcpy(shot[shots].parent, parent, GUID_TEXT_BYTES);
	descriptor->image_count++;
	descriptor->shot_count++;
	return 0;
}

void ploop_descriptor_remove(struct ploop_descriptor *descriptor, const char *guid)
{
	struct ploop_image *image = ploop_descriptor_image(descriptor, guid);
	struct ploop_shot *shot = ploop_descriptor_shot(descriptor, guid);
	struct ploop_image *last_image = descriptor->images + descriptor->image_count;
	struct ploop_shot *last_shot = descriptor->shots + descriptor->shot_count;

	if (image) {
		free(image->file);
		memmove(image, image + 1, (size_t)((char *)last_image - (char *)(image + 1)));
		descriptor->image_count--;
	}
	if (shot) {
		memmove(shot, shot + 1, (size_t)((char *)last_shot - (char *)(shot + 1)));
		descriptor->shot_count--;
	}
}

void ploop_descriptor_rename(struct ploop_descriptor *descriptor, const char *from, const char *to)
{
	char old[GUID_TEXT_BYTES];

	/* `from` may lie in what is changed. */
	memcpy(old, from, sizeof(old));
	for (unsigned i = 0; i < descriptor->image_count; i++)
		if (guid_equal(descriptor->images[i].guid, old))
			memcpy(descriptor->images[i].guid, to, GUID_TEXT_BYTES);
	for (unsigned i = 0; i < descriptor->shot_count; i++) {
		if (guid_equal(descriptor->shots[i].guid, old))
			memcpy(descriptor->shots[i].guid, to, GUID_TEXT_BYTES);
		if (guid_equal(descriptor->shots[i].parent, old))
			memcpy(descriptor->shots[i].parent, to, GUID_TEXT_BYTES);
	}
}

int ploop_descriptor_make(struct ploop_descriptor *descriptor, uint64_t sectors,
                          uint32_t cluster_sectors, const char *file, bool is_plain)
{
	*descriptor = (struct ploop_descriptor){
		.sectors = sectors,
		.cluster_sectors = cluster_sectors,
		.top = PLOOP_TOP_GUID,
	};
	if (!ploop_descriptor_add(descriptor, PLOOP_TOP_GUID, PLOOP_NO_GUID, file, is_plain))
		return 0;
	ploop_descriptor_free(descriptor);
	return -1;
}

static int load_text(struct ploop_dir *dir, char **text, uint64_t *size)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	int r = dir->ops->open(dir, PLOOP_DESCRIPTOR_NAME, 0, &file);

	if (!r)
		r = file->ops->size(file, size);
	if (r)
		return r;
	if (*size > TEXT_MAX)
		return -EFBIG;
	*text = malloc(*size + 1);
	if (!*text)
		return -ENOMEM;
	(*text)[*size] = '\0';
	return file->ops->pread(file, *text, *size, 0);
}

int ploop_descriptor_load(struct ploop_dir *dir, struct ploop_descriptor *descriptor,
                          struct stor_err *err)
{
	cleanup_free char *text = NULL;
	uint64_t size = 0;
	int r = load_text(dir, &text, &size);

	if (r)
		return host->fail(err, r == -ENOENT ? STOR_NOT_FOUND : STOR_FAILED, -r,
		                  "ploop: read " PLOOP_DESCRIPTOR_NAME);
	return ploop_descriptor_parse(text, size, descriptor, err);
}

int ploop_descriptor_stage(struct ploop_dir *dir, const struct ploop_descriptor *descriptor,
                           struct stor_err *err)
{
	cleanup_free char *text = ploop_descriptor_format(descriptor);
	cleanup_ploop_file struct ploop_file *file = NULL;
	int r = text ? dir->ops->unlink(dir, PLOOP_DESCRIPTOR_STAGED) : -ENOMEM;

	if (!r || r == -ENOENT)
		r = dir->ops->open(dir, PLOOP_DESCRIPTOR_STAGED, PLOOP_OPEN_CREATE, &file);
	if (!r)
		r = file->ops->pwrite(file, text, strlen(text), 0);
	if (!r)
		r = file->ops->sync(file);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write " PLOOP_DESCRIPTOR_STAGED) : 0;
}

int ploop_descriptor_store(struct ploop_dir *dir, const struct ploop_descriptor *descriptor,
                           struct stor_err *err)
{
	int r;

	if (ploop_descriptor_stage(dir, descriptor, err))
		return -1;
	r = dir->ops->rename(dir, PLOOP_DESCRIPTOR_STAGED, PLOOP_DESCRIPTOR_NAME);
	if (!r)
		r = dir->ops->sync(dir);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: write " PLOOP_DESCRIPTOR_NAME) : 0;
}
