/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must fit together before anything is made: see config.h. */
#include "core/container/config.h"

#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/container/caps.h"

static int check_names(const struct container_config *config, struct stor_err *err)
{
	const char *hostname = config->hostname;
	size_t length;

	if (config->name && !str_is_name(config->name))
		return err_fail(err, STOR_USAGE, 0,
		                "--name: \"%s\" is not a name (letters, digits, _ . -)",
		                config->name);
	if (!hostname)
		return 0;
	length = strlen(hostname);
	if (!length || length > 64 ||
	    strspn(hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") !=
	            length)
		return err_fail(err, STOR_USAGE, 0,
		                "--hostname: \"%s\" is not 1 to 64 letters, digits, - and .",
		                hostname);
	return 0;
}

static int check_labels(const struct container_config *config, struct stor_err *err)
{
	for (size_t i = 0; i < config->labels.count; i++)
		if (!*config->labels.items[i] || *config->labels.items[i] == '=')
			return err_fail(err, STOR_USAGE, 0, "--label: \"%s\" is not KEY[=VALUE]",
			                config->labels.items[i]);
	return 0;
}

/* Two mounts on the same place: one would hide the other. */
static int check_mounts(const struct container_config *config, struct stor_err *err)
{
	static const char *const own[] = { "/proc", "/sys", "/dev" };

	for (size_t i = 0; i < config->mount_count; i++) {
		const char *target = config->mounts[i].target;

		for (size_t j = 0; j < i; j++)
			if (!strcmp(target, config->mounts[j].target))
				return err_fail(err, STOR_USAGE, 0, "two mounts on %s", target);
		for (size_t j = 0; j < 3; j++) {
			size_t length = strlen(own[j]);
			bool is_it = !strncmp(target, own[j], length) &&
			             !target[length + strspn(target + length, "/")];
			bool below = str_starts(target, own[j]) && target[length] == '/';

			if (is_it || (below && j < 2))
				return err_fail(err, STOR_USAGE, 0,
				                "mount on %s: %s belongs to the container itself",
				                target, own[j]);
		}
	}
	return 0;
}

static int check_root(const struct container_config *config, struct stor_err *err)
{
	if (config->image && config->root) {
		err_fail(err, STOR_USAGE, 0, "--image and --root exclude each other");
		err_hint(err, "--root runs on a volume as it is; --image on a clone of an image");
		return -1;
	}
	if (config->root && config->size_bytes)
		return err_fail(err, STOR_USAGE, 0,
		                "--size: has no meaning with --root, whose volume exists");
	return 0;
}

static int fail_init_system(const char *option, struct stor_err *err)
{
	return err_fail(err, STOR_USAGE, 0, "--init-system and %s exclude each other", option);
}

/* One expects empty folders for what is only of this boot. */
static int add_volatile(struct container_config *config, struct stor_err *err)
{
	static const char *const places[][2] = { { "/run", "/run:mode=755,exec" },
		                                 { "/run/lock", "/run/lock:mode=1777" },
		                                 { "/tmp", "/tmp:mode=1777,exec,suid" } };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		bool is_there = false;

		for (size_t j = 0; j < config->mount_count; j++)
			is_there |= !strcmp(config->mounts[j].target, places[i][0]);
		if (!is_there && config_add_tmpfs(config, places[i][1], err) < 0)
			return -1;
	}
	return 0;
}

/* What is process 1 itself, as root, and has a part of the cgroups. */
static int check_init_system(struct container_config *config, struct stor_err *err)
{
	const struct cgroup_asked *cgroup = &config->cgroup;

	if (!config->init_system)
		return 0;
	if (config->init)
		return fail_init_system("--init", err);
	if (config->new_privileges)
		return fail_init_system("--security-opt no-new-privileges=false", err);
	if (config->user && strcmp(config->user, "0") != 0 && strcmp(config->user, "root") != 0)
		return fail_init_system("--user", err);
	if (cgroup->is_disabled)
		return fail_init_system("--cgroups disabled", err);
	if (cgroup->is_ns_host)
		return fail_init_system("--cgroup-ns host", err);
	return add_volatile(config, err);
}

int config_check_terminal(const struct container_config *config, struct stor_err *err)
{
	if (config->is_detached || !config->tty || !config->interactive || isatty(0))
		return 0;
	err_fail(err, STOR_USAGE, 0, "--tty with --interactive: standard input is not a terminal");
	err_hint(err, "leave out --tty, or --interactive");
	return -1;
}

int config_validate(struct container_config *config, struct stor_err *err)
{
	if (check_names(config, err) < 0 || check_labels(config, err) < 0 ||
	    check_root(config, err) < 0 || check_init_system(config, err) < 0 ||
	    check_mounts(config, err) < 0)
		return -1;
	if (cgroup_asked_check(&config->cgroup, err) < 0 ||
	    config_net_validate(&config->net, err) < 0)
		return -1;
	if (caps_resolve(&config->cap_add, &config->cap_drop, &config->caps, err) < 0)
		return -1;
	if (config->cgroup.is_disabled && config->caps & CAPS_FOR_DEVICES) {
		err_fail(err, STOR_USAGE, 0,
		         "--cgroups disabled and --cap-add %s exclude each other",
		         config->caps & CAPS_BIT(CAP_MKNOD) ? "MKNOD" : "SYS_ADMIN");
		err_hint(err, "a container that can make device nodes needs the device filter");
		return -1;
	}
	if (config->remove && config->restart != CONFIG_RESTART_NO)
		return err_fail(err, STOR_USAGE, 0, "--rm and --restart exclude each other");
	if (config->workdir && *config->workdir != '/')
		return err_fail(err, STOR_USAGE, 0, "--workdir: \"%s\" is not an absolute path",
		                config->workdir);
	if (config_check_terminal(config, err) < 0)
		return -1;
	/* A set-user-ID program loses its death signal: then a process of stor's own must be the
	 * container's first. */
	if (config->new_privileges)
		config->init = true;
	return 0;
}
