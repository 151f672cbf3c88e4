/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor run: the options, as a container's configuration. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/cmd_run.h"
#include "core/cmd_run_limits.h"
#include "core/container/config.h"
#include "core/container/run.h"
#include "core/container/seal.h"

/* Setters for members that simply take the text, collect texts, or are switches. */
#define SET_TEXT(member)                                                                           \
	static int set_##member(void *target, const char *value, struct stor_err *err)             \
	{                                                                                          \
		struct container_config *config = target;                                          \
                                                                                                   \
		(void)err;                                                                         \
		free(config->member);                                                              \
		config->member = xstrdup(value);                                                   \
		return 0;                                                                          \
	}
#define SET_LIST(member)                                                                           \
	static int set_##member(void *target, const char *value, struct stor_err *err)             \
	{                                                                                          \
		(void)err;                                                                         \
		strv_add(&((struct container_config *)target)->member, value);                     \
		return 0;                                                                          \
	}
#define SET_SWITCH(member, option)                                                                 \
	static int set_##member(void *target, const char *value, struct stor_err *err)             \
	{                                                                                          \
		struct container_config *config = target;                                          \
                                                                                                   \
		if (str_to_bool(value, &config->member) < 0)                                       \
			return opts_fail_value(option, value, "yes or no", err);                   \
		return 0;                                                                          \
	}
#define SET_SIZE(member, option)                                                                   \
	static int set_##member(void *target, const char *value, struct stor_err *err)             \
	{                                                                                          \
		struct container_config *config = target;                                          \
                                                                                                   \
		if (str_to_size(value, &config->member) < 0 || !config->member)                    \
			return opts_fail_value(option, value, "a size", err);                      \
		return 0;                                                                          \
	}
#define SET_PARSED(name, parse)                                                                    \
	static int set_##name(void *target, const char *value, struct stor_err *err)               \
	{                                                                                          \
		return parse(target, value, err);                                                  \
	}
#define SET_NET(name, parse)                                                                       \
	static int set_##name(void *target, const char *value, struct stor_err *err)               \
	{                                                                                          \
		return parse(&((struct container_config *)target)->net, value, err);               \
	}

SET_TEXT(name)
SET_TEXT(image)
SET_TEXT(root)
SET_TEXT(backend)
SET_TEXT(fs_type)
SET_TEXT(entrypoint)
SET_TEXT(user)
SET_TEXT(workdir)
SET_TEXT(hostname)
SET_LIST(labels)
SET_LIST(params)
SET_LIST(group_add)
SET_LIST(cap_add)
SET_LIST(cap_drop)
SET_SWITCH(remove, "--rm")
SET_SWITCH(interactive, "--interactive")
SET_SWITCH(tty, "--tty")
SET_SWITCH(init, "--init")
SET_SWITCH(read_only, "--read-only")
SET_SIZE(size_bytes, "--size")
SET_SIZE(shm_size_bytes, "--shm-size")
SET_PARSED(volume, config_add_volume)
SET_PARSED(tmpfs, config_add_tmpfs)
SET_PARSED(mount, config_add_mount)
SET_PARSED(ulimit, config_add_ulimit)
SET_PARSED(env, config_add_env)
SET_PARSED(env_file, config_add_env_file)
SET_PARSED(security, config_add_security)
SET_NET(net, config_add_net)
SET_NET(publish, config_add_publish)
SET_NET(ip, config_add_ip)
SET_NET(dns, config_add_dns)
SET_NET(dns_search, config_add_dns_search)
SET_NET(host, config_add_host)

static int refuse_userns(void *target, const char *value, struct stor_err *err)
{
	(void)target;
	return err_fail(err, STOR_UNSUPPORTED, 0, "--userns %s is not supported yet", value);
}

