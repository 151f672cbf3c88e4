/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of run and create, as a container's configuration; and that again from a container's
 * record. */
#include "core/cmd_run_options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <stor/util.h>

#include "core/container/config.h"
#include "core/signals.h"

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
#define SET_PART(name, part, parse)                                                                \
	static int set_##name(void *target, const char *value, struct stor_err *err)               \
	{                                                                                          \
		return parse(&((struct container_config *)target)->part, value, err);              \
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
SET_SWITCH(init_system, "--init-system")
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
SET_PARSED(log_opt, config_add_log_opt)
SET_PARSED(restart, config_set_restart)
SET_PART(net, net, config_add_net)
SET_PART(publish, net, config_add_publish)
SET_PART(ip, net, config_add_ip)
SET_PART(dns, net, config_add_dns)
SET_PART(dns_search, net, config_add_dns_search)
SET_PART(host, net, config_add_host)
SET_PART(cgroup_ns, cgroup, cgroup_ask_ns)
SET_PART(cgroup_parent, cgroup, cgroup_ask_parent)
SET_PART(cgroups, cgroup, cgroup_ask_cgroups)
SET_PART(cpu_shares, cgroup, cgroup_ask_cpu_shares)
SET_PART(cpu_weight, cgroup, cgroup_ask_cpu_weight)
SET_PART(cpus, cgroup, cgroup_ask_cpus)
SET_PART(cpuset_cpus, cgroup, cgroup_ask_cpuset_cpus)
SET_PART(cpuset_mems, cgroup, cgroup_ask_cpuset_mems)
SET_PART(device, cgroup, cgroup_ask_device)
SET_PART(read_bps, cgroup, cgroup_ask_read_bps)
SET_PART(read_iops, cgroup, cgroup_ask_read_iops)
SET_PART(write_bps, cgroup, cgroup_ask_write_bps)
SET_PART(write_iops, cgroup, cgroup_ask_write_iops)
SET_PART(blkio_weight, cgroup, cgroup_ask_blkio_weight)
SET_PART(io_weight, cgroup, cgroup_ask_io_weight)
SET_PART(hugetlb, cgroup, cgroup_ask_hugetlb)
SET_PART(memory, cgroup, cgroup_ask_memory)
SET_PART(memory_reservation, cgroup, cgroup_ask_memory_reservation)
SET_PART(memory_swap, cgroup, cgroup_ask_memory_swap)
SET_PART(pids_limit, cgroup, cgroup_ask_pids)

static int set_stop_signal(void *target, const char *value, struct stor_err *err)
{
	struct container_config *config = target;

	if (signal_parse(value) < 0)
		return opts_fail_value("--stop-signal", value, "a signal", err);
	free(config->stop_signal);
	config->stop_signal = xstrdup(value);
	return 0;
}

static int set_stop_timeout(void *target, const char *value, struct stor_err *err)
{
	return signal_parse_timeout("--stop-timeout", value,
	                            &((struct container_config *)target)->stop_s, err);
}

static int refuse_userns(void *target, const char *value, struct stor_err *err)
{
	(void)target;
	return err_fail(err, STOR_UNSUPPORTED, 0, "--userns %s is not supported yet", value);
}

const struct opt run_options[] = {
	{ 0, "add-host", "NAME:ADDRESS", "Name an address inside", set_host },
	{ 0, "backend", "NAME", "Storage of the root (STOR_BACKEND; dir)", set_backend },
	{ 0, "blkio-weight", "NUMBER", "As --io-weight, from 10 to 1000", set_blkio_weight },
	{ 0, "cap-add", "CAP", "Give a capability, or ALL", set_cap_add },
	{ 0, "cap-drop", "CAP", "Take a capability away, or ALL", set_cap_drop },
	{ 0, "cgroup-ns", "MODE", "Cgroup namespace: private or host; private", set_cgroup_ns },
	{ 0, "cgroup-parent", "PATH", "Make the container's cgroup below this one",
	  set_cgroup_parent },
	{ 0, "cgroups", "MODE", "enabled, or disabled: no cgroup and no device filter",
	  set_cgroups },
	{ 'c', "cpu-shares", "NUMBER", "As --cpu-weight, from 2 to 262144", set_cpu_shares },
	{ 0, "cpu-weight", "NUMBER", "Share of busy processors, from 1 to 10000", set_cpu_weight },
	{ 0, "cpus", "NUMBER", "Limit processor time: 1.5 is that of one and a half", set_cpus },
	{ 0, "cpuset-cpus", "LIST", "Processors to run on: 0-2,5", set_cpuset_cpus },
	{ 0, "cpuset-mems", "LIST", "Memory nodes to use", set_cpuset_mems },
	{ 0, "device", "PATH[:PATH][:rwm]", "Give a device, on /dev inside", set_device },
	{ 0, "device-read-bps", "DEVICE:SIZE", "Limit bytes read a second; DEVICE may be root",
	  set_read_bps },
	{ 0, "device-read-iops", "DEVICE:NUMBER", "Limit reads a second", set_read_iops },
	{ 0, "device-write-bps", "DEVICE:SIZE", "Limit bytes written a second", set_write_bps },
	{ 0, "device-write-iops", "DEVICE:NUMBER", "Limit writes a second", set_write_iops },
	{ 0, "dns", "ADDRESS", "Resolver inside; those of the host", set_dns },
	{ 0, "dns-search", "DOMAIN", "Domain that short names are looked for in", set_dns_search },
	{ 0, "entrypoint", "COMMAND", "Run this, with the operands as arguments", set_entrypoint },
	{ 'e', "env", "KEY[=VALUE]", "Set a variable, or pass stor's own on", set_env },
	{ 0, "env-file", "FILE", "Set variables from a file of such lines", set_env_file },
	{ 0, "fs", "TYPE", "Filesystem of the root's volume", set_fs_type },
	{ 0, "group-add", "GROUP", "Add a supplementary group", set_group_add },
	{ 0, "hostname", "NAME", "Host name inside; the container's id", set_hostname },
	{ 0, "hugetlb", "PAGESIZE:LIMIT", "Limit huge pages of this size", set_hugetlb },
	{ 0, "image", "NAME", "Content of the root; the built-in busybox", set_image },
	{ 0, "init", NULL, "Reap orphans: stor-init is process 1", set_init },
	{ 0, "init-system", NULL, "Boot: process 1 is systemd or another init; /sbin/init",
	  set_init_system },
	{ 'i', "interactive", NULL, "Give the command stor's standard input", set_interactive },
	{ 0, "io-weight", "NUMBER", "Share of busy disks, from 1 to 10000", set_io_weight },
	{ 0, "ip", "ADDRESS", "Address on the first bridge; a free one", set_ip },
	{ 0, "label", "KEY[=VALUE]", "Note with the container", set_labels },
	{ 0, "log-opt", "KEY=VALUE", "Cut the log: max-size=10M, max-file=3", set_log_opt },
	{ 'm', "memory", "SIZE", "Limit memory", set_memory },
	{ 0, "memory-reservation", "SIZE", "Memory that is not taken from it under pressure",
	  set_memory_reservation },
	{ 0, "memory-swap", "SIZE", "Limit memory and swap together; -1: swap unlimited",
	  set_memory_swap },
	{ 0, "mount", "KEY=VALUE,...", "Mount a bind, tmpfs or stor volume", set_mount },
	{ 0, "name", "NAME", "Name of the container; its id", set_name },
	{ 0, "net", "MODE", "none, host, veth, bridge[=NAME], container:NAME or ns:PATH; none",
	  set_net },
	{ 'o', "option", "KEY=VALUE", "Parameter of the backend", set_params },
	{ 0, "pids-limit", "NUMBER", "Limit processes and threads; -1: unlimited", set_pids_limit },
	{ 'p', "publish", "[IP:]HOST:GUEST[/PROTO]", "Lead a port of the host inside",
	  set_publish },
	{ 0, "read-only", NULL, "Mount the root read-only", set_read_only },
	{ 0, "restart", "POLICY", "no, on-failure[:NUMBER], always or unless-stopped; no",
	  set_restart },
	{ 0, "rm", NULL, "Remove the container and its volume when it ends", set_remove },
	{ 0, "root", "VOLUME|PATH", "Run on this volume itself", set_root },
	{ 0, "security-opt", "OPTION", "no-new-privileges[=BOOL] or seccomp=PROFILE",
	  set_security },
	{ 0, "shm-size", "SIZE", "Size of /dev/shm; 64M", set_shm_size_bytes },
	{ 0, "size", "SIZE", "Size of the root's volume", set_size_bytes },
	{ 0, "stop-signal", "SIGNAL", "What stor stop sends; the image's, or TERM",
	  set_stop_signal },
	{ 0, "stop-timeout", "SECONDS", "How long it may take to stop; 10; -1: for ever",
	  set_stop_timeout },
	{ 0, "tmpfs", "PATH[:OPTIONS]", "Mount a tmpfs", set_tmpfs },
	{ 't', "tty", NULL, "Give the command a terminal", set_tty },
	{ 0, "ulimit", "NAME=SOFT[:HARD]", "Set a resource limit", set_ulimit },
	{ 'u', "user", "USER[:GROUP]", "Run as this user of the root", set_user },
	{ 0, "userns", "MODE", "Not supported yet", refuse_userns },
	{ 'v', "volume", "SOURCE:PATH[:ro]", "Mount a directory or a stor volume", set_volume },
	{ 'w', "workdir", "PATH", "Start in this directory", set_workdir },
	{ 0, NULL, NULL, NULL, NULL },
};

/* --- the record --------------------------------------------------------------------------- */

/* These are in the record under keys of their own, completed by what the image says. */
static bool has_own_key(const char *name)
{
	static const char *const names[] = { "entrypoint",  "env",         "env-file", "label",
		                             "name",        "rm",          "user",     "workdir",
		                             "detach",      "stop-signal", "image",    "root",
		                             "stop-timeout" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* The value, with a path in it that does not depend on the working directory. prefix: what stands
 * before the path. */
static char *absolute(const char *prefix, const char *value)
{
	const char *path = value + strlen(prefix);
	char whole[PATH_MAX];

	if (!str_starts(value, prefix) || !strchr(path, '/') || !realpath(path, whole))
		return xstrdup(value);
	return xasprintf("%s%s", prefix, whole);
}

static char *absolute_mount(const char *value)
{
	cleanup_free char *copy = xstrdup(value);
	struct strbuf text = STRBUF_INIT;
	char *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		cleanup_free char *whole =
			absolute(str_starts(word, "source=") ? "source=" : "src=", word);

		strbuf_printf(&text, "%s%s", text.length ? "," : "", whole);
	}
	return strbuf_steal(&text);
}

void run_note_option(void *target, const struct opt *option, const char *value)
{
	struct container_config *config = target;
	cleanup_free char *whole = NULL;

	if (has_own_key(option->long_name))
		return;
	if (!strcmp(option->long_name, "mount"))
		whole = absolute_mount(value);
	else
		whole = absolute("seccomp=", value);
	strv_take(&config->given, xasprintf("%s=%s", option->long_name, whole));
}

static int restore_option(struct container_config *config, const char *text, struct stor_err *err)
{
	size_t length = strcspn(text, "=");

	for (const struct opt *o = run_options; text[length] && o->long_name; o++)
		if (strlen(o->long_name) == length && !strncmp(o->long_name, text, length))
			return o->set(config, text + length + 1, err);
	return err_fail(err, STOR_FAILED, 0, "unknown option in its record: %s", text);
}

static void restore_list(struct strv *list, const struct record *record, const char *key)
{
	const char *value;

	for (size_t at = 0; (value = record_next(record, key, &at));)
		strv_add(list, value);
}

static void restore_text(char **text, const struct record *record, const char *key)
{
	const char *value = record_get(record, key);

	*text = value ? xstrdup(value) : NULL;
}

int run_restore_config(struct container_config *config, const struct record *record,
                       struct stor_err *err)
{
	const char *value;

	for (size_t at = 0; (value = record_next(record, "option", &at));)
		if (restore_option(config, value, err) < 0)
			return err_context(err, "container %s", record_get(record, "id"));
	value = record_get(record, "rm");
	config->remove = value && !strcmp(value, "yes");
	config->is_detached = true;
	config->restore = run_restore_config;
	restore_text(&config->name, record, "name");
	restore_text(&config->root, record, "volume.root");
	restore_text(&config->user, record, "user");
	restore_text(&config->workdir, record, "workdir");
	restore_text(&config->stop_signal, record, "stop-signal");
	value = record_get(record, "stop-timeout");
	if (value && signal_parse_timeout("stop-timeout", value, &config->stop_s, err) < 0)
		return -1;
	restore_list(&config->args, record, "command");
	restore_list(&config->env, record, "env");
	restore_list(&config->labels, record, "label");
	if (!config->args.count)
		return err_fail(err, STOR_FAILED, 0, "container %s: damaged record",
		                record_get(record, "id"));
	return config_validate(config, err);
}
