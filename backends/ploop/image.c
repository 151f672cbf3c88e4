/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New image files: see image.h. */
#include "ploop/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "common/host.h"

static int write_empty(struct ploop_file *file, const struct ploop_header *header)
{
	cleanup_free uint8_t *page = aligned_alloc(PLOOP_PAGE_BYTES, PLOOP_PAGE_BYTES);
	uint64_t end = (uint64_t)header->first_sector * PLOOP_SECTOR;
	int r;

	if (!page)
		return -ENOMEM;
	memset(page, 0, PLOOP_PAGE_BYTES);
	ploop_header_encode(header, page);
	r = file->ops->zero(file, 0, end);
	if (!r)
		r = file->ops->pwrite(file, page, PLOOP_PAGE_BYTES, 0);
	/* Others refuse blocks that were never written. */
	if (!r)
		r = file->ops->seal(file, 0, end, end + 1);
	return r ? r : file->ops->sync(file);
}

int ploop_image_create(struct ploop_dir *dir, const char *name, unsigned version,
                       uint32_t cluster_sectors, uint64_t sectors, struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	struct ploop_header header;
	const char *why = ploop_header_make(&header, version, cluster_sectors, sectors);
	int r;

	if (why)
		return host->fail(err, STOR_USAGE, 0, "ploop: make \"%s\": %s", name, why);
	r = dir->ops->open(dir, name, PLOOP_OPEN_CREATE, &file);
	if (!r)
		r = write_empty(file, &header);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: make \"%s\"", name) : 0;
}

int ploop_image_create_raw(struct ploop_dir *dir, const char *name, uint64_t sectors,
                           struct stor_err *err)
{
	cleanup_ploop_file struct ploop_file *file = NULL;
	int r = dir->ops->open(dir, name, PLOOP_OPEN_CREATE, &file);

	if (!r)
		r = file->ops->zero(file, 0, sectors * PLOOP_SECTOR);
	if (!r)
		r = file->ops->sync(file);
	return r ? host->fail(err, STOR_FAILED, -r, "ploop: make \"%s\"", name) : 0;
}

int ploop_image_examine_header(struct ploop_file *file, struct ploop_header *header,
                               const char **why)
{
	uint8_t raw[PLOOP_HEADER_BYTES];
	int r = file->ops->pread(file, raw, sizeof(raw), 0);

	*why = r ? NULL : ploop_header_parse(raw, header);
	return r;
}

bool ploop_image_read_header(struct ploop_file *file, struct ploop_header *header)
{
	const char *why;

	return !ploop_image_examine_header(file, header, &why) && !why;
}