static const struct opt options[] = {
	{ 0, "add-host", "NAME:ADDRESS", "Name an address inside", set_host },
	{ 0, "backend", "NAME", "Storage of the root (STOR_BACKEND; dir)", set_backend },
	{ 0, "blkio-weight", "NUMBER", "As --io-weight, from 10 to 1000", run_blkio_weight },
	{ 0, "cap-add", "CAP", "Give a capability, or ALL", set_cap_add },
	{ 0, "cap-drop", "CAP", "Take a capability away, or ALL", set_cap_drop },
	{ 0, "cgroup-ns", "MODE", "Cgroup namespace: private or host; private", run_cgroup_ns },
	{ 0, "cgroup-parent", "PATH", "Make the container's cgroup below this one",
	  run_cgroup_parent },
	{ 0, "cgroups", "MODE", "enabled, or disabled: no cgroup and no device filter",
	  run_cgroups },
	{ 'c', "cpu-shares", "NUMBER", "As --cpu-weight, from 2 to 262144", run_cpu_shares },
	{ 0, "cpu-weight", "NUMBER", "Share of busy processors, from 1 to 10000", run_cpu_weight },
	{ 0, "cpus", "NUMBER", "Limit processor time: 1.5 is that of one and a half", run_cpus },
	{ 0, "cpuset-cpus", "LIST", "Processors to run on: 0-2,5", run_cpuset_cpus },
	{ 0, "cpuset-mems", "LIST", "Memory nodes to use", run_cpuset_mems },
	{ 0, "device", "PATH[:PATH][:rwm]", "Give a device, on /dev inside", run_device },
	{ 0, "device-read-bps", "DEVICE:SIZE", "Limit bytes read a second; DEVICE may be root",
	  run_read_bps },
	{ 0, "device-read-iops", "DEVICE:NUMBER", "Limit reads a second", run_read_iops },
	{ 0, "device-write-bps", "DEVICE:SIZE", "Limit bytes written a second", run_write_bps },
	{ 0, "device-write-iops", "DEVICE:NUMBER", "Limit writes a second", run_write_iops },
	{ 0, "dns", "ADDRESS", "Resolver inside; those of the host", set_dns },
	{ 0, "dns-search", "DOMAIN", "Domain that short names are looked for in", set_dns_search },
	{ 0, "entrypoint", "COMMAND", "Run this, with the operands as arguments", set_entrypoint },
	{ 'e', "env", "KEY[=VALUE]", "Set a variable, or pass stor's own on", set_env },
	{ 0, "env-file", "FILE", "Set variables from a file of such lines", set_env_file },
	{ 0, "fs", "TYPE", "Filesystem of the root's volume", set_fs_type },
	{ 0, "group-add", "GROUP", "Add a supplementary group", set_group_add },
	{ 0, "hostname", "NAME", "Host name inside; the container's id", set_hostname },
	{ 0, "hugetlb", "PAGESIZE:LIMIT", "Limit huge pages of this size", run_hugetlb },
	{ 0, "image", "NAME", "Content of the root; the built-in busybox", set_image },
	{ 0, "init", NULL, "Reap orphans: stor-init is process 1", set_init },
	{ 'i', "interactive", NULL, "Give the command stor's standard input", set_interactive },
	{ 0, "io-weight", "NUMBER", "Share of busy disks, from 1 to 10000", run_io_weight },
	{ 0, "ip", "ADDRESS", "Address on the first bridge; a free one", set_ip },
	{ 0, "label", "KEY[=VALUE]", "Note with the container", set_labels },
	{ 'm', "memory", "SIZE", "Limit memory", run_memory },
	{ 0, "memory-reservation", "SIZE", "Memory that is not taken from it under pressure",
	  run_memory_reservation },
	{ 0, "memory-swap", "SIZE", "Limit memory and swap together; -1: swap unlimited",
	  run_memory_swap },
	{ 0, "mount", "KEY=VALUE,...", "Mount a bind, tmpfs or stor volume", set_mount },
	{ 0, "name", "NAME", "Name of the container; its id", set_name },
	{ 0, "net", "MODE", "none, host, veth, bridge[=NAME], container:NAME or ns:PATH; none",
	  set_net },
	{ 'o', "option", "KEY=VALUE", "Parameter of the backend", set_params },
	{ 0, "pids-limit", "NUMBER", "Limit processes and threads; -1: unlimited", run_pids_limit },
	{ 'p', "publish", "[IP:]HOST:GUEST[/PROTO]", "Lead a port of the host inside",
	  set_publish },
	{ 0, "read-only", NULL, "Mount the root read-only", set_read_only },
	{ 0, "rm", NULL, "Remove the container and its volume when it ends", set_remove },
	{ 0, "root", "VOLUME|PATH", "Run on this volume itself", set_root },
	{ 0, "security-opt", "OPTION", "no-new-privileges[=BOOL] or seccomp=PROFILE",
	  set_security },
	{ 0, "shm-size", "SIZE", "Size of /dev/shm; 64M", set_shm_size_bytes },
	{ 0, "size", "SIZE", "Size of the root's volume", set_size_bytes },
	{ 0, "tmpfs", "PATH[:OPTIONS]", "Mount a tmpfs", set_tmpfs },
	{ 't', "tty", NULL, "Give the command a terminal", set_tty },
	{ 0, "ulimit", "NAME=SOFT[:HARD]", "Set a resource limit", set_ulimit },
	{ 'u', "user", "USER[:GROUP]", "Run as this user of the root", set_user },
	{ 0, "userns", "MODE", "Not supported yet", refuse_userns },
	{ 'v', "volume", "SOURCE:PATH[:ro]", "Mount a directory or a stor volume", set_volume },
	{ 'w', "workdir", "PATH", "Start in this directory", set_workdir },
	{ 0, NULL, NULL, NULL, NULL },
};

