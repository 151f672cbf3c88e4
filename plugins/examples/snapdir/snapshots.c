/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapdir's snapshots. Each is made or put back under a name "+…" first and renamed when it is
 * whole, so that a killed command leaves either the old state or the new one, and perhaps a +*
 * that nobody looks at.
 */
#include "snapshots.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <stor/util.h>

#define ID_MAX 64

static int fail(struct stor_err *err, const char *what, const char *id)
{
	return host->fail(err, STOR_FAILED, errno, "snapdir: %s %s", what, id);
}

/* Removes a directory below dir_fd with all in it; not being there is success. */
static int remove_folder(int dir_fd, const char *name)
{
	cleanup_close int fd =
		openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	return tree_empty(fd) < 0 ? -1 : unlinkat(dir_fd, name, AT_REMOVEDIR);
}

/* A small text file, replaced whole. */
static int write_text(int dir_fd, const char *name, const char *text)
{
	cleanup_close int fd =
		openat(dir_fd, "+text", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || pwrite_all(fd, text, strlen(text), 0) < 0 || fsync(fd) < 0)
		return -1;
	return renameat(dir_fd, "+text", dir_fd, name);
}

/* Reads it into text, terminated; an absent file reads as "". Returns 0, or -1 with errno. */
static int read_text(int dir_fd, const char *name, char *text, size_t size)
{
	cleanup_close int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	*text = '\0';
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	n = pread_all(fd, text, size - 1, 0);
	if (n >= 0)
		text[n] = '\0';
	return n < 0 ? -1 : 0;
}

/* The volume's directory, locked: for as long as it is open. */
static int open_locked(const struct stor_volume *volume, int operation, struct stor_err *err)
{
	cleanup_close int fd = snapdir_open(volume, "", err);

	if (fd < 0)
		return -1;
	if (volume->flags & STOR_VOLUME_FOREIGN)
		return host->fail(err, STOR_UNSUPPORTED, 0, "snapdir: %s has no snapshots",
		                  volume->path);
	if (operation && snapdir_lock(fd, operation, 0, volume->path, err) < 0)
		return -1;
	return steal_fd(&fd);
}

/* The snapshot's directory, locked for removal; STOR_NOT_FOUND, STOR_BUSY. */
static int open_snapshot(const struct stor_volume *volume, const char *id, int operation,
                         struct stor_err *err)
{
	cleanup_close int fd = -1;
	char below[ID_MAX + 16];

	snprintf(below, sizeof(below), "snap/%s", id);
	fd = snapdir_open(volume, below, err);
	if (fd < 0 || snapdir_lock(fd, operation, 0, id, err) < 0)
		return -1;
	return steal_fd(&fd);
}

/* Fills +ID below snap_fd: root/ from live, and meta. */
static int fill_snapshot(const struct stor_volume *volume, int volume_fd, int new_fd,
                         const char *id, struct stor_err *err)
{
	cleanup_close int live_fd = snapdir_open(volume, "live", err);
	cleanup_close int root_fd = -1;
	char parent[ID_MAX + 1], meta[ID_MAX + 32];

	if (live_fd < 0)
		return -1;
	if (mkdirat(new_fd, "root", 0700) < 0)
		return fail(err, "take snapshot", id);
	root_fd = openat(new_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || read_text(volume_fd, "current", parent, sizeof(parent)) < 0)
		return fail(err, "take snapshot", id);
	snprintf(meta, sizeof(meta), "%" PRId64 " %s", (int64_t)time(NULL), *parent ? parent : "-");
	if (write_text(new_fd, "meta", meta) < 0)
		return fail(err, "take snapshot", id);
	return tree_copy(live_fd, root_fd, snapdir_copy_mode(volume), err);
}

