/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define WORDS (SECTOR / 8)
#define CHUNK 256u /* sectors read at a time */

struct version {
	uint64_t tag;
	size_t issued;
	uint64_t op;
};

struct history {
	struct version *versions; /* oldest first; the first one is the first state */
	unsigned count;
};

struct flush {
	size_t completed;
	uint64_t op;
};

struct model {
	uint64_t sectors;
	struct history *histories;
	struct flush *flushes;
	size_t flush_count;
	uint64_t op, next_tag;
};

static void *need(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

static void add_version(struct model *model, uint64_t sector, uint64_t tag, size_t now)
{
	struct history *history = &model->histories[sector];

	history->versions =
		need(realloc(history->versions, (history->count + 1) * sizeof(struct version)));
	history->versions[history->count++] = (struct version){ tag, now, model->op };
}

void model_grow(struct model *model, uint64_t sectors)
{
	model->histories = need(realloc(model->histories, sectors * sizeof(struct history)));
	for (uint64_t i = model->sectors; i < sectors; i++) {
		model->histories[i] = (struct history){ NULL, 0 };
		add_version(model, i, 0, 0);
	}
	model->sectors = sectors;
}

struct model *model_new(uint64_t sectors)
{
	struct model *model = need(calloc(1, sizeof(*model)));

	model->next_tag = 1;
	model_grow(model, sectors);
	return model;
}

void model_free(struct model *model)
{
	for (uint64_t i = 0; i < model->sectors; i++)
		free(model->histories[i].versions);
	free(model->histories);
	free(model->flushes);
	free(model);
}

uint64_t model_sectors(const struct model *model)
{
	return model->sectors;
}

static void fill(uint8_t *data, uint64_t tag)
{
	for (unsigned i = 0; i < WORDS; i++)
		memcpy(data + (size_t)i * 8, &tag, 8);
}

void model_write(struct model *model, uint64_t sector, uint64_t count, size_t now, uint8_t *data)
{
	model->op++;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t tag = model->next_tag++ << 24 | ((sector + i) & 0xffffff);

		add_version(model, sector + i, tag, now);
		fill(data + i * SECTOR, tag);
	}
}

void model_zero(struct model *model, uint64_t sector, uint64_t count, size_t now)
{
	model->op++;
	for (uint64_t i = 0; i < count; i++)
		add_version(model, sector + i, 0, now);
}

static int read_tags(struct blockdev *dev, uint64_t sector, uint64_t count, uint64_t *tags)
{
	static uint8_t data[CHUNK * SECTOR];
	int r = dev->ops->pread(dev, data, count * SECTOR, sector * SECTOR);

	if (r) {
		fprintf(stderr, "sector %" PRIu64 ": read: %s\n", sector, strerror(-r));
		return -1;
	}
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *at = data + i * SECTOR;

		memcpy(&tags[i], at, 8);
		if (memcmp(at, at + 8, SECTOR - 8) != 0) {
			fprintf(stderr, "sector %" PRIu64 ": a mixture\n", sector + i);
			return -1;
		}
	}
	return 0;
}

static uint64_t last_tag(const struct model *model, uint64_t sector)
{
	const struct history *history = &model->histories[sector];

	return history->versions[history->count - 1].tag;
}

int model_discarded(struct model *model, uint64_t sector, uint64_t count, size_t now,
                    struct blockdev *dev)
{
	uint64_t tags[CHUNK];

	model->op++;
	for (uint64_t done = 0; done < count; done += CHUNK) {
		uint64_t part = count - done < CHUNK ? count - done : CHUNK;

		if (read_tags(dev, sector + done, part, tags))
			return -1;
		for (uint64_t i = 0; i < part; i++) {
			uint64_t at = sector + done + i;

			if (tags[i] && tags[i] != last_tag(model, at)) {
				fprintf(stderr, "sector %" PRIu64 ": neither zeros nor as before\n",
				        at);
				return -1;
			}
			if (tags[i] != last_tag(model, at))
				add_version(model, at, tags[i], now);
		}
	}
	return 0;
}

void model_flushed(struct model *model, size_t now)
{
	model->flushes =
		need(realloc(model->flushes, (model->flush_count + 1) * sizeof(struct flush)));
	model->flushes[model->flush_count++] = (struct flush){ now, model->op };
}

void model_settle(struct model *model)
{
	for (uint64_t i = 0; i < model->sectors; i++) {
		struct history *history = &model->histories[i];

		history->versions[0] = history->versions[history->count - 1];
		history->versions[0].issued = 0;
		history->versions[0].op = 0;
		history->count = 1;
	}
	model->flush_count = 0;
}

static bool may_be(const struct model *model, uint64_t sector, uint64_t tag, size_t cut,
                   uint64_t flushed_op)
{
	const struct history *history = &model->histories[sector];

	for (unsigned i = history->count; i-- > 0;) {
		const struct version *version = &history->versions[i];

		if (version->issued <= cut && version->tag == tag)
			return true;
		/* What a completed flush covered is not older than this. */
		if (version->op <= flushed_op)
			return false;
	}
	return false;
}

static int compare(struct model *model, struct blockdev *dev, size_t cut, uint64_t flushed_op)
{
	uint64_t tags[CHUNK];

	for (uint64_t sector = 0; sector < model->sectors && sector < dev->size_bytes / SECTOR;
	     sector += CHUNK) {
		uint64_t count = model->sectors - sector < CHUNK ? model->sectors - sector : CHUNK;

		if (count > dev->size_bytes / SECTOR - sector)
			count = dev->size_bytes / SECTOR - sector;
		if (read_tags(dev, sector, count, tags))
			return -1;
		for (uint64_t i = 0; i < count; i++) {
			if (may_be(model, sector + i, tags[i], cut, flushed_op))
				continue;
			fprintf(stderr,
			        "sector %" PRIu64 ": has %" PRIx64 ", last written %" PRIx64 "\n",
			        sector + i, tags[i], last_tag(model, sector + i));
			return -1;
		}
	}
	return 0;
}

int model_matches(struct model *model, struct blockdev *dev)
{
	if (dev->size_bytes / SECTOR != model->sectors) {
		fprintf(stderr, "size: %" PRIu64 " sectors, not %" PRIu64 "\n",
		        dev->size_bytes / SECTOR, model->sectors);
		return -1;
	}
	return compare(model, dev, SIZE_MAX, UINT64_MAX);
}

int model_matches_cut(struct model *model, struct blockdev *dev, size_t cut)
{
	uint64_t flushed_op = 0;

	for (size_t i = 0; i < model->flush_count; i++)
		if (model->flushes[i].completed <= cut)
			flushed_op = model->flushes[i].op;
	return compare(model, dev, cut, flushed_op);
}

bool model_is_first_or_last(struct model *model, struct blockdev *dev)
{
	bool is_first = true, is_last = true;
	uint64_t tags[CHUNK];

	for (uint64_t sector = 0; sector < dev->size_bytes / SECTOR; sector++) {
		if (sector % CHUNK == 0) {
			uint64_t left = dev->size_bytes / SECTOR - sector;

			if (read_tags(dev, sector, left < CHUNK ? left : CHUNK, tags))
				return false;
		}
		is_first = is_first &&
		           tags[sector % CHUNK] == model->histories[sector].versions[0].tag;
		is_last = is_last && tags[sector % CHUNK] == last_tag(model, sector);
	}
	return is_first || is_last;
}
