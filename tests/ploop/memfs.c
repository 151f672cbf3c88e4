/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files in memory that record and fail: see memfs.h. */
#include "memfs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512u

struct node {
	unsigned id, references; /* names and open files */
	uint8_t *bytes;
	uint64_t size, room;
	struct node *next;
};

struct name {
	char *text;
	struct node *node;
	struct name *next;
};

enum kind { WRITE, ZERO, TRUNCATE, SYNC, CREATE, RENAME, UNLINK, DIR_SYNC };

struct event {
	enum kind kind;
	unsigned id;
	uint64_t offset, length;
	uint8_t *data;
	char *from, *to;
};

struct memfs {
	struct ploop_dir dir;
	pthread_mutex_t lock;
	struct name *names;
	struct node *nodes;
	unsigned next_id;
	bool is_recording;
	struct memfs *base; /* what was there when the recording began */
	struct event *log;
	size_t count, room;
};

struct handle {
	struct ploop_file file;
	struct memfs *fs;
	struct node *node;
};

uint64_t test_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static void *need(void *ptr)
{
	if (!ptr)
		abort();
	return ptr;
}

static struct name *name_find(struct memfs *fs, const char *text)
{
	for (struct name *name = fs->names; name; name = name->next)
		if (!strcmp(name->text, text))
			return name;
	return NULL;
}

static struct node *node_find(struct memfs *fs, unsigned id)
{
	for (struct node *node = fs->nodes; node; node = node->next)
		if (node->id == id)
			return node;
	return NULL;
}

static struct node *node_new(struct memfs *fs, unsigned id)
{
	struct node *node = need(calloc(1, sizeof(*node)));

	node->id = id;
	node->next = fs->nodes;
	fs->nodes = node;
	return node;
}

static void node_resize(struct node *node, uint64_t size)
{
	if (size > node->room) {
		uint64_t room = size + size / 2 + 4096;

		node->bytes = need(realloc(node->bytes, room));
		memset(node->bytes + node->room, 0, room - node->room);
		node->room = room;
	}
	if (size < node->size)
		memset(node->bytes + size, 0, node->size - size);
	node->size = size;
}

static void name_set(struct memfs *fs, const char *text, struct node *node)
{
	struct name *name = name_find(fs, text);

	if (!name) {
		name = need(calloc(1, sizeof(*name)));
		name->text = need(strdup(text));
		name->next = fs->names;
		fs->names = name;
	}
	name->node = node;
}

static void name_remove(struct memfs *fs, const char *text)
{
	for (struct name **at = &fs->names; *at; at = &(*at)->next) {
		struct name *name = *at;

		if (strcmp(name->text, text) != 0)
			continue;
		*at = name->next;
		free(name->text);
		free(name);
		return;
	}
}

static struct event *event_add(struct memfs *fs, enum kind kind, unsigned id)
{
	struct event *event;

	if (!fs->is_recording)
		return NULL;
	if (fs->count == fs->room) {
		fs->room = fs->room ? fs->room * 2 : 256;
		fs->log = need(realloc(fs->log, fs->room * sizeof(*fs->log)));
	}
	event = &fs->log[fs->count++];
	*event = (struct event){ .kind = kind, .id = id };
	return event;
}

/* --- operations --- */

static int mem_pread(struct ploop_file *file, void *data, size_t length, uint64_t offset)
{
	struct handle *h = (struct handle *)file;
	uint64_t have;

	pthread_mutex_lock(&h->fs->lock);
	have = offset < h->node->size ? h->node->size - offset : 0;
	if (have > length)
		have = length;
	if (have)
		memcpy(data, h->node->bytes + offset, have);
	memset((char *)data + have, 0, length - have);
	pthread_mutex_unlock(&h->fs->lock);
	return 0;
}

static int change(struct ploop_file *file, enum kind kind, const void *data, uint64_t length,
                  uint64_t offset)
{
	struct handle *h = (struct handle *)file;
	struct event *event;

	pthread_mutex_lock(&h->fs->lock);
	if (kind != SYNC && offset + length > h->node->size)
		node_resize(h->node, offset + length);
	if (kind == WRITE)
		memcpy(h->node->bytes + offset, data, length);
	else if (kind == ZERO)
		memset(h->node->bytes + offset, 0, length);
	else if (kind == TRUNCATE)
		node_resize(h->node, offset);
	event = event_add(h->fs, kind, h->node->id);
	if (event) {
		event->offset = offset;
		event->length = length;
		if (kind == WRITE)
			event->data = memcpy(need(malloc(length)), data, length);
	}
	pthread_mutex_unlock(&h->fs->lock);
	return 0;
}

static int mem_pwrite(struct ploop_file *file, const void *data, size_t length, uint64_t offset)
{
	return change(file, WRITE, data, length, offset);
}

static int mem_zero(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	return change(file, ZERO, NULL, length, offset);
}

