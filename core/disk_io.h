/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What block devices are read from and written to. */
#ifndef CORE_DISK_IO_H
#define CORE_DISK_IO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Requests and bytes. */
struct disk_io {
	uint64_t read_ops, read_bytes, write_ops, write_bytes;
};

/* As the kernel has counted since it made the device, which may have had other users meanwhile: a
 * loop device keeps its count from one file to the next. False: there is no such device. */
bool disk_io_read(dev_t disk, struct disk_io *io);

/* As text for a record, malloc'ed; and read from it. False: it is none. */
char *disk_io_text(const struct disk_io *io);
bool disk_io_parse(const char *text, struct disk_io *io);

#endif
