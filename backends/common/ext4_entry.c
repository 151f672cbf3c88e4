/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One entry of a source directory: what it is, whether it came before by another name, and its
 * copy. */
#include "common/ext4_walk.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "common/host.h"

#define MAX_LINKS 65000u
/* From this size on a look for holes costs nothing beside the reading. */
#define LARGE_FILE_BYTES (1u << 20)

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

int ext4_statx(int dir_fd, const char *name, struct statx *sx)
{
	return statx(dir_fd, name,
	             AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH),
	             STATX_BASIC_STATS | STATX_BTIME, sx);
}

bool ext4_is_mount_root(const struct statx *sx)
{
	return sx->stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

uint64_t ext4_device_of(const struct statx *sx)
{
	return (uint64_t)sx->stx_dev_major << 32 | sx->stx_dev_minor;
}

int ext4_set_path(struct ext4_walk *walk, const char *name, struct stor_err *err)
{
	size_t prefix = walk->top ? walk->top->path_length : 0, length = strlen(name);

	if (prefix + length + 2 > walk->path_room) {
		size_t room = (prefix + length + 2) * 2;
		char *path = realloc(walk->path, room);

		if (!path)
			return host->fail(err, STOR_FAILED, ENOMEM, "read %s", name);
		walk->path = path;
		walk->path_room = room;
	}
	if (walk->top)
		walk->path[prefix++] = '/';
	memcpy(walk->path + prefix, name, length + 1);
	return 0;
}

/* --- files of several names ------------------------------------------------------------------ */

static struct ext4_link *find_slot(const struct ext4_links *links, uint64_t device,
                                   uint64_t source_ino)
{
	uint64_t hash = (source_ino ^ device << 48 ^ device) * 0x9e3779b97f4a7c15u;
	size_t at = (size_t)(hash >> 32) & (links->room - 1);

	while (links->slots[at].ino &&
	       (links->slots[at].source_ino != source_ino || links->slots[at].device != device))
		at = (at + 1) & (links->room - 1);
	return &links->slots[at];
}

static int grow(struct ext4_links *links)
{
	struct ext4_links larger = { .room = links->room ? links->room * 2 : 1024 };

	larger.slots = calloc(larger.room, sizeof(*larger.slots));
	if (!larger.slots)
		return -1;
	for (size_t i = 0; i < links->room; i++) {
		if (links->slots[i].ino)
			*find_slot(&larger, links->slots[i].device, links->slots[i].source_ino) =
				links->slots[i];
	}
	larger.count = links->count;
	free(links->slots);
	*links = larger;
	return 0;
}

/* The slot of this file, to be filled in when it has no inode yet. NULL: out of memory. */
static struct ext4_link *link_of(struct ext4_links *links, const struct statx *sx)
{
	uint64_t device = ext4_device_of(sx);
	struct ext4_link *slot;

	if (links->count * 2 >= links->room && grow(links) < 0)
		return NULL;
	slot = find_slot(links, device, sx->stx_ino);
	if (!slot->ino) {
		slot->device = device;
		slot->source_ino = sx->stx_ino;
		links->count++;
	}
	return slot;
}

/* --- the copy -------------------------------------------------------------------------------- */

static uint8_t file_type_of(uint16_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return EXT2_FT_REG_FILE;
	case S_IFDIR:
		return EXT2_FT_DIR;
	case S_IFCHR:
		return EXT2_FT_CHRDEV;
	case S_IFBLK:
		return EXT2_FT_BLKDEV;
	case S_IFIFO:
		return EXT2_FT_FIFO;
	case S_IFSOCK:
		return EXT2_FT_SOCK;
	case S_IFLNK:
		return EXT2_FT_SYMLINK;
	default:
		return EXT2_FT_UNKNOWN;
	}
}

/* O_NONBLOCK: should a fifo have taken the file's place meanwhile, do not wait for its writer. */
static int open_file(int dir_fd, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = openat(dir_fd, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dir_fd, name, flags) : fd;
}

static int copy_symlink(struct ext4_walk *walk, const char *name, uint32_t ino,
                        struct ext2_inode_large *inode, struct stor_err *err)
{
	ssize_t length = readlinkat(walk->top->fd, name, walk->buffer, PATH_MAX);

