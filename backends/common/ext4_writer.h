/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the ext4 writer, for each other (ext4.h is for everybody else), by the file that
 * owns them. One struct ext4_writer is one filesystem in the making: metadata by libext2fs, blocks
 * by a cursor (ext4_out.c), inodes in memory until the end (ext4_inode.c), content in one pass over
 * the source (ext4_populate.c).
 *
 * A *plan* goes the same way without a device or file contents, to count what a tree needs.
 *
 * Functions that take err return 0, or -1 with err filled, or -1 with `exhausted` set and err
 * untouched: the filesystem is too small, which ext4_make() then says with the size it needs.
 */
#ifndef COMMON_EXT4_WRITER_H
#define COMMON_EXT4_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <ext2fs/ext2fs.h>

#include "common/blockdev.h"
#include "common/ext4.h"
#include "common/ext4_extents.h"

/* --- ext4_out.c: where blocks lie, and the stream that writes them ------------------------- */

/* Large enough for a device to be fast. The first EXT4_SMALL_START_BYTES go in small chunks and
 * without a thread: a filesystem without content should not pay for memory that it does not need.
 */
#define EXT4_CHUNK_BYTES ((size_t)2 << 20)
#define EXT4_SMALL_CHUNK_BYTES ((size_t)64 << 10)
#define EXT4_SMALL_START_BYTES ((uint64_t)8 << 20)
#define EXT4_CHUNKS 3

struct ext4_chunk {
	unsigned char *data;
	uint64_t offset; /* on the device, bytes */
	size_t length;
};

struct ext4_out {
	struct blockdev *dev; /* NULL: a plan */
	ext2_filsys fs;       /* NULL: a plan */
	uint32_t block_bytes;
	bool will_sync; /* let the device begin early */
	/* The run of free blocks being handed out: [start, next) is gone, [next, end) is left. */
	uint64_t run_start, run_next, run_end;
	uint64_t taken_blocks;
	/* A ring of chunks: the one being filled, and before it those that wait for the thread. */
	struct ext4_chunk chunks[EXT4_CHUNKS];
	unsigned filling;
	size_t chunk_bytes; /* what goes into one for now */
	uint64_t done_bytes;
	/* Shared with the thread, which starts with the first full chunk. */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned waiting; /* chunks handed over and not yet written */
	bool stop;
	int error; /* errno value of the first write that failed */
};

/* --- the writer itself ----------------------------------------------------------------------- */

#define EXT4_INODES_PER_PIECE 256u
#define EXT4_INODE_BYTES 256u

enum ext4_exhausted { EXT4_EXHAUSTED_NOTHING, EXT4_EXHAUSTED_BLOCKS, EXT4_EXHAUSTED_INODES };

struct ext4_writer {
	const struct ext4_params *params;
	bool is_plan;
	ext2_filsys fs; /* NULL: a plan */
	uint32_t block_bytes;
	uint32_t csum_seed;
	uint32_t hash_seed[4];
	int64_t now; /* seconds */
	enum ext4_exhausted exhausted;
	struct ext4_out out;
	/* Inodes by number, in pieces of EXT4_INODES_PER_PIECE; next_ino is the first free one. */
	struct ext2_inode_large **pieces;
	size_t piece_count;
	uint32_t next_ino, inode_count;
	/* Every inode of a plan. */
	unsigned char plan_inode[EXT4_INODE_BYTES] __attribute__((aligned(8)));
	struct ext4_extents extents; /* scratch, for one file at a time */
};

/* --- ext4_super.c: geometry, superblock, group descriptors ------------------------------------ */

/* Lay the filesystem out on dev; nothing is written yet. ext4_writer_close() in any case. */
int ext4_writer_open(struct ext4_writer *w, struct blockdev *dev, const struct ext4_params *params,
                     struct stor_err *err);
/* The same without a device: only counts. */
int ext4_writer_open_plan(struct ext4_writer *w, const struct ext4_params *params,
                          struct stor_err *err);
/* Account for the inodes, write all metadata, and flush where the parameters say so. */
int ext4_writer_finish(struct ext4_writer *w, struct stor_err *err);
void ext4_writer_close(struct ext4_writer *w);
/* Block size and inode ratio with the defaults filled in; refuses what is no valid parameter. */
int ext4_check_params(const struct ext4_params *params, uint32_t *block_bytes,
                      struct stor_err *err);
