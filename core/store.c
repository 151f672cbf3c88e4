/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two folders of stor: opening and making them, that they belong together, ids, and work in
 * progress. Who is alive is in store_live.c.
 */
#include "core/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/backend.h"
#include "core/base/fs.h"
#include "core/base/log.h"

/* Leaves room in PATH_MAX for what lies below. */
#define STORE_PATH_MAX (PATH_MAX - 512)

static int fail_open(const char *what, const char *path, struct stor_err *err)
{
	int saved = errno;

	err_fail(err, STOR_FAILED, saved, "open %s %s", what, path);
	if ((saved == EACCES || saved == EPERM) && geteuid())
		err_hint(err, "stor needs root privileges");
	return -1;
}

/* A folder that others can write to is refused; one that others can read is closed to them. */
static int check_folder(int fd, const char *what, const char *path, struct stor_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_open(what, path, err);
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		err_fail(err, STOR_FAILED, 0, "%s %s belongs to user %u, who could change it", what,
		         path, (unsigned)st.st_uid);
		err_hint(err, "chown root:root %s, or choose another folder", path);
		return -1;
	}
	if (st.st_mode & 022) {
		err_fail(err, STOR_FAILED, 0, "%s %s can be written by others", what, path);
		err_hint(err, "chmod 0700 %s, after looking at what it holds", path);
		return -1;
	}
	if ((st.st_mode & 0777) != 0700 && fchmod(fd, 0700) < 0)
		return fail_open(what, path, err);
	return 0;
}

/* Opens STORE or STATE, making it when it is missing. Returns the descriptor, or -1. */
static int open_folder(const char *what, const char *path, struct stor_err *err)
{
	cleanup_close int fd = -1;

	if (strlen(path) > STORE_PATH_MAX)
		return err_fail(err, STOR_USAGE, 0, "%s: its path is longer than %d bytes", what,
		                STORE_PATH_MAX);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		if (fs_mkdirs(path, 0700, err) < 0) {
			if (geteuid())
				err_hint(err, "stor needs root privileges");
			return err_context(err, "make %s", what);
		}
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return fail_open(what, path, err);
	if (check_folder(fd, what, path, err) < 0)
		return -1;
	return steal_fd(&fd);
}