	if (length < 0)
		return host->fail(err, STOR_FAILED, errno, "read the link %s", walk->path);
	if (!length || length == PATH_MAX)
		return host->fail(err, STOR_FAILED, EINVAL, "read the link %s", walk->path);
	return ext4_write_symlink(walk->w, walk->buffer, (size_t)length, walk->path, ino, inode,
	                          err);
}

static int copy_content(struct ext4_walk *walk, int fd, const char *name, const struct statx *sx,
                        uint32_t ino, struct ext2_inode_large *inode, struct stor_err *err)
{
	bool may_have_holes =
		sx->stx_size >= LARGE_FILE_BYTES || sx->stx_blocks * 512 < sx->stx_size;

	if (S_ISLNK(sx->stx_mode))
		return copy_symlink(walk, name, ino, inode, err);
	if (!S_ISREG(sx->stx_mode))
		return 0;
	/* Content that another mount put over the file is not the tree's. */
	return ext4_copy_file(walk->w, fd, walk->path, ext4_is_mount_root(sx) ? 0 : sx->stx_size,
	                      may_have_holes && !ext4_is_mount_root(sx), ino, inode, err);
}

/* A further name: 1, or 0 for the first one, with *slot for its inode (NULL: it has one name). */
static int find_earlier(struct ext4_walk *walk, const struct statx *sx, struct ext4_link **slot,
                        uint32_t *ino, struct stor_err *err)
{
	struct ext2_inode_large *inode;

	*slot = NULL;
	if (sx->stx_nlink < 2)
		return 0;
	*slot = link_of(&walk->links, sx);
	inode = *slot && (*slot)->ino ? ext4_inode(walk->w, (*slot)->ino) : NULL;
	if (!*slot || ((*slot)->ino && !inode))
		return host->fail(err, STOR_FAILED, ENOMEM, "copy %s", walk->path);
	if (!inode)
		return 0;
	if (le16toh(inode->i_links_count) >= MAX_LINKS)
		return host->fail(err, STOR_FAILED, EMLINK, "copy %s: ext4 has at most %u names",
		                  walk->path, MAX_LINKS);
	inode->i_links_count = htole16((uint16_t)(le16toh(inode->i_links_count) + 1));
	*ino = (*slot)->ino;
	return 1;
}

int ext4_copy_entry(struct ext4_walk *walk, const char *name, uint8_t type, uint32_t *ino,
                    uint8_t *file_type, struct stor_err *err)
{
	struct ext2_inode_large *inode;
	cleanup_close int fd = -1;
	struct ext4_link *slot;
	struct statx sx;
	int earlier;

	if (type == DT_REG) {
		fd = open_file(walk->top->fd, name);
		if (fd < 0)
			return host->fail(err, STOR_FAILED, errno, "open %s", walk->path);
	}
	if (ext4_statx(fd < 0 ? walk->top->fd : fd, fd < 0 ? name : "", &sx) < 0)
		return host->fail(err, STOR_FAILED, errno, "read %s", walk->path);
	*file_type = file_type_of(sx.stx_mode);
	if (S_ISREG(sx.stx_mode) != (type == DT_REG) || *file_type == EXT2_FT_DIR ||
	    *file_type == EXT2_FT_UNKNOWN)
		return host->fail(err, STOR_FAILED, 0, "copy %s: it changed while it was read",
		                  walk->path);
	earlier = find_earlier(walk, &sx, &slot, ino, err);
	if (earlier)
		return earlier < 0 ? -1 : 0;
	*ino = ext4_new_inode(walk->w);
	if (!*ino)
		return -1;
	if (slot)
		slot->ino = *ino;
	inode = ext4_inode(walk->w, *ino);
	if (!inode)
		return host->fail(err, STOR_FAILED, ENOMEM, "copy %s", walk->path);
	ext4_inode_set(inode, &sx);
	if (copy_content(walk, fd, name, &sx, *ino, inode, err) < 0)
		return -1;
	return ext4_copy_attributes(walk, fd, walk->top->fd, name, inode, err);
}
