/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expandable images: checked, mended, opened, read and written, in memory. The input's first byte
 * says how many clusters the file has, the second what is done; a header with its table, at most a
 * page, follows; what comes after that lies where the header says that the extension is.
 */
#include "tests/fuzz/fuzz.h"

#include "core/base/err.h"
#include "ploop/check.h"
#include "ploop/engine.h"
#include "tests/ploop/memfs.h"
#include "tests/ploop/testhost.h"

#define NAME "image"
#define FILE_BYTES_MAX (1u << 20)

static int ignore(void *ctx, const char *key, const char *value)
{
	(void)ctx;
	FUZZ_PROMISE(*key && *value);
	return 0;
}

static struct memfs *make_file(const uint8_t *data, size_t size)
{
	size_t page = size - 2 < PLOOP_PAGE_BYTES ? size - 2 : PLOOP_PAGE_BYTES;
	size_t rest = size - 2 - page, bytes = ((size_t)data[0] % 24 + 1) * 32768 + data[1] / 64;
	uint8_t *file = calloc(1, FILE_BYTES_MAX);
	struct ploop_header header;
	struct memfs *fs = memfs_new();

	if (!file || !fs)
		abort();
	memcpy(file, data + 2, page);
	if (page >= PLOOP_HEADER_BYTES && !ploop_header_parse(file, &header) && header.ext_sector &&
	    header.ext_sector < bytes / 512) {
		size_t at = (size_t)header.ext_sector * 512;

		memcpy(file + at, data + 2 + page, rest < bytes - at ? rest : bytes - at);
	}
	memfs_put(fs, NAME, file, bytes);
	free(file);
	return fs;
}

static struct ploop_file *open_file(struct memfs *fs)
{
	struct ploop_file *file;

	if (memfs_dir(fs)->ops->open(memfs_dir(fs), NAME, PLOOP_OPEN_WRITE, &file))
		abort();
	return file;
}

static void check(struct memfs *fs, bool repair)
{
	struct ploop_check params = { .emit = ignore, .repair = repair };
	struct ploop_file *file = open_file(fs);
	struct stor_err err = STOR_ERR_INIT;

	if (ploop_check_image(file, NAME, &params, &err) < 0)
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
	ploop_file_close(file);
}

static void use_device(struct blockdev *dev)
{
	static uint8_t buffer[65536];
	uint64_t last = dev->size_bytes > sizeof(buffer) ? dev->size_bytes - sizeof(buffer) : 0;
	size_t length = dev->size_bytes < sizeof(buffer) ? (size_t)dev->size_bytes : sizeof(buffer);
	struct blockdev_extent extent;

	blockdev_pread(dev, buffer, length, 0);
	blockdev_pread(dev, buffer, length, last);
	blockdev_extent(dev, 0, &extent);
	blockdev_pwrite(dev, buffer, length / 2, 0);
	blockdev_discard(dev, last, length);
	blockdev_flush(dev);
}

static void open_image(struct memfs *fs, bool writable, bool recover)
{
	struct ploop_link link = { .file = open_file(fs), .name = NAME };
	struct ploop_open_params params = {
		.links = &link,
		.count = 1,
		.writable = writable,
		.recover = recover,
	};
	struct stor_err err = STOR_ERR_INIT;
	struct ploop_engine *engine = ploop_engine_open(&params, &err);
	struct ploop_usage usage;

	if (!engine) {
		FUZZ_PROMISE(err.status != STOR_OK && *err.text);
		ploop_file_close(link.file);
		return;
	}
	use_device(ploop_engine_blockdev(engine));
	if (ploop_engine_usage(engine, &usage, &err) < 0)
		FUZZ_PROMISE(*err.text);
	err = (struct stor_err)STOR_ERR_INIT;
	if (ploop_engine_close(engine, &err) < 0)
		FUZZ_PROMISE(*err.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memfs *fs;

	if (size < 2)
		return 0;
	testhost_load();
	fs = make_file(data, size);
	if (data[1] & 1)
		check(fs, data[1] & 2);
	open_image(fs, data[1] & 4, data[1] & 8);
	if (data[1] & 16)
		check(fs, true);
	memfs_free(fs);
	return 0;
}
