/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See container_tree.h. */
#include "core/container_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/base/str.h"
#include "core/container_life.h"

/* --- one that runs --------------------------------------------------------------------------- */

struct visit {
	int namespace_fd, tree_fd, errnum;
};

/* In the container's mount namespace, where alone its root can be cloned: without what is mounted
 * on it. The descriptor is the caller's too. */
static int visit(void *arg)
{
	struct visit *v = arg;

	if (setns(v->namespace_fd, CLONE_NEWNS) == 0)
		v->tree_fd = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	v->errnum = errno;
	return 0;
}

/* Its first process's root, as a detached mount; -1 with errno. */
static int clone_root(const char *pid)
{
	enum { STACK_BYTES = 64 << 10 };
	cleanup_free char *path = xasprintf("/proc/%s/ns/mnt", pid), *stack = xmalloc(STACK_BYTES);
	cleanup_close int namespace_fd = open(path, O_RDONLY | O_CLOEXEC);
	struct visit v = { .namespace_fd = namespace_fd, .tree_fd = -1 };
	pid_t child;

	if (namespace_fd < 0)
		return -1;
	child = clone(visit, stack + STACK_BYTES, CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD,
	              &v);
	if (child < 0)
		return -1;
	proc_wait(child);
	errno = v.errnum;
	return v.tree_fd;
}

/* The same with all that is mounted on it, for looking paths up in it. */
static int enter_root(const char *pid)
{
	cleanup_free char *path = xasprintf("/proc/%s/root", pid);

	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int open_running(const char *id, struct record *record, struct container_tree *tree,
                        struct stor_err *err)
{
	cleanup_close int pidfd = container_open_process(tree->store, id, record, err);
	cleanup_close int mount_fd = -1;

	if (pidfd < 0)
		return -1;
	mount_fd = (tree->has_mounts ? enter_root : clone_root)(record_get(record, "pid"));
	if (proc_pidfd_pid(pidfd) < 0)
		return err_fail(err, STOR_BUSY, 0, "container %s: it is just ending", id);
	tree->fd = mount_fd < 0 ? -1 : openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree->fd < 0 ? err_fail(err, STOR_FAILED, errno, "open the root of container %s", id)
	                    : 0;
}

/* --- one that does not ----------------------------------------------------------------------- */

/* Mounts a detached mount in STATE, which only this process's namespace shows: so the folder is
 * found there anew. */
static int mount_layer(const struct container_tree *tree, int mount_fd, const char *name,
                       struct stor_err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", tree->store->state_path, name);

	if (move_mount(mount_fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount the %s layer", name);
	return 0;
}

static int set_layers(const struct container_tree *tree, int fs_fd)
{
	const char *state = tree->store->state_path;
	cleanup_free char *lower = xasprintf("%s/lower", state);
	cleanup_free char *upper = xasprintf("%s/upper/upper", state);
	cleanup_free char *work = xasprintf("%s/upper/work", state);
	cleanup_free char *layers = xasprintf("%s:%s", upper, lower);

	if (!tree->is_writable)
		return fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", layers, 0);
	if (fsconfig(fs_fd, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 ||
	    fsconfig(fs_fd, FSCONFIG_SET_STRING, "upperdir", upper, 0) < 0)
		return -1;
	return fsconfig(fs_fd, FSCONFIG_SET_STRING, "workdir", work, 0);
}

/* As the container has them; or for reading both below each other, and no work folder is touched.
 */
static int open_overlay(struct container_tree *tree, struct stor_err *err)
{
	cleanup_close int fs_fd = -1, mount_fd = -1;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_fail(err, STOR_FAILED, errno, "make a mount namespace");
	if (mount_layer(tree, tree->root.base.mount_fd, "lower", err) < 0 ||
	    mount_layer(tree, tree->root.upper.mount_fd, "upper", err) < 0)
		return -1;
	fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs_fd < 0 || fsconfig(fs_fd, FSCONFIG_SET_STRING, "source", "overlay", 0) < 0 ||
	    set_layers(tree, fs_fd) < 0 || fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_fail(err, STOR_FAILED, errno, "mount the layers");
	mount_fd = fsmount(fs_fd, FSMOUNT_CLOEXEC,
	                   MOUNT_ATTR_NODEV | (tree->is_writable ? 0 : MOUNT_ATTR_RDONLY));
	tree->fd = mount_fd < 0 ? -1 : openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return tree->fd < 0 ? err_fail(err, STOR_FAILED, errno, "mount the layers") : 0;
}

static int open_stopped(const char *id, struct record *record, struct container_tree *tree,
                        struct stor_err *err)
{
	struct root_opts opts = { .root = record_get(record, "volume.root"),
		                  .read_only = !tree->is_writable };
	int result;

	if (opts.root)
		opts.backend = record_get(record, "backend");
	if (root_open(tree->store, id, &opts, &tree->root, record, err) < 0)
		return -1;
	tree->is_attached = true;
	if (tree->root.is_overlay) {
		result = open_overlay(tree, err);
	} else {
		tree->fd = fcntl(tree->root.base.root_fd, F_DUPFD_CLOEXEC, 0);
		result = tree->fd < 0 ? err_fail(err, STOR_FAILED, errno, "open the root") : 0;
	}
	return result < 0 ? container_tree_close(tree, result, err) : 0;
}

static int open_tree_of(struct store *store, const char *id, struct record *record,
                        struct container_tree *tree, struct stor_err *err)
{
	const char *status = record_get(record, "status");

	tree->store = store;
	tree->fd = -1;
	if (status && !strcmp(status, "running"))
		return open_running(id, record, tree, err);
	if (store_is_live(store, id, NULL))
		return err_fail(err, STOR_BUSY, 0, "container %s: it is just starting or ending",
		                id);
	return open_stopped(id, record, tree, err);
}

int container_tree_open(struct store *store, const char *id, struct record *record,
                        struct container_tree *tree, struct stor_err *err)
{
	memset(tree, 0, sizeof(*tree));
	return open_tree_of(store, id, record, tree, err);
}

int container_tree_enter(struct store *store, const char *id, struct record *record,
                         bool is_writable, struct container_tree *tree, struct stor_err *err)
{
	memset(tree, 0, sizeof(*tree));
	tree->has_mounts = true;
	tree->is_writable = is_writable;
	return open_tree_of(store, id, record, tree, err);
}

int container_tree_close(struct container_tree *tree, int result, struct stor_err *err)
{
	static const char *const names[] = { "upper", "lower" };
	struct stor_err later = STOR_ERR_INIT;

	close_fd(&tree->fd);
	if (!tree->is_attached)
		return result;
	tree->is_attached = false;
	for (size_t i = 0; tree->root.is_overlay && i < 2; i++) {
		cleanup_free char *path = xasprintf("%s/%s", tree->store->state_path, names[i]);

		umount2(path, MNT_DETACH);
	}
	if (root_release(&tree->root, false, &later) < 0 && result >= 0) {
		*err = later;
		return -1;
	}
	return result;
}
