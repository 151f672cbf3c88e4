/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One pass over a source tree. A directory is read whole, its entries are copied in the order of
 * their inodes in the source (which is that of their data on a disk), its blocks are written, and
 * then its own directories follow, depth first. Everything is reached relative to an open
 * directory, no link is followed, and no mount is entered.
 */
#include "common/ext4_walk.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"

/* Directories above the one at hand that stay open; the others are found again by "..". */
#define OPEN_DEPTH 32u
#define MAX_DIRECTORY_LINKS 65000u
#define LOST_AND_FOUND "lost+found"

static int fail_memory(const struct ext4_walk *walk, struct stor_err *err)
{
	return host->fail(err, STOR_FAILED, ENOMEM, "read %s", walk->path);
}

/* --- reading a directory --------------------------------------------------------------------- */

struct kernel_dirent {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};

/* The array with room for `wanted` items; NULL, with the old one kept: out of memory. */
static void *make_room(void *array, size_t *room, size_t wanted, size_t item_bytes)
{
	if (wanted <= *room)
		return array;
	wanted = wanted < 64 ? 64 : wanted * 2;
	array = reallocarray(array, wanted, item_bytes);
	if (array)
		*room = wanted;
	return array;
}

static int add_found(struct ext4_walk *walk, const struct kernel_dirent *dirent)
{
	const char *name = dirent->d_name;
	size_t length = strlen(name);
	void *grown;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	grown = make_room(walk->found, &walk->found_room, walk->found_count + 1,
	                  sizeof(*walk->found));
	if (!grown)
		return -1;
	walk->found = grown;
	grown = make_room(walk->names, &walk->names_room, walk->names_length + length + 1, 1);
	if (!grown)
		return -1;
	walk->names = grown;
	memcpy(walk->names + walk->names_length, name, length + 1);
	walk->found[walk->found_count++] = (struct ext4_found){
		.source_ino = dirent->d_ino,
		.name_offset = walk->names_length,
		.name_length = (uint8_t)length,
		.type = dirent->d_type,
	};
	walk->names_length += length + 1;
	return 0;
}

static int by_source_ino(const void *a, const void *b)
{
	const struct ext4_found *x = a, *y = b;

	if (x->source_ino != y->source_ino)
		return x->source_ino < y->source_ino ? -1 : 1;
	return x->name_offset < y->name_offset ? -1 : 1;
}

static int read_directory(struct ext4_walk *walk, int fd, struct stor_err *err)
{
	long length;

	walk->found_count = walk->names_length = 0;
	while ((length = syscall(SYS_getdents64, fd, walk->buffer, sizeof(walk->buffer))) > 0) {
		for (long at = 0; at < length;) {
			const struct kernel_dirent *dirent = (void *)(walk->buffer + at);

			if (add_found(walk, dirent) < 0)
				return fail_memory(walk, err);
			at += dirent->d_reclen;
		}
	}
	if (length < 0)
		return host->fail(err, STOR_FAILED, errno, "read the directory %s", walk->path);
	qsort(walk->found, walk->found_count, sizeof(*walk->found), by_source_ino);
	return 0;
}

/* --- writing it ------------------------------------------------------------------------------ */

static uint8_t type_of(struct ext4_walk *walk, const struct ext4_found *found)
{
	struct statx sx;

	if (found->type != DT_UNKNOWN ||
	    ext4_statx(walk->top->fd, walk->names + found->name_offset, &sx) < 0)
		return found->type;
	return IFTODT(sx.stx_mode);
}

/* Copies what is no directory, and numbers what is one, for later. */
static int copy_entries(struct ext4_walk *walk, struct stor_err *err)
{
	struct ext4_frame *frame = walk->top;
	size_t name_bytes = 0;
	void *grown;

	grown = make_room(walk->entries, &walk->entries_room, walk->found_count + 1,
	                  sizeof(*walk->entries));
	if (!grown)
		return fail_memory(walk, err);
	walk->entries = grown;
	for (size_t i = 0; i < walk->found_count; i++) {
		struct ext4_found *found = &walk->found[i];
		struct ext4_dirent *entry = &walk->entries[i];

		entry->name = walk->names + found->name_offset;
		entry->name_length = found->name_length;
		if (ext4_set_path(walk, entry->name, err) < 0)
			return -1;
		found->type = type_of(walk, found);
		if (found->type != DT_DIR) {
			if (ext4_copy_entry(walk, entry->name, found->type, &entry->ino,
			                    &entry->file_type, err) < 0)
				return -1;
			continue;
		}
		entry->file_type = EXT2_FT_DIR;
		entry->ino = ext4_new_inode(walk->w);
		if (!entry->ino)
			return -1;
		frame->child_count++;
		name_bytes += found->name_length + 1u;
	}
	frame->child_inos = calloc(frame->child_count + 1, sizeof(*frame->child_inos));
	frame->child_names = frame->next_name = malloc(name_bytes + 1);
	return frame->child_inos && frame->child_names ? 0 : fail_memory(walk, err);
}

