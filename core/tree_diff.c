/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tree_diff.h. */
#include "core/tree_diff.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define DEPTH_MAX 512

struct walk {
	tree_change_fn tell;
	void *ctx;
	struct stor_err *err;
	struct strbuf path; /* of the folder that is looked at, without a slash at its end */
	unsigned depth;
	uint64_t to_mount;
};

/* An entry, as it is on one side. */
struct side {
	int fd; /* the folder that it is in; -1: there is none on this side */
	struct stat st;
	bool is_there;
};

/* Names in a folder, sorted; none for -1. */
static int list(struct walk *w, int fd, struct strv *names)
{
	if (fd < 0 || fs_list(fd, names) == 0)
		return 0;
	return err_fail(w->err, STOR_FAILED, errno, "list %s", w->path.length ? w->path.text : "/");
}

static uint64_t mount_of(int fd, const char *name)
{
	struct statx stx;

	return statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &stx) < 0
	               ? 0
	               : stx.stx_mnt_id;
}

static bool has_same_text(const struct side *a, const struct side *b, const char *name)
{
	char first[PATH_MAX], second[PATH_MAX];
	ssize_t n = readlinkat(a->fd, name, first, sizeof(first));

	return n >= 0 && readlinkat(b->fd, name, second, sizeof(second)) == n &&
	       !memcmp(first, second, (size_t)n);
}

static bool is_same(const struct side *a, const struct side *b, const char *name)
{
	if (a->st.st_mode != b->st.st_mode || a->st.st_uid != b->st.st_uid ||
	    a->st.st_gid != b->st.st_gid)
		return false;
	if (S_ISDIR(a->st.st_mode))
		return true;
	if (S_ISLNK(a->st.st_mode))
		return has_same_text(a, b, name);
	if (S_ISCHR(a->st.st_mode) || S_ISBLK(a->st.st_mode))
		return a->st.st_rdev == b->st.st_rdev;
	return a->st.st_size == b->st.st_size && a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
	       a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

static struct side look(int fd, const char *name)
{
	struct side side = { .fd = fd };

	side.is_there = fd >= 0 && fstatat(fd, name, &side.st, AT_SYMLINK_NOFOLLOW) == 0;
	return side;
}

static int open_folder(const struct side *side, const char *name)
{
	return side->is_there && S_ISDIR(side->st.st_mode)
	               ? openat(side->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
	               : -1;
}

static int walk_folders(struct walk *w, int from_fd, int to_fd, bool *differs);

static int tell_path(struct walk *w, enum tree_change change)
{
	return w->tell(w->ctx, change, w->path.text, w->err);
}

/* A folder is told before what is in it, but only known to have changed afterwards: so what is in
 * it is kept until then. */
struct kept {
	struct strv paths;
	struct strbuf changes; /* one letter each */
};

static int keep(void *ctx, enum tree_change change, const char *path, struct stor_err *err)
{
	struct kept *kept = ctx;

	(void)err;
	strv_add(&kept->paths, path);
	strbuf_putc(&kept->changes, (char)('0' + change));
	return 0;
}

static int tell_kept(struct walk *w, struct kept *kept)
{
	int result = 0;

	for (size_t i = 0; i < kept->paths.count && !result; i++)
		result = w->tell(w->ctx, (enum tree_change)(kept->changes.text[i] - '0'),
		                 kept->paths.items[i], w->err);
	strv_free(&kept->paths);
	strbuf_free(&kept->changes);
	return result;
}

/* A folder of both sides that is the same by itself. */
static int walk_common(struct walk *w, int from_fd, int to_fd, bool *differs)
{
	struct kept kept = { .paths = STRV_INIT };
	tree_change_fn own_tell = w->tell;
	void *own_ctx = w->ctx;
	bool inner = false;
	int result;

	w->tell = keep;
	w->ctx = &kept;
	result = walk_folders(w, from_fd, to_fd, &inner);
	w->tell = own_tell;
	w->ctx = own_ctx;
	if (!result && inner)
		result = tell_path(w, TREE_CHANGED);
	*differs |= inner;
	return tell_kept(w, &kept) < 0 ? -1 : result;
}

static int walk_entry(struct walk *w, const char *name, int from_fd, int to_fd, bool *differs)
{
	struct side from = look(from_fd, name), to = look(to_fd, name);
	cleanup_close int from_folder = open_folder(&from, name),
			  to_folder = open_folder(&to, name);
	bool is_kind_kept = from.is_there && to.is_there &&
	                    (from.st.st_mode & S_IFMT) == (to.st.st_mode & S_IFMT),
	     unused = false;

	if (to.is_there && mount_of(to_fd, name) != w->to_mount)
		return 0;
	if (is_kind_kept && is_same(&from, &to, name))
		return from_folder >= 0 ? walk_common(w, from_folder, to_folder, differs) : 0;
	*differs |= from.is_there || to.is_there;
	if (is_kind_kept)
		return tell_path(w, TREE_CHANGED) < 0
		               ? -1
		               : walk_folders(w, from_folder, to_folder, &unused);
	if (from.is_there &&
	    (tell_path(w, TREE_DELETED) < 0 || walk_folders(w, from_folder, -1, &unused) < 0))
		return -1;
	if (to.is_there &&
	    (tell_path(w, TREE_ADDED) < 0 || walk_folders(w, -1, to_folder, &unused) < 0))
		return -1;
	return 0;
}

/* Either may be -1: then all of the other is told. */
static int walk_folders(struct walk *w, int from_fd, int to_fd, bool *differs)
{
	cleanup_strv struct strv from = STRV_INIT, to = STRV_INIT;
	size_t length = w->path.length;
	int result = 0;

	if (++w->depth > DEPTH_MAX)
		return err_fail(w->err, STOR_FAILED, 0, "%s: folders lie too deep", w->path.text);
	if (list(w, from_fd, &from) < 0 || list(w, to_fd, &to) < 0)
		return -1;
	for (size_t i = 0, j = 0; (i < from.count || j < to.count) && !result;) {
		int order = i == from.count ? 1
		            : j == to.count ? -1
		                            : strcmp(from.items[i], to.items[j]);
		const char *name = order <= 0 ? from.items[i] : to.items[j];

		strbuf_printf(&w->path, "/%s", name);
		result = walk_entry(w, name, from_fd, to_fd, differs);
		w->path.length = length;
		w->path.text[length] = '\0';
		i += order <= 0;
		j += order >= 0;
	}
	w->depth--;
	return result;
}

int tree_diff(int from_fd, int to_fd, tree_change_fn tell, void *ctx, struct stor_err *err)
{
	struct walk w = { .tell = tell, .ctx = ctx, .err = err, .path = STRBUF_INIT };
	bool unused = false;
	int result;

	w.to_mount = mount_of(to_fd, ".");
	result = walk_folders(&w, from_fd, to_fd, &unused);
	strbuf_free(&w.path);
	return result;
}
