/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where blocks lie: a cursor hands out runs of free blocks from the start of the device to its end.
 * And the stream: since what is written lies in the order in which it is written, it gathers in
 * chunks of some MiB, which a thread writes while the next one is being filled.
 */
#include "common/ext4_writer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "common/host.h"

/* Beyond the chunk, so that a read may ask for one byte more than it expects. */
#define CHUNK_SLACK 4096u

int ext4_out_open(struct ext4_writer *w, struct stor_err *err)
{
	struct ext4_out *out = &w->out;

	out->fs = w->fs;
	out->block_bytes = w->block_bytes;
	out->will_sync = w->params->sync;
	out->chunk_bytes = EXT4_SMALL_CHUNK_BYTES;
	for (unsigned i = 0; i < EXT4_CHUNKS; i++) {
		void *data = mmap(NULL, EXT4_CHUNK_BYTES + CHUNK_SLACK, PROT_READ | PROT_WRITE,
		                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (data == MAP_FAILED)
			return host->fail(err, STOR_FAILED, errno, "make ext4 filesystem");
		out->chunks[i].data = data;
	}
	pthread_mutex_init(&out->lock, NULL);
	pthread_cond_init(&out->changed, NULL);
	return 0;
}

void ext4_out_close(struct ext4_out *out)
{
	if (out->has_thread) {
		pthread_mutex_lock(&out->lock);
		out->stop = true;
		pthread_cond_broadcast(&out->changed);
		pthread_mutex_unlock(&out->lock);
		pthread_join(out->thread, NULL);
	}
	for (unsigned i = 0; i < EXT4_CHUNKS; i++) {
		if (out->chunks[i].data)
			munmap(out->chunks[i].data, EXT4_CHUNK_BYTES + CHUNK_SLACK);
	}
}

/* --- blocks ---------------------------------------------------------------------------------- */

void ext4_out_settle(struct ext4_out *out)
{
	if (out->fs && out->run_next > out->run_start)
		ext2fs_block_alloc_stats_range(out->fs, out->run_start,
		                               (blk_t)(out->run_next - out->run_start), +1);
	out->run_start = out->run_next;
}

/* libext2fs counts blocks of one change in 32 bits. */
#define RUN_MAX_BLOCKS ((uint64_t)1 << 30)

static bool find_run(struct ext4_out *out)
{
	uint64_t last = ext2fs_blocks_count(out->fs->super) - 1;
	blk64_t first, used;

	ext4_out_settle(out);
	if (out->run_next > last ||
	    ext2fs_find_first_zero_block_bitmap2(out->fs->block_map,
	                                         out->run_next ? out->run_next
	                                                       : out->fs->super->s_first_data_block,
	                                         last, &first))
		return false;
	if (last - first >= RUN_MAX_BLOCKS)
		last = first + RUN_MAX_BLOCKS - 1;
	if (ext2fs_find_first_set_block_bitmap2(out->fs->block_map, first, last, &used))
		used = last + 1;
	out->run_start = out->run_next = first;
	out->run_end = used;
	return true;
}

int ext4_take(struct ext4_writer *w, uint64_t want, uint64_t *start, uint64_t *count)
{
	struct ext4_out *out = &w->out;

	if (out->run_next == out->run_end) {
		if (w->is_plan) {
			out->run_end += RUN_MAX_BLOCKS;
		} else if (!find_run(out)) {
			w->exhausted = EXT4_EXHAUSTED_BLOCKS;
			return -1;
		}
	}
	*start = out->run_next;
	*count = out->run_end - out->run_next < want ? out->run_end - out->run_next : want;
	out->run_next += *count;
	out->taken_blocks += *count;
	return 0;
}

/* --- the stream ------------------------------------------------------------------------------ */

static void *write_chunks(void *arg)
{
	struct ext4_out *out = arg;
	unsigned at = 0;

	pthread_mutex_lock(&out->lock);
	for (;;) {
		struct ext4_chunk *chunk = &out->chunks[at];
		int error = 0;

		while (!out->waiting && !out->stop)
			pthread_cond_wait(&out->changed, &out->lock);
		if (!out->waiting)
			break;
		if (!out->error) {
			pthread_mutex_unlock(&out->lock);
			error = -blockdev_pwrite(out->dev, chunk->data, chunk->length,
			                         chunk->offset);
			if (!error && out->will_sync)
				error = -blockdev_write_back(out->dev, chunk->offset,
				                             chunk->length);
			pthread_mutex_lock(&out->lock);
		}
		if (error)
			out->error = error;
		chunk->length = 0;
		at = (at + 1) % EXT4_CHUNKS;
		out->waiting--;
		pthread_cond_broadcast(&out->changed);
	}
	pthread_mutex_unlock(&out->lock);
	return NULL;
}

/* Until then chunk 0 alone was used, and that is where the thread begins. */
static int start_thread(struct ext4_out *out)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&out->thread, NULL, write_chunks, out);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	out->has_thread = !error;
	return error;
}