/* The walk's names make room for those of the next directory: keep the directories'. */
static void keep_children(struct ext4_walk *walk)
{
	struct ext4_frame *frame = walk->top;
	char *to = frame->child_names;
	size_t n = 0;

	for (size_t i = 0; i < walk->found_count; i++) {
		if (walk->found[i].type != DT_DIR)
			continue;
		memcpy(to, walk->entries[i].name, walk->found[i].name_length + 1u);
		to += walk->found[i].name_length + 1u;
		frame->child_inos[n++] = walk->entries[i].ino;
	}
}

/* The root has lost+found, the source's or a new one. */
static int add_lost_and_found(struct ext4_walk *walk, size_t *count, struct stor_err *err)
{
	struct ext4_dirent *entry = &walk->entries[*count];

	for (size_t i = 0; i < *count; i++) {
		if (strcmp(walk->entries[i].name, LOST_AND_FOUND) != 0)
			continue;
		if (walk->entries[i].file_type == EXT2_FT_DIR)
			return 0;
		return host->fail(err, STOR_FAILED, 0,
		                  "make ext4 filesystem: " LOST_AND_FOUND " is not a directory");
	}
	entry->ino = ext4_make_lost_and_found(walk->w, err);
	if (!entry->ino)
		return -1;
	entry->name = LOST_AND_FOUND;
	entry->name_length = sizeof(LOST_AND_FOUND) - 1;
	entry->file_type = EXT2_FT_DIR;
	++*count;
	return 0;
}

static int write_blocks(struct ext4_walk *walk, const struct ext4_dir_layout *layout,
                        struct ext2_inode_large *inode, struct stor_err *err)
{
	struct ext4_writer *w = walk->w;
	uint32_t logical = 0;

	if (ext4_take_extents(w, 0, layout->blocks, err) < 0)
		return -1;
	for (size_t i = 0; i < w->extents.count && !w->is_plan; i++) {
		for (uint32_t j = 0; j < w->extents.items[i].length; j++) {
			unsigned char *data =
				ext4_put_block(w, w->extents.items[i].physical + j, err);

			if (!data)
				return -1;
			ext4_dir_block(layout, logical++, data);
		}
	}
	ext4_inode_set_size(inode, (uint64_t)layout->blocks * w->block_bytes);
	if (layout->is_indexed)
		inode->i_flags |= htole32(EXT2_INDEX_FL);
	return ext4_store_extents(w, layout->ino, inode, err);
}

static int write_directory(struct ext4_walk *walk, uint32_t parent, const struct statx *sx,
                           struct stor_err *err)
{
	struct ext4_frame *frame = walk->top;
	struct ext2_inode_large *inode;
	size_t count = walk->found_count, links = 2 + frame->child_count;
	struct ext4_dir_layout layout;
	int result;

	if (frame->ino == EXT2_ROOT_INO) {
		if (add_lost_and_found(walk, &count, err) < 0)
			return -1;
		links += count - walk->found_count;
	}
	inode = ext4_inode(walk->w, frame->ino);
	if (!inode)
		return fail_memory(walk, err);
	ext4_inode_set(inode, sx);
	inode->i_links_count = htole16(links > MAX_DIRECTORY_LINKS ? 1 : (uint16_t)links);
	if (ext4_dir_lay_out(&layout, walk->entries, count, walk->w->block_bytes, frame->ino,
	                     parent, ext4_inode_seed(walk->w, frame->ino),
	                     walk->w->hash_seed) < 0) {
		ext4_dir_layout_free(&layout);
		return host->fail(err, STOR_FAILED, errno, "copy the directory %s", walk->path);
	}
	result = write_blocks(walk, &layout, inode, err);
	ext4_dir_layout_free(&layout);
	return result;
}

/* --- the walk -------------------------------------------------------------------------------- */

static int copy_directory(struct ext4_walk *walk, const struct statx *sx, struct stor_err *err)
{
	struct ext4_frame *frame = walk->top;
	uint32_t parent = frame->up ? frame->up->ino : EXT2_ROOT_INO;
	bool is_mount = frame->up && ext4_is_mount_root(sx);

	walk->found_count = 0;
	if (frame->fd >= 0 && !is_mount && read_directory(walk, frame->fd, err) < 0)
		return -1;
	if (copy_entries(walk, err) < 0)
		return -1;
	keep_children(walk);
	walk->path[frame->path_length] = '\0';
	if (write_directory(walk, parent, sx, err) < 0)
		return -1;
	if (frame->fd < 0)
		return 0;
	return ext4_copy_attributes(walk, frame->fd, -1, NULL, ext4_inode(walk->w, frame->ino),
	                            err);
}

