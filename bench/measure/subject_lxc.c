/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lxc-execute and systemd-nspawn, on the image's tree. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/room_cgroup.h"
#include "bench/measure/subject.h"
#include "bench/measure/traffic.h"
#include "core/base/fs.h"

#define CPU_PERIOD_US 100000
/* What the containers of lxc-create have: devices, seccomp, capabilities, mounts. */
#define COMMON_CONFIG "/usr/share/lxc/config/common.conf"

/* --- LXC ------------------------------------------------------------------------------------- */

static char *lxc_folder(const struct bench *bench)
{
	return xasprintf("%s/lxc", bench->folder);
}

static void add_limits(struct strbuf *config, const struct row *row)
{
	bool is_version_2 = !access("/sys/fs/cgroup/cgroup.controllers", F_OK);
	uint64_t memory = row_memory(row), quota = (uint64_t)(row_cpus(row) * CPU_PERIOD_US);

	if (memory)
		strbuf_printf(config, "%s = %" PRIu64 "\n",
		              is_version_2 ? "lxc.cgroup2.memory.max"
		                           : "lxc.cgroup.memory.limit_in_bytes",
		              memory);
	if (quota && is_version_2)
		strbuf_printf(config, "lxc.cgroup2.cpu.max = %" PRIu64 " %d\n", quota,
		              CPU_PERIOD_US);
	else if (quota)
		strbuf_printf(config,
		              "lxc.cgroup.cpu.cfs_period_us = %d\n"
		              "lxc.cgroup.cpu.cfs_quota_us = %" PRIu64 "\n",
		              CPU_PERIOD_US, quota);
}

static int write_config(const struct bench *bench, const struct row *row, const char *path,
                        struct stor_err *err)
{
	cleanup_free char *root = bench_root(bench, row->image);
	cleanup_strbuf struct strbuf config = STRBUF_INIT;

	if (!access(COMMON_CONFIG, R_OK))
		strbuf_puts(&config, "lxc.include = " COMMON_CONFIG "\n");
	strbuf_printf(&config,
	              "lxc.rootfs.path = dir:%s\n"
	              "lxc.uts.name = bench\n"
	              "lxc.cgroup.dir = %s\n",
	              root, bench->room.cgroup);
	if (row->has_network)
		strbuf_printf(&config,
		              "lxc.net.0.type = veth\n"
		              "lxc.net.0.flags = up\n"
		              "lxc.net.0.ipv4.address = " TRAFFIC_GUEST "/24\n"
		              "lxc.net.0.ipv4.gateway = " TRAFFIC_HOST "\n"
		              "lxc.net.0.script.up = %s --host-end\n",
		              bench->self);
	else
		strbuf_puts(&config, "lxc.net.0.type = empty\n");
	add_limits(&config, row);
	return fs_write_file(AT_FDCWD, path, config.text, config.length, 0600, false, err);
}

static int begin_lxc(struct bench *bench, struct subject *subject, struct stor_err *err)
{
	cleanup_free char *folder = lxc_folder(bench);

	(void)subject;
	return fs_mkdirs(folder, 0700, err);
}

static int wrap_lxc(const struct bench *bench, const struct subject *subject, const struct row *row,
                    const struct strv *payload, struct command *command, struct stor_err *err)
{
	cleanup_free char *folder = lxc_folder(bench);
	cleanup_free char *config = xasprintf("%s/config", folder);
	const char *const words[] = {
		"lxc-execute", "-P", folder, "-n", "bench", "-f", config, "--"
	};

	(void)subject;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		strv_add(&command->argv, words[i]);
	strv_add_all(&command->argv, payload);
	command->room = &bench->room;
	return write_config(bench, row, config, err);
}

const struct subject_kind subject_lxc = {
	.name = "lxc",
	.kind = DATA_PEER,
	.program = "lxc-execute",
	.has_room = true,
	.begin = begin_lxc,
	.wrap = wrap_lxc,
};

/* --- systemd-nspawn -------------------------------------------------------------------------- */

static char *cannot_nspawn(const struct subject *subject, const struct row *row)
{
	(void)subject;
	return *row->limits ? xstrdup("systemd-nspawn has no limits without systemd's manager")
	                    : NULL;
}

/* It makes cgroups beside itself, and leaves them. */
static int begin_nspawn(struct bench *bench, struct subject *subject, struct stor_err *err)
{
	(void)subject;
	return room_settle(&bench->room, err);
}

/* It runs no tree without a /usr. */
static int prepare_nspawn(const struct bench *bench, const struct subject *subject,
                          const char *image, struct stor_err *err)
{
	cleanup_free char *root = bench_root(bench, image);
	cleanup_free char *path = xasprintf("%s/usr", root);

	(void)subject;
	return mkdir(path, 0755) < 0 && errno != EEXIST
	               ? err_fail(err, STOR_FAILED, errno, "make %s", path)
	               : 0;
}

static int wrap_nspawn(const struct bench *bench, const struct subject *subject,
                       const struct row *row, const struct strv *payload, struct command *command,
                       struct stor_err *err)
{
	/* Nothing that asks systemd, and nothing that is written into the tree. */
	static const char *const words[] = {
		"systemd-nspawn",    "--quiet",        "--register=no",   "--keep-unit",
		"--private-network", "--pipe",         "--machine=bench", "--link-journal=no",
		"--resolv-conf=off", "--timezone=off", "--directory",
	};

	(void)subject;
	(void)err;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		strv_add(&command->argv, words[i]);
	strv_take(&command->argv, bench_root(bench, row->image));
	strv_add(&command->argv, "--");
	strv_add_all(&command->argv, payload);
	command->room = &bench->room;
	return 0;
}

const struct subject_kind subject_nspawn = {
	.name = "nspawn",
	.kind = DATA_PEER,
	.program = "systemd-nspawn",
	.no_network = "systemd-nspawn makes interfaces without addresses, which it leaves to "
		      "systemd-networkd",
	.has_room = true,
	.cannot = cannot_nspawn,
	.begin = begin_nspawn,
	.prepare = prepare_nspawn,
	.wrap = wrap_nspawn,
};
