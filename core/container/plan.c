/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of a start: see plan.h. */
#include "core/container/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/sys.h"
#include "core/container/caps.h"
#include "core/container/seccomp.h"
#include "core/later.h"
#include "core/module.h"

/* Places where the command may be, in the container's PATH. */
static int plan_paths(struct plan *plan, struct stor_err *err)
{
	const struct container_config *config = plan->config;
	const char *command = config->args.items[0], *path = config_get_env(config, "PATH");

	if (!*command)
		return err_fail(err, STOR_USAGE, 0, "the command is an empty word");
	if (strchr(command, '/')) {
		strv_add(&plan->exec_paths, command);
		return 0;
	}
	while (path) {
		size_t length = strcspn(path, ":");

		if (length)
			strv_take(&plan->exec_paths,
			          xasprintf("%.*s/%s", (int)length, path, command));
		path = path[length] ? path + length + 1 : NULL;
	}
	if (!plan->exec_paths.count)
		strv_take(&plan->exec_paths, xasprintf("/bin/%s", command));
	return 0;
}

/* argv and env, the latter with a place for HOME, which the child finds out. */
static void plan_words(struct plan *plan)
{
	const struct container_config *config = plan->config;

	plan->argv = config->args.items;
	plan->env_count = config->env.count;
	plan->env = xcalloc(config->env.count + 2, sizeof(*plan->env));
	for (size_t i = 0; i < config->env.count; i++)
		plan->env[i] = config->env.items[i];
	strcpy(plan->home, "HOME=");
	if (!config_get_env(config, "HOME"))
		plan->env[plan->env_count] = plan->home;
}

/*
 * The reaper is executed from a read-only mount of its own, so that nobody inside can write to the
 * host's file through /proc/1/exe.
 */