static const struct opt_command command = {
	.name = "run",
	.synopsis = "[OPTIONS] [--] [COMMAND [ARG...]]",
	.summary = "Run a command in a new container",
	.details = "Without a command, the image's own is run, or sh. The exit status is the\n"
		   "command's; 125: stor failed, 126: it cannot be executed, 127: not found,\n"
		   "128+N: killed by signal N.",
	.options = options,
	.max_operands = -1,
	.stops_at_operand = true,
	.later = run_later,
};

/* User 0 of an ordinary container lacks what making containers needs. */
static int check_privileges(struct stor_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (geteuid() != 0) {
		err_fail(err, STOR_FAILED, 0, "run needs root privileges");
		err_hint(err, "run it as root: sudo stor run …");
		return -1;
	}
	if (syscall(SYS_capget, &header, caps) < 0 || !(caps[0].effective & 1u << CAP_SYS_ADMIN)) {
		err_fail(err, STOR_FAILED, 0, "run needs the capability CAP_SYS_ADMIN");
		err_hint(err, "this root is a container's, or was stripped of it: run stor on the "
		              "host, or give the container around it --privileged");
		return -1;
	}
	return 0;
}

static int run_configured(struct store *store, struct container_config *config,
                          struct stor_err *err)
{
	if (config_validate(config, err) < 0 || check_privileges(err) < 0 ||
	    seal_program(config, err) < 0)
		return -1;
	/* Nobody looks into stor while it holds descriptors of the host beside a container. */
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	if (store_open(store, err) < 0)
		return -1;
	return container_run(store, config, err);
}

int cmd_run(struct store *store, int argc, char **argv, struct stor_err *err)
{
	cleanup_config struct container_config config;
	char **operands;
	int count, result;

	config_init(&config);
	result = opts_parse(&command, &config, argc, argv, &operands, &count, err);
	if (result)
		return result < 0 ? -1 : 0;
	for (int i = 0; i < count; i++)
		strv_add(&config.args, operands[i]);
	result = run_configured(store, &config, err);
	/* The command's own statuses, 126 and 127, are not main's to know. */
	if (result >= 0 && err->status != STOR_OK)
		err_print(err);
	return result;
}