static int mem_extend(struct ploop_file *file, uint64_t offset, uint64_t length)
{
	uint64_t size = ((struct handle *)file)->node->size;

	return offset + length > size ? change(file, TRUNCATE, NULL, 0, offset + length) : 0;
}

static int mem_truncate(struct ploop_file *file, uint64_t size)
{
	return change(file, TRUNCATE, NULL, 0, size);
}

static int mem_sync(struct ploop_file *file)
{
	return change(file, SYNC, NULL, 0, 0);
}

static int mem_seal(struct ploop_file *file, uint64_t offset, uint64_t length, uint64_t granule)
{
	(void)file, (void)offset, (void)length, (void)granule;
	return 0;
}

static int mem_size(struct ploop_file *file, uint64_t *size)
{
	*size = ((struct handle *)file)->node->size;
	return 0;
}

static void mem_close(struct ploop_file *file)
{
	free(file);
}

static const struct ploop_file_ops file_ops = {
	.pread = mem_pread,
	.pwrite = mem_pwrite,
	.sync = mem_sync,
	.truncate = mem_truncate,
	.zero = mem_zero,
	.extend = mem_extend,
	.seal = mem_seal,
	.size = mem_size,
	.close = mem_close,
};

static int mem_open(struct ploop_dir *dir, const char *text, unsigned flags,
                    struct ploop_file **file)
{
	struct memfs *fs = (struct memfs *)dir;
	struct name *name = name_find(fs, text);
	struct handle *h;

	if (name && flags & PLOOP_OPEN_CREATE)
		return -EEXIST;
	if (!name && !(flags & PLOOP_OPEN_CREATE))
		return -ENOENT;
	if (!name) {
		struct event *event = event_add(fs, CREATE, fs->next_id);

		if (event)
			event->to = need(strdup(text));
		name_set(fs, text, node_new(fs, fs->next_id++));
		name = name_find(fs, text);
	}
	h = need(calloc(1, sizeof(*h)));
	h->file.ops = &file_ops;
	h->file.fd = -1;
	h->fs = fs;
	h->node = name->node;
	*file = &h->file;
	return 0;
}

static void apply_rename(struct memfs *fs, const char *from, const char *to)
{
	struct name *name = name_find(fs, from);

	if (!name)
		return;
	name_set(fs, to, name->node);
	name_remove(fs, from);
}

static int mem_rename(struct ploop_dir *dir, const char *from, const char *to)
{
	struct memfs *fs = (struct memfs *)dir;
	struct event *event;

	if (!name_find(fs, from))
		return -ENOENT;
	event = event_add(fs, RENAME, 0);
	if (event) {
		event->from = need(strdup(from));
		event->to = need(strdup(to));
	}
	apply_rename(fs, from, to);
	return 0;
}

static int mem_unlink(struct ploop_dir *dir, const char *text)
{
	struct memfs *fs = (struct memfs *)dir;
	struct event *event;

	if (!name_find(fs, text))
		return -ENOENT;
	event = event_add(fs, UNLINK, 0);
	if (event)
		event->from = need(strdup(text));
	name_remove(fs, text);
	return 0;
}

static int mem_dir_sync(struct ploop_dir *dir)
{
	struct memfs *fs = (struct memfs *)dir;

	event_add(fs, DIR_SYNC, 0);
	return 0;
}

static int mem_list(struct ploop_dir *dir, int (*each)(void *ctx, const char *name), void *ctx)
{
	struct name *name = ((struct memfs *)dir)->names;
	int r = 0;

	while (name && !r) {
		struct name *next = name->next;

		r = each(ctx, name->text);
		name = next;
	}
	return r;
}

static void mem_dir_close(struct ploop_dir *dir)
{
	(void)dir;
}

static const struct ploop_dir_ops dir_ops = {
	.open = mem_open,
	.rename = mem_rename,
	.unlink = mem_unlink,
	.sync = mem_dir_sync,
	.list = mem_list,
	.close = mem_dir_close,
};

struct memfs *memfs_new(void)
{
	struct memfs *fs = need(calloc(1, sizeof(*fs)));

	fs->dir.ops = &dir_ops;
	fs->next_id = 1;
	pthread_mutex_init(&fs->lock, NULL);
	return fs;
}

void memfs_free(struct memfs *fs)
{
	if (!fs)
		return;
	while (fs->names)
		name_remove(fs, fs->names->text);
	while (fs->nodes) {
		struct node *node = fs->nodes;

		fs->nodes = node->next;
		free(node->bytes);
		free(node);
	}
	for (size_t i = 0; i < fs->count; i++) {
		free(fs->log[i].data);
		free(fs->log[i].from);
		free(fs->log[i].to);
	}
	free(fs->log);
	memfs_free(fs->base);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
}

struct ploop_dir *memfs_dir(struct memfs *fs)
{
	return &fs->dir;
}

