/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories of a tree under construction: their times, and the attributes that what is made in
 * them would inherit, are set when all is made. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "core/base/sys.h"
#include "modules/image/tree.h"

static size_t first_slot(const struct tree *tree, ino_t inode)
{
	return (size_t)((uint64_t)inode * 0x9e3779b97f4a7c15u >> 20) & (tree->slot_count - 1);
}

/* Slot of an inode, or the empty one where it belongs. */
static uint32_t *find_slot(const struct tree *tree, ino_t inode)
{
	size_t i = first_slot(tree, inode);

	while (tree->slots[i] && tree->dirs[tree->slots[i] - 1].inode != inode)
		i = (i + 1) & (tree->slot_count - 1);
	return &tree->slots[i];
}

static void grow_table(struct tree *tree)
{
	if (2 * (tree->dir_count + 1) <= tree->slot_count)
		return;
	free(tree->slots);
	tree->slot_count = tree->slot_count ? 2 * tree->slot_count : 1024;
	tree->slots = xcalloc(tree->slot_count, sizeof(*tree->slots));
	for (size_t i = 0; i < tree->dir_count; i++)
		*find_slot(tree, tree->dirs[i].inode) = (uint32_t)i + 1;
}

static struct tree_dir *dir_of_inode(struct tree *tree, ino_t inode)
{
	struct tree_dir *dir;
	uint32_t *slot;

	grow_table(tree);
	slot = find_slot(tree, inode);
	if (*slot) {
		dir = &tree->dirs[*slot - 1];
		free(dir->path);
		xattrs_free(&dir->xattrs);
		return dir;
	}
	if (tree->dir_count == tree->dir_room) {
		tree->dir_room = tree->dir_room ? 2 * tree->dir_room : 256;
		tree->dirs = xrealloc(tree->dirs, tree->dir_room * sizeof(*tree->dirs));
	}
	dir = &tree->dirs[tree->dir_count++];
	*slot = (uint32_t)tree->dir_count;
	memset(dir, 0, sizeof(*dir));
	dir->inode = inode;
	return dir;
}

int tree_note_dir(struct tree *tree, const char *path, int dir_fd, const struct entry *entry,
                  bool existed, struct stor_err *err)
{
	struct tree_dir *dir;
	struct stat st;

	if (fstat(dir_fd, &st) < 0)
		return tree_fail(path, errno, "set its attributes", err);
	dir = dir_of_inode(tree, st.st_ino);
	dir->path = xstrdup(path);
	dir->mtime = entry ? entry->mtime : st.st_mtim;
	dir->had_xattrs = existed;
	for (size_t i = 0; entry && i < entry->xattrs.count; i++) {
		const struct xattr *x = &entry->xattrs.items[i];

		xattrs_add(&dir->xattrs, x->name, x->value, x->size);
	}
	return 0;
}

static int finish_dir(struct tree *tree, const struct tree_dir *dir, struct stor_err *err)
{
	const struct timespec times[2] = { dir->mtime, dir->mtime };
	cleanup_close int fd = sys_openat2(tree->root_fd, *dir->path ? dir->path : ".",
	                                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
	                                   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	const char *failed = NULL;
	struct stat st;

	/* Removed or replaced by a later entry: then that one is noted too. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return tree_fail(dir->path, errno, "open directory", err);
	if (st.st_ino != dir->inode)
		return 0;
	if (dir->had_xattrs && xattrs_remove_others(&dir->xattrs, fd) < 0)
		return tree_fail(dir->path, errno, "remove its attributes", err);
	if (xattrs_apply(&dir->xattrs, fd, -1, "", &failed) < 0)
		return tree_fail_xattr(dir->path, errno, failed, err);
	if (futimens(fd, times) < 0)
		return tree_fail(dir->path, errno, "set its time", err);
	return 0;
}

int tree_finish(struct tree *tree, struct stor_err *err)
{
	for (size_t i = 0; i < tree->dir_count; i++)
		if (finish_dir(tree, &tree->dirs[i], err) < 0)
			return -1;
	return 0;
}

void tree_free_dirs(struct tree *tree)
{
	for (size_t i = 0; i < tree->dir_count; i++) {
		free(tree->dirs[i].path);
		xattrs_free(&tree->dirs[i].xattrs);
	}
	free(tree->dirs);
	free(tree->slots);
	tree->dirs = NULL;
	tree->slots = NULL;
	tree->dir_count = tree->slot_count = 0;
}
