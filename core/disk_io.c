/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of block devices: see disk_io.h. */
#include "core/disk_io.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include <stor/util.h>

#include "core/base/fs.h"

#define SECTOR_BYTES 512 /* of these counters, whatever the device's are */
#define TEXT_LIMIT_BYTES 4096

bool disk_io_read(dev_t disk, struct disk_io *io)
{
	cleanup_free char *path = xasprintf("/sys/dev/block/%u:%u/stat", major(disk), minor(disk));
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, TEXT_LIMIT_BYTES, NULL, &ignored);
	uint64_t read_sectors, write_sectors;

	/* "READS merged SECTORS ms WRITES merged SECTORS ms …": Documentation/block/stat.rst */
	if (!text || sscanf(text, "%" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64,
	                    &io->read_ops, &read_sectors, &io->write_ops, &write_sectors) != 4)
		return false;
	io->read_bytes = read_sectors * SECTOR_BYTES;
	io->write_bytes = write_sectors * SECTOR_BYTES;
	return true;
}

char *disk_io_text(const struct disk_io *io)
{
	return xasprintf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, io->read_ops,
	                 io->read_bytes, io->write_ops, io->write_bytes);
}

bool disk_io_parse(const char *text, struct disk_io *io)
{
	return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &io->read_ops,
	              &io->read_bytes, &io->write_ops, &io->write_bytes) == 4;
}