/* Report a failure of libext2fs. Returns -1. */
int ext4_fail_library(long code, const char *operation, struct stor_err *err);

/* --- ext4_out.c --------------------------------------------------------------------------------
 */

int ext4_out_open(struct ext4_writer *w, struct stor_err *err);
void ext4_out_close(struct ext4_out *out);
/* Take up to `want` (> 0) neighbouring blocks. */
int ext4_take(struct ext4_writer *w, uint64_t want, uint64_t *start, uint64_t *count);
/* Make the books of libext2fs true for all blocks taken. */
void ext4_out_settle(struct ext4_out *out);
/*
 * Room in the stream for what comes at `block`: at least min_bytes (at most EXT4_SMALL_CHUNK_BYTES)
 * up to *room, and one byte more that may be overwritten. NULL with err filled. ext4_put() then
 * says how many bytes, in whole blocks, were filled in.
 */
unsigned char *ext4_room(struct ext4_writer *w, uint64_t block, size_t min_bytes, size_t *room,
                         struct stor_err *err);
void ext4_put(struct ext4_writer *w, size_t bytes);
/* As ext4_room(), for one block of zeros that is put at once and filled in before the next call. */
unsigned char *ext4_put_block(struct ext4_writer *w, uint64_t block, struct stor_err *err);
/* Wait until all that was put is on the device. */
int ext4_out_drain(struct ext4_writer *w, struct stor_err *err);

/* --- ext4_inode.c ------------------------------------------------------------------------------
 */

/* A new inode's number; 0: exhausted. */
uint32_t ext4_new_inode(struct ext4_writer *w);
/* The inode of a number that ext4_new_inode() gave, or of a reserved one. NULL: out of memory. */
struct ext2_inode_large *ext4_inode(struct ext4_writer *w, uint32_t ino);
/* Fill in type, mode, owner, times, flags and, for device nodes, the device. */
void ext4_inode_set(struct ext2_inode_large *inode, const struct statx *sx);
/* The same for what has no source: times are now. */
void ext4_inode_set_new(const struct ext4_writer *w, struct ext2_inode_large *inode, uint16_t mode);
void ext4_inode_set_size(struct ext2_inode_large *inode, uint64_t size_bytes);
/* Add to the inode's count of blocks. */
void ext4_inode_add_blocks(const struct ext4_writer *w, struct ext2_inode_large *inode,
                           uint64_t blocks);
/* Start value of the checksums of an inode's directory and extent blocks; generation is 0. */
uint32_t ext4_inode_seed(const struct ext4_writer *w, uint32_t ino);
/* Put the inode tables into the stream, and account for them in the group descriptors. */
int ext4_write_inodes(struct ext4_writer *w, struct stor_err *err);
void ext4_free_inodes(struct ext4_writer *w);

/* --- ext4_reserved.c: what every filesystem has besides its content --------------------------- */

/* Journal and resize inode, as the superblock's features ask for them. */
int ext4_make_reserved(struct ext4_writer *w, struct stor_err *err);
/* lost+found, with room for what a repair finds. Returns its inode, 0 on failure. */
uint32_t ext4_make_lost_and_found(struct ext4_writer *w, struct stor_err *err);
/* Take blocks for w->extents from logical block `logical` on, without writing them. */
int ext4_take_extents(struct ext4_writer *w, uint64_t logical, uint64_t blocks,
                      struct stor_err *err);
/* Give the inode the extents gathered in w->extents, writing tree blocks where there are many. */
int ext4_store_extents(struct ext4_writer *w, uint32_t ino, struct ext2_inode_large *inode,
                       struct stor_err *err);

/* --- ext4_file.c -------------------------------------------------------------------------------
 */

/* Copy the content of an open file of size_bytes; may_have_holes: look for them. `path` is for
 * messages. */
int ext4_copy_file(struct ext4_writer *w, int fd, const char *path, uint64_t size_bytes,
                   bool may_have_holes, uint32_t ino, struct ext2_inode_large *inode,
                   struct stor_err *err);
int ext4_write_symlink(struct ext4_writer *w, const char *target, size_t length, const char *path,
                       uint32_t ino, struct ext2_inode_large *inode, struct stor_err *err);

/* --- ext4_populate.c ---------------------------------------------------------------------------
 */

/* Write the tree below source_fd, or an empty root directory for -1. */
int ext4_populate(struct ext4_writer *w, int source_fd, const char *source_path,
                  struct stor_err *err);

#endif
