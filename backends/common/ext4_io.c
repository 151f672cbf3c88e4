/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The io_manager that connects libext2fs to a block device: see ext4_io.h. */
#include "common/ext4_io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes are gathered up to this size; larger ones go to the device as they are. */
#define GATHER_BYTES (1u << 20)
#define GATHER_MAX_WRITE (GATHER_BYTES / 4)

struct channel {
	struct struct_io_channel io;
	struct blockdev *dev;
	unsigned char *gathered; /* not yet on the device; NULL until the first write */
	uint64_t start;
	size_t length;
	errcode_t error; /* of gathered data that is lost */
};

static struct channel *to_channel(io_channel io)
{
	return io->private_data;
}

static errcode_t write_out(struct channel *channel)
{
	int error;

	if (channel->error || !channel->length)
		return channel->error;
	error = blockdev_pwrite(channel->dev, channel->gathered, channel->length, channel->start);
	channel->length = 0;
	channel->error = -error;
	return channel->error;
}

static errcode_t write_bytes(struct channel *channel, uint64_t offset, size_t length,
                             const void *data)
{
	errcode_t error = 0;

	if (channel->length &&
	    (offset != channel->start + channel->length || length > GATHER_BYTES - channel->length))
		error = write_out(channel);
	if (error)
		return error;
	if (length > GATHER_MAX_WRITE && !channel->length)
		return -blockdev_pwrite(channel->dev, data, length, offset);
	if (length > GATHER_MAX_WRITE) {
		error = write_out(channel);
		return error ? error : -blockdev_pwrite(channel->dev, data, length, offset);
	}
	if (!channel->gathered)
		channel->gathered = malloc(GATHER_BYTES);
	if (!channel->gathered)
		return ENOMEM;
	if (!channel->length)
		channel->start = offset;
	memcpy(channel->gathered + channel->length, data, length);
	channel->length += length;
	return 0;
}

/* A negative count is libext2fs's way to give bytes instead of blocks. */
static size_t bytes_of(io_channel io, int count)
{
	return count < 0 ? (size_t)-count : (size_t)count * (size_t)io->block_size;
}

static uint64_t offset_of(io_channel io, unsigned long long block)
{
	return block * (uint64_t)io->block_size;
}

static errcode_t io_read_blk64(io_channel io, unsigned long long block, int count, void *data)
{
	struct channel *channel = to_channel(io);
	uint64_t offset = offset_of(io, block);
	size_t length = bytes_of(io, count);
	errcode_t error;

	if (channel->length && offset < channel->start + channel->length &&
	    channel->start < offset + length) {
		error = write_out(channel);
		if (error)
			return error;
	}
	error = -blockdev_pread(channel->dev, data, length, offset);
	if (error && io->read_error)
		error = io->read_error(io, block, count, data, length, 0, error);
	return error;
}

static errcode_t io_read_blk(io_channel io, unsigned long block, int count, void *data)
{
	return io_read_blk64(io, block, count, data);
}

static errcode_t io_write_blk64(io_channel io, unsigned long long block, int count,
                                const void *data)
{
	return write_bytes(to_channel(io), offset_of(io, block), bytes_of(io, count), data);
}

static errcode_t io_write_blk(io_channel io, unsigned long block, int count, const void *data)
{
	return io_write_blk64(io, block, count, data);
}

static errcode_t io_write_byte(io_channel io, unsigned long offset, int count, const void *data)
{
	return write_bytes(to_channel(io), offset, (size_t)count, data);
}

static errcode_t io_set_blksize(io_channel io, int block_size)
{
	io->block_size = block_size;
	return 0;
}

static errcode_t io_flush(io_channel io)
{
	errcode_t error = write_out(to_channel(io));

	return error ? error : -blockdev_flush(to_channel(io)->dev);
}

static errcode_t io_discard(io_channel io, unsigned long long block, unsigned long long count)
{
	errcode_t error = write_out(to_channel(io));

	return error ? error
	             : -blockdev_discard(to_channel(io)->dev, offset_of(io, block),
	                                 offset_of(io, count));
}

static errcode_t io_zeroout(io_channel io, unsigned long long block, unsigned long long count)
{
	errcode_t error = write_out(to_channel(io));

	return error ? error
	             : -blockdev_zero(to_channel(io)->dev, offset_of(io, block),
	                              offset_of(io, count));
}

static errcode_t io_set_option(io_channel io, const char *option, const char *argument)
{
	(void)io;
	(void)option;
	(void)argument;
	return EXT2_ET_INVALID_ARGUMENT;
}

static errcode_t io_close(io_channel io)
{
	struct channel *channel = to_channel(io);
	errcode_t error;

	if (--io->refcount > 0)
		return 0;
	error = write_out(channel);
	free(channel->gathered);
	free(channel);
	return error;
}

static errcode_t io_open(const char *name, int flags, io_channel *io);

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "stor block device",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read_blk,
	.write_blk = io_write_blk,
	.flush = io_flush,
	.write_byte = io_write_byte,
	.set_option = io_set_option,
	.read_blk64 = io_read_blk64,
	.write_blk64 = io_write_blk64,
	.discard = io_discard,
	.zeroout = io_zeroout,
};

static errcode_t io_open(const char *name, int flags, io_channel *io)
{
	struct channel *channel;
	uintptr_t address;

	(void)flags;
	if (sscanf(name, "blockdev@%" SCNxPTR, &address) != 1)
		return EXT2_ET_BAD_DEVICE_NAME;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return ENOMEM;
	channel->dev = (struct blockdev *)address;
	channel->io.magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->io.manager = &manager;
	channel->io.name = (char *)manager.name;
	channel->io.block_size = 1024;
	channel->io.refcount = 1;
	channel->io.private_data = channel;
	*io = &channel->io;
	return 0;
}

io_manager ext4_io_manager(void)
{
	return &manager;
}

const char *ext4_io_name(struct blockdev *dev, char *buf)
{
	snprintf(buf, EXT4_IO_NAME_MAX, "blockdev@%" PRIxPTR, (uintptr_t)dev);
	return buf;
}