static int plan_init(struct plan *plan, struct stor_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
		                   .propagation = MS_PRIVATE };
	const struct strv *args = &plan->config->args;
	const char *modules = module_dir(err);
	cleanup_free char *path = NULL;

	if (!modules)
		return -1;
	path = xasprintf("%s/internal/stor-init", modules);
	plan->init_fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (plan->init_fd < 0 ||
	    mount_setattr(plan->init_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_fail(err, STOR_FAILED, errno, "open the reaper %s", path);
	plan->init_argv = xcalloc(args->count + 3, sizeof(*plan->init_argv));
	plan->init_argv[0] = (char *)(uintptr_t) "stor-init";
	for (size_t i = 0; i < args->count; i++)
		plan->init_argv[i + 2] = args->items[i];
	return 0;
}

static int plan_stdio(struct plan *plan, struct stor_err *err)
{
	const struct container_config *config = plan->config;

	if (config->tty) {
		if (ioctl(0, TIOCGWINSZ, &plan->window) < 0 &&
		    ioctl(1, TIOCGWINSZ, &plan->window) < 0)
			memset(&plan->window, 0, sizeof(plan->window));
		return 0;
	}
	if (config->interactive)
		return 0;
	plan->stdin_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (plan->stdin_fd < 0)
		return err_fail(err, STOR_FAILED, errno, "open /dev/null");
	return 0;
}

static void plan_root(struct plan *plan, struct root *root)
{
	plan->is_overlay = root->is_overlay;
	plan->base_fd = root->base.mount_fd;
	plan->upper_fd = root->is_overlay ? root->upper.mount_fd : -1;
}

/* What is unmounted in the background must be no disk that somebody wants to take away: so nothing
 * is mounted but a root that is about to go, on the filesystem of the host's own, and single files
 * that lie there, as those of a network do. */
static bool plan_may_unmount_later(const struct plan *plan, const struct root *root)
{
	if (!plan->config->remove || !root->is_overlay || !later_is_unnoticed(root->base.root_fd) ||
	    !later_is_unnoticed(root->upper.root_fd))
		return false;
	for (size_t i = 0; i < plan->mount_count; i++)
		if (!plan->mounts[i].is_file || !later_is_unnoticed(plan->mounts[i].fd))
			return false;
	return true;
}

static void plan_log(const struct plan *plan, const struct root *root)
{
	const struct container_config *config = plan->config;

	if (log_level() < STOR_LOG_DEBUG)
		return;
	log_debug("plan: root %s, %s%s%s", root->clone_mode ? root->clone_mode : "in place",
	          root->base.how ? root->base.how : "mount",
	          root->is_overlay ? ", below a volume of the container's own" : "",
	          config->read_only ? ", read-only" : "");
	log_debug("plan: host name %s, network %s", plan->hostname,
	          config->net.mode == CONFIG_NET_HOST   ? "of the host"
	          : config->net.mode == CONFIG_NET_NONE ? "none"
	                                                : "made or joined");
	for (int cap = 0; caps_name(cap); cap++)
		if (config->caps & CAPS_BIT(cap))
			log_debug("plan: capability %s", caps_name(cap));
	log_debug("plan: no_new_privs %s, seccomp %s (%u instructions)",
	          config->new_privileges ? "off" : "on",
	          config->seccomp ? config->seccomp : "default", plan->seccomp.len);
	for (size_t i = 0; i < plan->exec_paths.count; i++)
		log_debug("plan: command %s", plan->exec_paths.items[i]);
}

int plan_make(struct plan *plan, struct store *store, const struct container_config *config,
              struct root *root, struct plan_volumes *volumes, const struct container_net *net,
              const char *hostname, struct stor_err *err)
{
	plan->config = config;
	plan->state_path = store->state_path;
	plan->hostname = config->hostname ? config->hostname : hostname;
	plan->clone_flags =
		CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	plan->shm_options =
		xasprintf("mode=1777,size=%llu", (unsigned long long)config->shm_size_bytes);
	plan_root(plan, root);
	plan_words(plan);
	if (users_parse(config->user, &config->group_add, &plan->user, err) < 0 ||
	    plan_paths(plan, err) < 0 ||
	    seccomp_select(config->seccomp, config->caps, &plan->seccomp, &plan->owned_filter,
	                   err) < 0 ||
	    plan_stdio(plan, err) < 0 || plan_make_mounts(plan, volumes, net, err) < 0)
		return -1;
	plan->keeps_mounts = plan_may_unmount_later(plan, root);
	/* The parent gets hold of the mounts through a table of descriptors that both have. */
	if (plan->keeps_mounts)
		plan->clone_flags |= CLONE_FILES;
	if (config->init && plan_init(plan, err) < 0)
		return -1;
	plan->parent_pidfd = sys_pidfd_open(getpid());
	if (plan->parent_pidfd < 0)
		return err_fail(err, STOR_FAILED, errno, "open a pidfd");
	plan_log(plan, root);
	return 0;
}

int plan_make_exec(struct plan *plan, const struct container_config *config, struct stor_err *err)
{
	plan->config = config;
	plan_words(plan);
	if (users_parse(config->user, &config->group_add, &plan->user, err) < 0 ||
	    plan_paths(plan, err) < 0 ||
	    seccomp_select(config->seccomp, config->caps, &plan->seccomp, &plan->owned_filter,
	                   err) < 0 ||
	    plan_stdio(plan, err) < 0)
		return -1;
	plan->outlives = config->is_detached;
	if (plan->outlives && !config->tty) {
		plan->stdout_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		plan->stderr_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (plan->stdout_fd < 0 || plan->stderr_fd < 0)
			return err_fail(err, STOR_FAILED, errno, "open /dev/null");
	}
	plan->parent_pidfd = sys_pidfd_open(getpid());
	return plan->parent_pidfd < 0 ? err_fail(err, STOR_FAILED, errno, "open a pidfd") : 0;
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		close_fd(&plan->mounts[i].fd);
	free(plan->mounts);
	free(plan->shm_options);
	free(plan->env);
	free(plan->init_argv);
	free(plan->owned_filter);
	strv_free(&plan->exec_paths);
	users_free(&plan->user);
	close_fd(&plan->init_fd);
	close_fd(&plan->parent_pidfd);
	close_fd(&plan->record_fd);
	close_fd(&plan->stdin_fd);
	close_fd(&plan->stdout_fd);
	close_fd(&plan->stderr_fd);
	close_fd(&plan->console_fd);
	plan_cgroup_free(&plan->cgroup);
}