static bool is_same_folder(const char *path, int fd)
{
	struct stat a, b;

	return stat(path, &a) == 0 && fstat(fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* The store was last used with the STATE at `other`: are containers running with it now? */
static bool other_state_is_live(struct store *store, const char *other)
{
	struct store old = { .path = store->path, .state_path = other, .fd = -1 };
	cleanup_strv struct strv ids = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_close int fd = open(other, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char link[PATH_MAX];

	old.state_fd = fd;
	return fd >= 0 && store_is_state_of_now(fd) &&
	       fs_read_link(fd, "store", link, sizeof(link)) && is_same_folder(link, store->fd) &&
	       !store_list_live(&old, &ids, &ignored) && ids.count;
}

/*
 * STORE and STATE name each other, because a container whose live marker lies in another STATE
 * would look dead, and be swept while it runs.
 */
static int check_pair(struct store *store, struct stor_err *err)
{
	char of_state[PATH_MAX], of_store[PATH_MAX];
	bool has_store = fs_read_link(store->state_fd, "store", of_state, sizeof(of_state));
	bool has_state = fs_read_link(store->fd, "state", of_store, sizeof(of_store));

	if (has_store && has_state && !strcmp(of_state, store->path) &&
	    !strcmp(of_store, store->state_path))
		return 0;
	if (has_store && access(of_state, F_OK) == 0 && !is_same_folder(of_state, store->fd)) {
		err_fail(err, STOR_USAGE, 0, "state folder %s belongs to the store %s",
		         store->state_path, of_state);
		err_hint(err, "give each store a state folder of its own: --state, STOR_STATE");
		return -1;
	}
	if (has_state && !is_same_folder(of_store, store->state_fd)) {
		if (other_state_is_live(store, of_store)) {
			err_fail(err, STOR_BUSY, 0,
			         "containers of the store %s run with the state folder %s",
			         store->path, of_store);
			err_hint(err, "use --state %s", of_store);
			return -1;
		}
		store->is_state_new = true;
	}
	if (fs_set_link(store->state_fd, "store", store->path, err) < 0)
		return -1;
	return fs_set_link(store->fd, "state", store->state_path, err);
}

int store_open(struct store *store, struct stor_err *err)
{
	if (store->fd >= 0)
		return 0;
	store->fd = open_folder("store", store->path, err);
	if (store->fd < 0)
		return -1;
	store->state_fd = open_folder("state folder", store->state_path, err);
	if (store->state_fd < 0 || store_make_state(store, err) < 0 || check_pair(store, err) < 0) {
		store_close(store);
		return -1;
	}
	host_set_store(store->fd);
	if (store->adopt && !store->adopts_in_sweep)
		store->adopt(store, NULL);
	return 0;
}

void store_close(struct store *store)
{
	if (store->fd >= 0)
		host_set_store(-1);
	close_fd(&store->fd);
	close_fd(&store->state_fd);
}

int store_make_dir(int parent_fd, const char *name, struct stor_err *err)
{
	if (mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "make folder %s", name);
	return 0;
}

char *store_new_id(void)
{
	unsigned char bytes[6] = { 0 };

	/* So few bytes come whole, and without waiting once the machine is up. */
	while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		continue;
	return xasprintf("%02x%02x%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3],
	                 bytes[4], bytes[5]);
}

bool store_is_id(const char *s)
{
	return strlen(s) == 12 && strspn(s, "0123456789abcdef") == 12;
}

char *store_make_temp(struct store *store, struct stor_err *err)
{
	char self[48];

	for (;;) {
		char *temp = xasprintf("tmp/%s.%u", store_self(store, self, sizeof(self)),
		                       store->next_number++);

		if (mkdirat(store->fd, temp, 0700) == 0)
			return temp;
		if (errno == ENOENT && store_make_dir(store->fd, "tmp", err) == 0) {
			free(temp);
			continue;
		}
		if (errno != EEXIST) {
			err_fail(err, STOR_FAILED, errno, "make folder %s/%s", store->path, temp);
			free(temp);
			return NULL;
		}
		free(temp);
	}
}

void store_remove_temp(struct store *store, const char *temp)
{
	struct stor_err ignored = STOR_ERR_INIT;

	if (fs_remove_tree(store->fd, temp, &ignored) < 0)
		log_debug("%s", ignored.text);
}

/* Syncs a folder below STORE, so that its entries outlive a power cut. */
static int sync_folder(struct store *store, const char *folder)
{
	cleanup_close int fd = openat(store->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

static int move_whole(struct store *store, const char *temp, const char *place, unsigned flags,
                      struct stor_err *err)
{
	cleanup_free char *folder = xstrndup(place, strcspn(place, "/"));

	if (store_make_dir(store->fd, folder, err) < 0)
		return -1;
	if (sync_folder(store, temp) < 0)
		return err_fail(err, STOR_FAILED, errno, "sync %s/%s", store->path, temp);
	if (renameat2(store->fd, temp, store->fd, place, flags) < 0)
		return err_fail(err, errno == EEXIST ? STOR_BUSY : STOR_FAILED, errno,
		                "move to %s/%s", store->path, place);
	if (sync_folder(store, folder) == 0)
		return 0;
	err_fail(err, STOR_FAILED, errno, "sync %s/%s", store->path, folder);
	/* What was there is what is known to be on disk. */
	if (flags & RENAME_EXCHANGE)
		renameat2(store->fd, temp, store->fd, place, flags);
	return -1;
}

int store_publish(struct store *store, const char *temp, const char *place, struct stor_err *err)
{
	return move_whole(store, temp, place, RENAME_NOREPLACE, err);
}

int store_exchange(struct store *store, const char *temp, const char *place, struct stor_err *err)
{
	return move_whole(store, temp, place, RENAME_EXCHANGE, err);
}

int store_list(int parent_fd, const char *folder, struct strv *names, struct stor_err *err)
{
	int fd = openat(parent_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0 && errno == ENOENT)
		return 0;
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err_fail(err, STOR_FAILED, errno, "list folder %s", folder);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strv_add(names, entry->d_name);
	closedir(dir);
	return 0;
}
