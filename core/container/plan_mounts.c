/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening what is mounted beside the root, as detached mounts: binds, tmpfs, stor volumes. */
#include "core/container/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"

/* Whatever is mounted: no devices, and no event passes between host and container. */
static int isolate(int fd, bool read_only, const char *target, struct stor_err *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | (read_only ? MOUNT_ATTR_RDONLY : 0),
		.propagation = MS_PRIVATE,
	};

	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount on %s: set attributes", target);
	return 0;
}

static int open_bind(struct plan_mount *out, const struct config_mount *m, struct stor_err *err)
{
	struct stat st;

	out->fd =
		open_tree(AT_FDCWD, m->source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (out->fd < 0) {
		int errnum = errno;

		err_fail(err, errnum == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errnum,
		         "mount %s on %s", m->source, m->target);
		if (errnum == ENOENT)
			err_hint(err, "the source of a bind must exist: make it, or name a volume");
		return -1;
	}
	if (fstat(out->fd, &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "look at %s", m->source);
	out->is_file = !S_ISDIR(st.st_mode);
	return isolate(out->fd, m->read_only, m->target, err);
}

static int open_tmpfs(struct plan_mount *out, const struct config_mount *m, struct stor_err *err)
{
	cleanup_close int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
	unsigned attrs = MOUNT_ATTR_NODEV | (m->may_exec ? 0 : MOUNT_ATTR_NOEXEC) |
	                 (m->may_suid ? 0 : MOUNT_ATTR_NOSUID) |
	                 (m->read_only ? MOUNT_ATTR_RDONLY : 0);
	bool failed = fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0;

	for (size_t i = 0; !failed && i < m->tmpfs_options.count; i++) {
		cleanup_free char *key = xstrdup(m->tmpfs_options.items[i]);
		char *value = strchr(key, '=');

		*value++ = '\0';
		failed = fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0) < 0;
	}
	if (failed || fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_fail(err, STOR_FAILED, errno, "make a tmpfs for %s", m->target);
	out->fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, attrs);
	if (out->fd < 0)
		return err_fail(err, STOR_FAILED, errno, "make a tmpfs for %s", m->target);
	return 0;
}

/* --- stor volumes ------------------------------------------------------------------------- */

/* Finds the volume, or makes it: then the run's backend is its default. */
static int find_or_make(struct store *store, const struct container_config *config,
                        const struct config_mount *m, struct volume *volume, struct stor_err *err)
{
	const char *environment = getenv("STOR_BACKEND");
	struct volume_create_opts opts = {
		.backend = m->backend                    ? m->backend
		           : config->backend             ? config->backend
		           : environment && *environment ? environment
		                                         : "dir",
		.size_bytes = m->size_bytes,
		.fs_type = m->fs_type,
	};

	for (int tries = 0; tries < 2; tries++) {
		struct stor_err missing = STOR_ERR_INIT;

		err_clear(err);
		if (volume_find(store, m->source, m->backend, NULL, volume, &missing) == 0)
			return 0;
		if (missing.status != STOR_NOT_FOUND || strchr(m->source, '/')) {
			*err = missing;
			return -1;
		}
		kill_point("volume-missing");
		if (volume_create(store, m->source, &opts, volume, err) == 0)
			return 0;
		/* Somebody else may just have made it. */
		if (err->status != STOR_BUSY)
			return -1;
	}
	return -1;
}

int plan_open_volumes(struct store *store, const struct container_config *config,
                      struct plan_volumes *volumes, struct stor_err *err)
{
	volumes->items = xcalloc(config->mount_count, sizeof(*volumes->items));
	volumes->count = config->mount_count;
	for (size_t i = 0; i < config->mount_count; i++)
		volumes->items[i].attached = (struct attached)ATTACHED_INIT;
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct config_mount *m = &config->mounts[i];
		struct attach_opts opts = { .read_only = m->read_only,
			                    .fs_type = m->fs_type,
			                    .userns_fd = -1 };
		struct plan_volume *v = &volumes->items[i];

		if (m->type != CONFIG_MOUNT_VOLUME)
			continue;
		if (find_or_make(store, config, m, &v->volume, err) < 0 ||
		    volume_attach(store, &v->volume, &opts, &v->attached, err) < 0)
			return err_context(err, "volume %s for %s", m->source, m->target);
	}
	return 0;
}

int plan_release_volumes(struct plan_volumes *volumes, struct stor_err *err)
{
	int result = 0;

	for (size_t i = volumes->count; i-- > 0;) {
		struct plan_volume *v = &volumes->items[i];
		struct stor_err own = STOR_ERR_INIT;

		if (v->attached.root_fd >= 0 && volume_release(&v->attached, false, &own) < 0 &&
		    result == 0) {
			*err = own;
			result = -1;
		}
		volume_free(&v->volume);
	}
	free(volumes->items);
	volumes->items = NULL;
	volumes->count = 0;
	return result;
}

/* --- all of them -------------------------------------------------------------------------- */

static unsigned depth(const char *path)
{
	unsigned count = 0;

	for (; *path; path++)
		count += *path == '/' && path[1] && path[1] != '/';
	return count;
}

/* What lies deeper is mounted later; else the order of the command line stays. */
static void sort_by_depth(struct plan_mount *mounts, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct plan_mount moving = mounts[i];
		size_t at = i;

		for (; at && depth(mounts[at - 1].target) > depth(moving.target); at--)
			mounts[at] = mounts[at - 1];
		mounts[at] = moving;
	}
}

/* A file of the network's, where the image has a place for it and the user mounts nothing there. */
static int add_net_file(struct plan *plan, const char *source, const char *target,
                        struct stor_err *err)
{
	const struct config_mount file = { .type = CONFIG_MOUNT_BIND,
		                           .source = (char *)(uintptr_t)source,
		                           .target = (char *)(uintptr_t)target,
		                           .read_only = true };
	struct plan_mount *m = &plan->mounts[plan->mount_count];
	const struct container_config *config = plan->config;

	if (!source)
		return 0;
	for (size_t i = 0; i < config->mount_count; i++)
		if (!strcmp(config->mounts[i].target, target))
			return 0;
	m->target = target;
	m->is_optional = true;
	m->fd = -1;
	plan->mount_count++;
	return open_bind(m, &file, err);
}

int plan_make_mounts(struct plan *plan, struct plan_volumes *volumes,
                     const struct container_net *net, struct stor_err *err)
{
	const struct container_config *config = plan->config;

	plan->mounts = xcalloc(config->mount_count + 2, sizeof(*plan->mounts));
	for (size_t i = 0; i < config->mount_count; i++) {
		const struct config_mount *m = &config->mounts[i];
		struct plan_mount *out = &plan->mounts[i];
		int result = 0;

		out->fd = -1;
		out->target = m->target;
		out->is_optional = m->is_optional;
		plan->mount_count++;
		if (m->type == CONFIG_MOUNT_BIND)
			result = open_bind(out, m, err);
		else if (m->type == CONFIG_MOUNT_TMPFS)
			result = open_tmpfs(out, m, err);
		else
			out->fd = steal_fd(&volumes->items[i].attached.mount_fd);
		if (result < 0)
			return -1;
		log_debug("plan: mount %s on %s%s", m->source ? m->source : "tmpfs", m->target,
		          m->read_only ? ", read-only" : "");
	}
	if (add_net_file(plan, net->resolv, "/etc/resolv.conf", err) < 0 ||
	    add_net_file(plan, net->hosts, "/etc/hosts", err) < 0)
		return -1;
	sort_by_depth(plan->mounts, plan->mount_count);
	return 0;
}