int snapshots_take(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                   struct stor_err *err)
{
	/* Of a mounted volume, stor holds the lock and has frozen it; copying is then safe. */
	cleanup_close int volume_fd = open_locked(volume, req->root_fd < 0 ? LOCK_EX : 0, err);
	cleanup_close int snap_fd = -1, new_fd = -1;
	char new_name[ID_MAX + 8];
	int result;

	if (volume_fd < 0)
		return -1;
	snprintf(new_name, sizeof(new_name), "+%s", req->id);
	snap_fd = snapdir_open(volume, "snap", err);
	if (snap_fd < 0)
		return -1;
	if (!faccessat(snap_fd, req->id, F_OK, 0))
		return host->fail(err, STOR_USAGE, 0, "snapdir: a snapshot %s exists", req->id);
	if (remove_folder(snap_fd, new_name) < 0 || mkdirat(snap_fd, new_name, 0700) < 0)
		return fail(err, "take snapshot", req->id);
	new_fd = openat(snap_fd, new_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = new_fd < 0 ? fail(err, "take snapshot", req->id)
	                    : fill_snapshot(volume, volume_fd, new_fd, req->id, err);
	if (!result && (renameat(snap_fd, new_name, snap_fd, req->id) < 0 || fsync(snap_fd) < 0 ||
	                write_text(volume_fd, "current", req->id) < 0))
		result = fail(err, "take snapshot", req->id);
	if (result < 0)
		remove_folder(snap_fd, new_name);
	return result;
}

/* Reads snap/ID/meta. Returns 0, or -1 with errno. */
static int read_meta(int snap_fd, const char *id, int64_t *created, char *parent)
{
	char path[ID_MAX + 8], text[ID_MAX + 32];

	snprintf(path, sizeof(path), "%.64s/meta", id);
	if (read_text(snap_fd, path, text, sizeof(text)) < 0)
		return -1;
	if (sscanf(text, "%" SCNd64 " %64s", created, parent) == 2)
		return 0;
	errno = EUCLEAN;
	return -1;
}

static int emit_snapshot(int snap_fd, const char *id, const char *current,
                         const struct stor_snapshot_list_req *req, struct stor_err *err)
{
	struct stor_snapshot snapshot = { .struct_size = sizeof(snapshot),
		                          .id = id,
		                          .is_current = !strcmp(id, current) };
	char parent[ID_MAX + 1], where[ID_MAX + 1];

	if (read_meta(snap_fd, id, &snapshot.created_seconds, parent) < 0)
		return fail(err, "read snapshot", id);
	/* A parent that was deleted since is none. */
	snprintf(where, sizeof(where), "%s", parent);
	if (strcmp(parent, "-") != 0 && !faccessat(snap_fd, where, F_OK, 0))
		snapshot.parent = parent;
	return req->emit(req->emit_ctx, &snapshot);
}

int snapshots_list(const struct stor_volume *volume, const struct stor_snapshot_list_req *req,
                   struct stor_err *err)
{
	cleanup_close int volume_fd = open_locked(volume, 0, err);
	int snap_fd = volume_fd < 0 ? -1 : snapdir_open(volume, "snap", err);
	DIR *dir = snap_fd < 0 ? NULL : fdopendir(snap_fd);
	char current[ID_MAX + 1];
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		if (snap_fd >= 0) {
			fail(err, "list", volume->path);
			close(snap_fd);
		}
		return -1;
	}
	if (read_text(volume_fd, "current", current, sizeof(current)) < 0)
		result = fail(err, "list the snapshots of", volume->path);
	while (!result && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && entry->d_name[0] != '+')
			result = emit_snapshot(snap_fd, entry->d_name, current, req, err);
	closedir(dir);
	return result;
}

int snapshots_delete(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                     struct stor_err *err)
{
	cleanup_close int volume_fd = open_locked(volume, req->root_fd < 0 ? LOCK_EX : 0, err);
	cleanup_close int snap_fd = volume_fd < 0 ? -1 : snapdir_open(volume, "snap", err);
	cleanup_close int fd = snap_fd < 0 ? -1 : open_snapshot(volume, req->id, LOCK_EX, err);
	char current[ID_MAX + 1], parent[ID_MAX + 1], doomed[ID_MAX + 8];
	int64_t created;

	if (fd < 0)
		return -1;
	if (read_text(volume_fd, "current", current, sizeof(current)) < 0)
		return fail(err, "delete snapshot", req->id);
	/* The live state's parent is then the deleted one's. */
	if (!strcmp(current, req->id)) {
		if (read_meta(snap_fd, req->id, &created, parent) < 0)
			return fail(err, "read snapshot", req->id);
		if (write_text(volume_fd, "current", strcmp(parent, "-") != 0 ? parent : "") < 0)
			return fail(err, "delete snapshot", req->id);
	}
	snprintf(doomed, sizeof(doomed), "+%s", req->id);
	if (renameat(snap_fd, req->id, snap_fd, doomed) < 0 || remove_folder(snap_fd, doomed) < 0)
		return fail(err, "delete snapshot", req->id);
	return 0;
}

