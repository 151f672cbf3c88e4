/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ploop engine from the command line, for tests. FOLDER has a DiskDescriptor.xml.
 *	ploopctl make FOLDER v1|v2|raw SIZE CLUSTER	a new disk "root.hdd"; sizes in bytes
 *	ploopctl write FOLDER OFFSET LENGTH SEED	reproducible bytes; SEED 0: zeros
 *	ploopctl discard FOLDER OFFSET LENGTH
 *	ploopctl load FOLDER FILE [OFFSET]		write the file's bytes there
 *	ploopctl dump FOLDER FILE [ID]		all of the disk; of a snapshot
 *	ploopctl dump FOLDER FILE OFFSET LENGTH	a part of it
 *	ploopctl grow FOLDER SIZE | compact FOLDER | list FOLDER | guid ID
 *	ploopctl snapshot|rollback|delete FOLDER ID | merge FOLDER [ID [UNTIL]]
 *	ploopctl version FOLDER 1|2 | layout FOLDER expandable|preallocated|raw
 *	ploopctl restore FOLDER FILE
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/err.h"
#include "ploop/image.h"
#include "ploop/ops.h"
#include "tests/ploop/memfs.h"
#include "tests/ploop/testhost.h"

#define STEP (1u << 20)

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static int make(const char *folder, const char *kind, uint64_t size, uint64_t cluster,
                struct stor_err *err)
{
	cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ploop_dir *dir = fd < 0 ? NULL : ploop_dir_open_fd(fd);
	bool is_raw = !strcmp(kind, "raw");
	struct ploop_descriptor d;
	int r;

	if (!dir)
		return err_fail(err, STOR_FAILED, errno, "open %s", folder);
	r = is_raw ? ploop_image_create_raw(dir, "root.hdd", size / PLOOP_SECTOR, err)
	           : ploop_image_create(dir, "root.hdd", kind[1] == '1' ? 1 : 2,
	                                (uint32_t)(cluster / PLOOP_SECTOR), size / PLOOP_SECTOR,
	                                err);
	if (!r && !ploop_descriptor_make(&d, size / PLOOP_SECTOR,
	                                 (uint32_t)(cluster / PLOOP_SECTOR), "root.hdd", is_raw)) {
		r = ploop_descriptor_store(dir, &d, err);
		ploop_descriptor_free(&d);
	}
	ploop_dir_close(dir);
	return r;
}

static void fill(uint8_t *data, size_t length, uint64_t *random)
{
	for (size_t i = 0; i < length; i += 8) {
		uint64_t value = *random ? test_random(random) : 0;

		memcpy(data + i, &value, length - i < 8 ? length - i : 8);
	}
}

static int write_range(struct blockdev *dev, uint64_t offset, uint64_t length, uint64_t seed)
{
	cleanup_free uint8_t *data = aligned_alloc(4096, STEP);
	uint64_t done = 0;
	int r = data ? 0 : -ENOMEM;

	while (done < length && !r) {
		uint64_t step = length - done < STEP ? length - done : STEP;

		fill(data, step, &seed);
		r = blockdev_pwrite(dev, data, step, offset + done);
		done += step;
	}
	return r;
}

static int load_file(struct blockdev *dev, const char *path, uint64_t offset)
{
	cleanup_free uint8_t *data = aligned_alloc(4096, STEP);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0;
	ssize_t n = STEP;
	int r = data && fd >= 0 ? 0 : -errno;

	while (!r && n == STEP) {
		n = pread_all(fd, data, STEP, at);
		r = n < 0 ? -errno : blockdev_pwrite(dev, data, (size_t)n, offset + at);
		at += STEP;
	}
	return r;
}

static int dump(struct blockdev *dev, const char *path, uint64_t start, uint64_t end)
{
	cleanup_free uint8_t *data = aligned_alloc(4096, STEP);
	cleanup_close int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r = data && fd >= 0 ? 0 : -errno;

	for (uint64_t at = start; at < end && !r; at += STEP) {
		uint64_t step = end - at < STEP ? end - at : STEP;

		r = blockdev_pread(dev, data, step, at);
		if (!r && pwrite_all(fd, data, step, at - start))
			r = -errno;
	}
	return r;
}