/* --- the record --- */

static struct memfs *copy_of(struct memfs *fs)
{
	struct memfs *copy = memfs_new();

	for (struct node *node = fs->nodes; node; node = node->next) {
		struct node *twin = node_new(copy, node->id);

		node_resize(twin, node->size);
		if (node->size)
			memcpy(twin->bytes, node->bytes, node->size);
	}
	for (struct name *name = fs->names; name; name = name->next)
		name_set(copy, name->text, node_find(copy, name->node->id));
	copy->next_id = fs->next_id;
	return copy;
}

void memfs_record(struct memfs *fs)
{
	fs->base = copy_of(fs);
	fs->is_recording = true;
}

size_t memfs_log_length(struct memfs *fs)
{
	return fs->count;
}

static bool chance(uint64_t *random, unsigned of_256)
{
	return (test_random(random) >> 32) % 256 < of_256;
}

static void write_sectors(struct node *node, const struct event *event, unsigned keep, bool whole,
                          uint64_t *random)
{
	uint64_t end = event->offset + event->length, at = event->offset;

	if (whole) {
		if (!chance(random, keep))
			return;
		keep = 256;
	}
	while (at < end) {
		uint64_t stop = (at / SECTOR + 1) * SECTOR;

		if (stop > end)
			stop = end;
		if (chance(random, keep)) {
			if (stop > node->size)
				node_resize(node, stop);
			assert(node->bytes);
			if (event->data)
				memcpy(node->bytes + at, event->data + (at - event->offset),
				       stop - at);
			else
				memset(node->bytes + at, 0, stop - at);
		}
		at = stop;
	}
}

static void apply(struct memfs *fs, const struct event *event, unsigned keep, bool whole,
                  uint64_t *random)
{
	struct node *node = node_find(fs, event->id);

	if (event->kind == CREATE || event->kind == RENAME || event->kind == UNLINK ||
	    event->kind == SYNC || event->kind == DIR_SYNC)
		return;
	if (!node)
		node = node_new(fs, event->id);
	if (event->kind != TRUNCATE)
		write_sectors(node, event, keep, whole, random);
	else if (chance(random, keep))
		node_resize(node, event->offset);
}

static void apply_name(struct memfs *fs, const struct event *event)
{
	struct node *node;

	switch (event->kind) {
	case CREATE:
		node = node_find(fs, event->id);
		name_set(fs, event->to, node ? node : node_new(fs, event->id));
		break;
	case RENAME:
		apply_rename(fs, event->from, event->to);
		break;
	case UNLINK:
		name_remove(fs, event->from);
		break;
	default:
		break;
	}
}

/* The index of each file's last sync before the cut, by id; 0: none. */
static size_t *last_syncs(const struct memfs *fs, size_t cut)
{
	size_t *syncs = need(calloc(fs->next_id, sizeof(*syncs)));

	for (size_t i = 0; i < cut; i++)
		if (fs->log[i].kind == SYNC)
			syncs[fs->log[i].id] = i;
	return syncs;
}

struct memfs *memfs_cut(struct memfs *fs, size_t cut, uint64_t *random)
{
	static const unsigned keeps[] = { 0, 16, 64, 128, 192, 240, 256 };
	struct memfs *state = copy_of(fs->base);
	unsigned keep = keeps[test_random(random) % (sizeof(keeps) / sizeof(*keeps))];
	bool whole = chance(random, 128);
	size_t names_durable = 0, names, *syncs = last_syncs(fs, cut);

	for (size_t i = 0; i < cut; i++)
		if (fs->log[i].kind == DIR_SYNC)
			names_durable = i + 1;
	names = names_durable + test_random(random) % (cut - names_durable + 1);
	for (size_t i = 0; i < cut; i++) {
		const struct event *event = &fs->log[i];

		if (i < syncs[event->id])
			apply(state, event, 256, false, random);
		else
			apply(state, event, keep, whole, random);
		if (i < names)
			apply_name(state, event);
	}
	state->next_id = fs->next_id;
	free(syncs);
	return state;
}

int memfs_size(struct memfs *fs, const char *text, uint64_t *size)
{
	struct name *name = name_find(fs, text);

	if (!name)
		return -1;
	*size = name->node->size;
	return 0;
}

uint8_t *memfs_bytes(struct memfs *fs, const char *text)
{
	struct name *name = name_find(fs, text);

	return name ? name->node->bytes : NULL;
}

unsigned memfs_files(struct memfs *fs)
{
	unsigned count = 0;

	for (struct name *name = fs->names; name; name = name->next)
		count++;
	return count;
}

void memfs_put(struct memfs *fs, const char *text, const void *data, size_t size)
{
	struct node *node = node_new(fs, fs->next_id++);

	node_resize(node, size);
	if (size)
		memcpy(node->bytes, data, size);
	name_set(fs, text, node);
}