/* Reading leaves no trace where that is allowed: to a file's owner. */
static int open_directory(int dir_fd, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir_fd, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dir_fd, name, flags) : fd;
}

/* fd becomes the frame's, also on failure. */
static struct ext4_frame *push(struct ext4_walk *walk, int fd, uint32_t ino, const struct statx *sx,
                               struct stor_err *err)
{
	struct ext4_frame *frame = calloc(1, sizeof(*frame)), *far = walk->top;

	if (!frame) {
		close(fd);
		fail_memory(walk, err);
		return NULL;
	}
	for (unsigned i = 1; far && i < OPEN_DEPTH; i++)
		far = far->up;
	if (far)
		close_fd(&far->fd);
	frame->fd = fd;
	frame->ino = ino;
	frame->device = ext4_device_of(sx);
	frame->source_ino = sx->stx_ino;
	frame->path_length = strlen(walk->path);
	frame->up = walk->top;
	walk->top = frame;
	return frame;
}

static void drop_top(struct ext4_walk *walk)
{
	struct ext4_frame *frame = walk->top;

	walk->top = frame->up;
	close_fd(&frame->fd);
	free(frame->child_inos);
	free(frame->child_names);
	free(frame);
}

/* Back to the directory above; one that was closed is opened again from below, even one that is
 * done: it is the way to those further up. */
static int pop(struct ext4_walk *walk, struct stor_err *err)
{
	struct ext4_frame *up = walk->top->up;

	/* Also one that has no more children: its own parent is found from it. */
	if (up && up->fd < 0) {
		struct statx sx;

		walk->path[up->path_length] = '\0';
		up->fd = open_directory(walk->top->fd, "..");
		if (up->fd < 0 || ext4_statx(up->fd, "", &sx) < 0)
			return host->fail(err, STOR_FAILED, errno, "open %s again", walk->path);
		if (sx.stx_ino != up->source_ino || ext4_device_of(&sx) != up->device)
			return host->fail(err, STOR_FAILED, 0,
			                  "copy %s: it was moved while it was read", walk->path);
	}
	drop_top(walk);
	return 0;
}

static int enter_next_child(struct ext4_walk *walk, struct stor_err *err)
{
	struct ext4_frame *frame = walk->top;
	const char *name = frame->next_name;
	uint32_t ino = frame->child_inos[frame->next_child++];
	struct statx sx;
	int fd;

	frame->next_name += strlen(name) + 1;
	if (ext4_set_path(walk, name, err) < 0)
		return -1;
	fd = open_directory(frame->fd, name);
	if (fd < 0)
		return host->fail(err, STOR_FAILED, errno, "open the directory %s", walk->path);
	if (ext4_statx(fd, "", &sx) < 0) {
		close(fd);
		return host->fail(err, STOR_FAILED, errno, "read %s", walk->path);
	}
	if (!push(walk, fd, ino, &sx, err))
		return -1;
	return copy_directory(walk, &sx, err);
}

static int walk_tree(struct ext4_walk *walk, int source_fd, struct stor_err *err)
{
	struct statx sx = { .stx_mode = S_IFDIR | 0755 };
	int fd = -1;

	sx.stx_atime.tv_sec = sx.stx_mtime.tv_sec = sx.stx_ctime.tv_sec = walk->w->now;
	if (source_fd >= 0) {
		/* Of its own, so that reading it moves no offset of the caller's. */
		fd = open_directory(source_fd, ".");
		if (fd < 0 || ext4_statx(fd, "", &sx) < 0) {
			host->fail(err, STOR_FAILED, errno, "open %s", walk->path);
			close_fd(&fd);
			return -1;
		}
	}
	if (!push(walk, fd, EXT2_ROOT_INO, &sx, err))
		return -1;
	if (copy_directory(walk, &sx, err) < 0)
		return -1;
	while (walk->top) {
		if (walk->top->next_child < walk->top->child_count) {
			if (enter_next_child(walk, err) < 0)
				return -1;
		} else if (pop(walk, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int ext4_populate(struct ext4_writer *w, int source_fd, const char *source_path,
                  struct stor_err *err)
{
	struct ext4_walk *walk = calloc(1, sizeof(*walk));
	int result = -1;

	if (!walk)
		return host->fail(err, STOR_FAILED, ENOMEM, "read %s", source_path);
	walk->w = w;
	if (!ext4_set_path(walk, source_path ? source_path : "", err))
		result = walk_tree(walk, source_fd, err);
	while (walk->top)
		drop_top(walk);
	free(walk->path);
	free(walk->found);
	free(walk->entries);
	free(walk->names);
	free(walk->links.slots);
	free(walk->xattr_names);
	free(walk->xattr_values);
	free(walk->xattrs);
	free(walk);
	return result;
}