int snapshots_rollback(const struct stor_volume *volume, const struct stor_snapshot_req *req,
                       struct stor_err *err)
{
	cleanup_close int volume_fd = open_locked(volume, LOCK_EX, err);
	cleanup_close int fd = volume_fd < 0 ? -1 : open_snapshot(volume, req->id, LOCK_SH, err);
	cleanup_close int root_fd = -1, new_fd = -1;
	int result;

	if (fd < 0)
		return -1;
	root_fd = openat(fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || remove_folder(volume_fd, "+live") < 0 ||
	    mkdirat(volume_fd, "+live", 0700) < 0)
		return fail(err, "roll back to", req->id);
	new_fd = openat(volume_fd, "+live", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	result = new_fd < 0 ? fail(err, "roll back to", req->id)
	                    : tree_copy(root_fd, new_fd, snapdir_copy_mode(volume), err);
	if (!result && (renameat2(volume_fd, "+live", volume_fd, "live", RENAME_EXCHANGE) < 0 ||
	                write_text(volume_fd, "current", req->id) < 0))
		result = fail(err, "roll back to", req->id);
	if (remove_folder(volume_fd, "+live") < 0 && !result)
		result = fail(err, "remove the old state of", volume->path);
	return result;
}

/* --- check --------------------------------------------------------------------------------- */

struct check {
	const struct stor_check_req *req;
	enum stor_verdict *verdict;
};

/* Unfinished work is no damage; with repair it goes. */
static int check_entry(const struct check *check, int dir_fd, const char *name,
                       struct stor_err *err)
{
	char finding[ID_MAX + 64];
	int64_t created;
	char parent[ID_MAX + 1];

	if (name[0] == '+') {
		bool may_repair = check->req->flags & STOR_CHECK_REPAIR;

		snprintf(finding, sizeof(finding), "unfinished work %.80s%s", name,
		         may_repair ? " removed" : "");
		if (may_repair && (unlinkat(dir_fd, name, 0) < 0 && errno == EISDIR) &&
		    remove_folder(dir_fd, name) < 0)
			return fail(err, "remove", name);
		if (may_repair && *check->verdict == STOR_VERDICT_CLEAN)
			*check->verdict = STOR_VERDICT_REPAIRED;
		return check->req->emit(check->req->emit_ctx, may_repair ? "repaired" : "note",
		                        finding);
	}
	if (read_meta(dir_fd, name, &created, parent) < 0) {
		snprintf(finding, sizeof(finding), "snapshot %.80s has no record", name);
		*check->verdict = STOR_VERDICT_DAMAGED;
		return check->req->emit(check->req->emit_ctx, "error", finding);
	}
	return 0;
}

/* Every entry of dir_fd, or only the unfinished ones. Takes dir_fd over. */
static int check_folder(const struct check *check, int dir_fd, bool only_unfinished,
                        struct stor_err *err)
{
	DIR *dir = fdopendir(dir_fd);
	struct dirent *entry;
	int result = 0;

	if (!dir) {
		close(dir_fd);
		return fail(err, "list", "snap");
	}
	while (!result && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && (!only_unfinished || entry->d_name[0] == '+'))
			result = check_entry(check, dir_fd, entry->d_name, err);
	closedir(dir);
	return result;
}

int snapshots_check(const struct stor_volume *volume, int volume_fd,
                    const struct stor_check_req *req, enum stor_verdict *verdict,
                    struct stor_err *err)
{
	const struct check check = { .req = req, .verdict = verdict };
	int snap_fd = openat(volume_fd, "snap", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int top_fd;

	if (snap_fd < 0) {
		*verdict = STOR_VERDICT_DAMAGED;
		return req->emit(req->emit_ctx, "error", "the directory snap is missing");
	}
	if (check_folder(&check, snap_fd, false, err) < 0)
		return -1;
	top_fd = snapdir_open(volume, "", err);
	return top_fd < 0 ? -1 : check_folder(&check, top_fd, true, err);
}