static int fail_write(int error, struct stor_err *err)
{
	host->fail(err, STOR_FAILED, error, "write ext4 filesystem");
	if (error == ENOSPC)
		host->hint(err, "the disk that holds the image is full");
	return -1;
}

/* Hand the chunk that is being filled over, and go on with the next one. */
static int hand_over(struct ext4_out *out, struct stor_err *err)
{
	struct ext4_chunk *chunk = &out->chunks[out->filling];
	int error = 0;

	if (!chunk->length)
		return 0;
	out->done_bytes += chunk->length;
	if (!out->dev) {
		chunk->length = 0;
		return 0;
	}
	if (!out->has_thread && out->chunk_bytes < EXT4_CHUNK_BYTES) {
		if (out->done_bytes >= EXT4_SMALL_START_BYTES)
			out->chunk_bytes = EXT4_CHUNK_BYTES;
		error = -blockdev_pwrite(out->dev, chunk->data, chunk->length, chunk->offset);
		chunk->length = 0;
		return error ? fail_write(error, err) : 0;
	}
	if (!out->has_thread) {
		error = start_thread(out);
		if (error)
			return host->fail(err, STOR_FAILED, error, "start a writing thread");
	}
	pthread_mutex_lock(&out->lock);
	out->waiting++;
	pthread_cond_broadcast(&out->changed);
	while (out->waiting == EXT4_CHUNKS)
		pthread_cond_wait(&out->changed, &out->lock);
	error = out->error;
	pthread_mutex_unlock(&out->lock);
	out->filling = (out->filling + 1) % EXT4_CHUNKS;
	if (error)
		return fail_write(error, err);
	return host->progress("writing", out->done_bytes, 0, err);
}

unsigned char *ext4_room(struct ext4_writer *w, uint64_t block, size_t min_bytes, size_t *room,
                         struct stor_err *err)
{
	struct ext4_out *out = &w->out;
	struct ext4_chunk *chunk = &out->chunks[out->filling];
	uint64_t offset = block * out->block_bytes;

	if (chunk->length && (chunk->offset + chunk->length != offset ||
	                      out->chunk_bytes - chunk->length < min_bytes)) {
		if (hand_over(out, err) < 0)
			return NULL;
		chunk = &out->chunks[out->filling];
	}
	if (!chunk->length)
		chunk->offset = offset;
	*room = out->chunk_bytes - chunk->length;
	return chunk->data + chunk->length;
}

void ext4_put(struct ext4_writer *w, size_t bytes)
{
	w->out.chunks[w->out.filling].length += bytes;
}

unsigned char *ext4_put_block(struct ext4_writer *w, uint64_t block, struct stor_err *err)
{
	size_t room;
	unsigned char *data = ext4_room(w, block, w->block_bytes, &room, err);

	if (data) {
		memset(data, 0, w->block_bytes);
		ext4_put(w, w->block_bytes);
	}
	return data;
}

int ext4_out_drain(struct ext4_writer *w, struct stor_err *err)
{
	struct ext4_out *out = &w->out;
	int error;

	if (hand_over(out, err) < 0)
		return -1;
	pthread_mutex_lock(&out->lock);
	while (out->waiting)
		pthread_cond_wait(&out->changed, &out->lock);
	error = out->error;
	pthread_mutex_unlock(&out->lock);
	return error ? fail_write(error, err) : 0;
}
