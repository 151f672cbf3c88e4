/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STATE is of one boot. It lies on a tmpfs, as /run does, and goes with it; but nobody need put it
 * there. So STATE/boot says which boot it is of, and, by an ending, that it cannot outlive it: then
 * nobody has to ask the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/log.h"
#include "core/store.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define VOLATILE ".volatile"
#define LOCK_WAIT_MS 10000

/* The kernel's name of this boot. */
static int read_boot_id(char *boot, struct stor_err *err)
{
	cleanup_close int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, boot, STORE_BOOT_MAX - 1);

	if (n <= 0)
		return err_fail(err, STOR_FAILED, errno, "read " BOOT_ID);
	boot[n] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	return 0;
}

/* False: the folder is of no boot, or of another one. */
static bool is_of_now(int state_fd, char *boot)
{
	struct stor_err unknown = STOR_ERR_INIT;
	char now[STORE_BOOT_MAX], *ending;

	if (!fs_read_link(state_fd, "boot", boot, STORE_BOOT_MAX))
		return false;
	ending = strstr(boot, VOLATILE);
	if (!ending)
		return read_boot_id(now, &unknown) == 0 && !strcmp(boot, now);
	*ending = '\0';
	return true;
}

bool store_is_state_of_now(int state_fd)
{
	char boot[STORE_BOOT_MAX];

	return is_of_now(state_fd, boot);
}

/* All but what others may have open by now. */
static int forget_former(struct store *store, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;

	log_debug("%s is of a former boot", store->state_path);
	if (store_list(store->state_fd, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.items[i];

		if (strcmp(name, "locks") != 0 && strcmp(name, "store") != 0 &&
		    strcmp(name, "boot") != 0 && fs_remove_tree(store->state_fd, name, err) < 0)
			return err_context(err, "state folder %s", store->state_path);
	}
	return 0;
}

static int make_folders(struct store *store, struct stor_err *err)
{
	static const char *const folders[] = { "users", "lower", "upper", "root" };

	if (mkdirat(store->state_fd, "live", 0700) == 0)
		store->is_state_new = true;
	else if (errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "make %s/live", store->state_path);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (store_make_dir(store->state_fd, folders[i], err) < 0)
			return -1;
	return 0;
}

/* The link is written last: until then, whoever comes does all of it again. */
static int make_state(struct store *store, struct stor_err *err)
{
	char text[STORE_BOOT_MAX + sizeof(VOLATILE)], former[STORE_BOOT_MAX];
	struct statfs fs;

	if (read_boot_id(store->boot, err) < 0)
		return -1;
	if (fs_read_link(store->state_fd, "boot", former, sizeof(former)) &&
	    forget_former(store, err) < 0)
		return -1;
	if (make_folders(store, err) < 0)
		return -1;
	if (fstatfs(store->state_fd, &fs) < 0)
		return err_fail(err, STOR_FAILED, errno, "look at %s", store->state_path);
	snprintf(text, sizeof(text), "%s%s", store->boot, fs.f_type == TMPFS_MAGIC ? VOLATILE : "");
	return fs_set_link(store->state_fd, "boot", text, err);
}

int store_make_state(struct store *store, struct stor_err *err)
{
	cleanup_close int lock_fd = -1;

	if (is_of_now(store->state_fd, store->boot))
		return 0;
	lock_fd = store_lock(store, "boot", true, LOCK_WAIT_MS, err);
	if (lock_fd < 0)
		return -1;
	/* Somebody else may have been quicker. */
	return is_of_now(store->state_fd, store->boot) ? 0 : make_state(store, err);
}
