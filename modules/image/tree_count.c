/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much a finished tree holds. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "modules/image/copy.h"
#include "modules/image/tree.h"

struct count {
	uint64_t entries, bytes;
	struct hard_links links;
};

/* Takes the descriptor over. 0, or -1 with errno. */
static int count_directory(struct count *count, int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;
	int result = 0, saved;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (!result && (errno = 0, item = readdir(dir))) {
		struct stat st;

		if (!strcmp(item->d_name, ".") || !strcmp(item->d_name, ".."))
			continue;
		if (fstatat(dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			result = -1;
			break;
		}
		count->entries++;
		if (S_ISREG(st.st_mode) &&
		    (st.st_nlink == 1 || !hard_links_find(&count->links, &st, "")))
			count->bytes += (uint64_t)st.st_size;
		if (S_ISDIR(st.st_mode))
			result = count_directory(count, openat(dirfd(dir), item->d_name,
			                                       O_RDONLY | O_DIRECTORY | O_CLOEXEC |
			                                               O_NOFOLLOW | O_NOATIME));
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	return result || saved ? -1 : 0;
}

int tree_count(int root_fd, struct record *record, struct stor_err *err)
{
	struct count count = { .entries = 1 };
	int result = count_directory(
		&count, openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME));

	hard_links_free(&count.links);
	if (result < 0)
		return err_fail(err, STOR_FAILED, errno, "count the image's entries");
	record_set_u64(record, "entries", count.entries);
	record_set_u64(record, "bytes", count.bytes);
	return 0;
}