/* Work on the content: write, load, grow, dump. */
static int content(struct ploop_disk *disk, int argc, char **argv, struct stor_err *err)
{
	const char *verb = argv[0];
	bool writes = strcmp(verb, "dump") != 0;
	char guid[GUID_TEXT_BYTES];
	struct ploop_engine *engine;
	struct blockdev *dev;
	int r = -EINVAL;

	if (!writes && argc == 4)
		ploop_snapshot_guid(argv[3], guid);
	engine = ploop_disk_engine(disk, !writes && argc == 4 ? guid : NULL, writes, err);
	if (!engine)
		return -1;
	dev = ploop_engine_blockdev(engine);
	if (!strcmp(verb, "write") && argc > 4)
		r = write_range(dev, number(argv[2]), number(argv[3]), number(argv[4]));
	else if (!strcmp(verb, "grow") && argc > 2)
		r = ploop_engine_grow(engine, number(argv[2]), err) ? -EIO : 0;
	else if (!strcmp(verb, "discard") && argc > 3)
		r = blockdev_discard(dev, number(argv[2]), number(argv[3]));
	else if (!strcmp(verb, "load") && argc > 2)
		r = load_file(dev, argv[2], argc > 3 ? number(argv[3]) : 0);
	else if (!writes && argc > 2)
		r = argc > 4
		            ? dump(dev, argv[2], number(argv[3]), number(argv[3]) + number(argv[4]))
		            : dump(dev, argv[2], 0, dev->size_bytes);
	if (!strcmp(verb, "grow") && !r) {
		disk->descriptor.sectors = ploop_engine_size(engine) / PLOOP_SECTOR;
		r = ploop_descriptor_store(disk->dir, &disk->descriptor, err) ? -EIO : 0;
	}
	if (ploop_engine_close(engine, err))
		return -1;
	return r ? err_fail(err, STOR_FAILED, -r, "%s %s", verb, argv[1]) : 0;
}

static int print_snapshot(void *ctx, const struct stor_snapshot *snapshot)
{
	(void)ctx;
	printf("%s %s%s\n", snapshot->id, snapshot->parent ? snapshot->parent : "-",
	       snapshot->is_current ? " current" : "");
	return 0;
}

static enum ploop_op_layout layout_of(const char *text)
{
	if (!strcmp(text, "raw"))
		return PLOOP_OP_RAW;
	return *text == 'p' ? PLOOP_OP_PREALLOCATED : PLOOP_OP_EXPANDABLE;
}

static int act(struct ploop_disk *disk, int argc, char **argv, struct stor_err *err)
{
	const char *verb = argv[0], *id = argc > 2 ? argv[2] : NULL;
	uint64_t freed;
	int r;

	if (!strcmp(verb, "compact")) {
		r = ploop_op_compact(disk, &freed, err);
		if (!r)
			printf("%" PRIu64 "\n", freed);
		return r;
	}
	if (!strcmp(verb, "list"))
		return ploop_op_snapshots(disk, print_snapshot, NULL, err);
	if (!strcmp(verb, "merge"))
		return ploop_op_merge(disk, id, argc > 3 ? argv[3] : NULL, err);
	if (!id)
		return err_fail(err, STOR_USAGE, 0, "%s: operands", verb);
	if (!strcmp(verb, "snapshot"))
		return ploop_op_snapshot(disk, id, err);
	if (!strcmp(verb, "rollback"))
		return ploop_op_rollback(disk, id, err);
	if (!strcmp(verb, "delete"))
		return ploop_op_delete(disk, id, err);
	if (!strcmp(verb, "version"))
		return ploop_op_convert_version(disk, (unsigned)number(id), err);
	if (!strcmp(verb, "layout"))
		return ploop_op_convert_layout(disk, layout_of(id), 0, err);
	return content(disk, argc, argv, err);
}

static int restore(const char *folder, const char *file, struct stor_err *err)
{
	cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ploop_dir *dir = fd < 0 ? NULL : ploop_dir_open_fd(fd);
	int r = dir ? ploop_op_restore_descriptor(dir, file, err) : -1;

	ploop_dir_close(dir);
	return r;
}

int main(int argc, char **argv)
{
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_disk disk;
	int r;

	testhost_load();
	if (argc == 3 && !strcmp(argv[1], "guid")) {
		char guid[GUID_TEXT_BYTES];

		ploop_snapshot_guid(argv[2], guid);
		return puts(guid) < 0;
	}
	if (argc < 3)
		return STOR_USAGE;
	if (argc == 6 && !strcmp(argv[1], "make")) {
		r = make(argv[2], argv[3], number(argv[4]), number(argv[5]), &err);
	} else if (argc == 4 && !strcmp(argv[1], "restore")) {
		r = restore(argv[2], argv[3], &err);
	} else {
		r = ploop_disk_open(argv[2], 0, &disk, &err);
		if (!r) {
			r = act(&disk, argc - 1, argv + 1, &err);
			ploop_disk_close(&disk);
		}
	}
	if (!r)
		return 0;
	err_print(&err);
	return err.status ? (int)err.status : 1;
}
