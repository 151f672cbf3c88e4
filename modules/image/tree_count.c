/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much a finished tree holds. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/str.h"
#include "modules/image/copy.h"
#include "modules/image/names.h"
#include "modules/image/tree.h"

struct count {
	uint64_t entries, bytes;
	unsigned depth;
	struct hard_links links;
};

static int count_directory(struct count *count, int fd, const char *path, struct stor_err *err);

static int count_entry(struct count *count, int dir_fd, const char *parent, const char *name,
                       struct stor_err *err)
{
	cleanup_free char *path = NULL;
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return tree_fail(name, errno, "count", err);
	count->entries++;
	if (S_ISREG(st.st_mode) && (st.st_nlink == 1 || !hard_links_find(&count->links, &st, "")))
		count->bytes += (uint64_t)st.st_size;
	if (!S_ISDIR(st.st_mode))
		return 0;
	path = *parent ? xasprintf("%s/%s", parent, name) : xstrdup(name);
	return count_directory(
		count,
		openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NOATIME),
		path, err);
}

/* Takes the descriptor over. */
static int count_directory(struct count *count, int fd, const char *path, struct stor_err *err)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;
	int result = 0;

	if (!dir) {
		tree_fail(path, errno, "count", err);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* The paths are short enough, but links in them may have led deeper. The root is no level.
	 */
	if (count->depth++ > NAMES_DEPTH_MAX)
		result = tree_fail(path, 0, "directories are nested too deeply", err);
	while (!result && (errno = 0, item = readdir(dir)))
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
			result = count_entry(count, dirfd(dir), path, item->d_name, err);
	if (!result && errno)
		result = tree_fail(path, errno, "count", err);
	count->depth--;
	closedir(dir);
	return result;
}

int tree_count(int root_fd, struct record *record, struct stor_err *err)
{
	struct count count = { .entries = 1 };
	int result = count_directory(
		&count, openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME), "",
		err);

	hard_links_free(&count.links);
	if (result < 0)
		return err_context(err, "count the image's entries");
	record_set_u64(record, "entries", count.entries);
	record_set_u64(record, "bytes", count.bytes);
	return 0;
}
