/* SPDX-License-Identifier: GPL-2.0-or-later */
/* crun and runc: a bundle for each command, with the image's tree as its root. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/subject.h"
#include "core/base/fs.h"
#include "core/base/json.h"

#define CPU_PERIOD_US 100000

static void add_strings(struct json *json, const char *key, const char *const *values, size_t count)
{
	json_open_array(json, key);
	for (size_t i = 0; i < count; i++)
		json_string(json, NULL, values[i]);
	json_close_array(json);
}

static void add_process(struct json *json, const struct strv *payload)
{
	/* Docker's default ones, as stor has them. */
	static const char *const caps[] = {
		"CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
		"CAP_SETGID", "CAP_SETUID",       "CAP_SETFCAP",          "CAP_SETPCAP",
		"CAP_KILL",   "CAP_SYS_CHROOT",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
	};
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"
	};

	json_open_object(json, "process");
	json_bool(json, "terminal", false);
	json_string(json, "cwd", "/");
	json_bool(json, "noNewPrivileges", true);
	add_strings(json, "args", (const char *const *)payload->items, payload->count);
	add_strings(json, "env", environment, sizeof(environment) / sizeof(*environment));
	json_open_object(json, "user");
	json_u64(json, "uid", 0);
	json_u64(json, "gid", 0);
	json_close_object(json);
	json_open_object(json, "capabilities");
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		add_strings(json, sets[i], caps, sizeof(caps) / sizeof(*caps));
	json_close_object(json);
	json_close_object(json);
}

static void add_mounts(struct json *json)
{
	static const struct {
		const char *type, *at, *options[4];
	} mounts[] = {
		{ "proc", "/proc", { "nosuid", "nodev", "noexec" } },
		{ "tmpfs", "/dev", { "nosuid", "mode=755" } },
		{ "devpts", "/dev/pts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666" } },
		{ "tmpfs", "/dev/shm", { "nosuid", "nodev", "noexec" } },
		{ "mqueue", "/dev/mqueue", { "nosuid", "nodev", "noexec" } },
		{ "sysfs", "/sys", { "nosuid", "nodev", "noexec", "ro" } },
	};

	json_open_array(json, "mounts");
	for (size_t i = 0; i < sizeof(mounts) / sizeof(*mounts); i++) {
		size_t count = 0;

		while (count < 4 && mounts[i].options[count])
			count++;
		json_open_object(json, NULL);
		json_string(json, "type", mounts[i].type);
		json_string(json, "source", mounts[i].type);
		json_string(json, "destination", mounts[i].at);
		add_strings(json, "options", mounts[i].options, count);
		json_close_object(json);
	}
	json_close_array(json);
}

static void add_linux(struct json *json, uint64_t memory_bytes, double cpus)
{
	static const char *const namespaces[] = {
		"pid", "mount", "ipc", "uts", "cgroup", "network"
	};

	json_open_object(json, "linux");
	json_open_array(json, "namespaces");
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++) {
		json_open_object(json, NULL);
		json_string(json, "type", namespaces[i]);
		json_close_object(json);
	}
	json_close_array(json);
	json_open_object(json, "resources");
	if (memory_bytes) {
		json_open_object(json, "memory");
		json_u64(json, "limit", memory_bytes);
		json_close_object(json);
	}
	if (cpus > 0) {
		json_open_object(json, "cpu");
		json_u64(json, "period", CPU_PERIOD_US);
		json_u64(json, "quota", (uint64_t)(cpus * CPU_PERIOD_US));
		json_close_object(json);
	}
	json_close_object(json);
	json_close_object(json);
}

static int write_bundle(const char *folder, const char *root, const struct row *row,
                        const struct strv *payload, struct stor_err *err)
{
	cleanup_free char *config = xasprintf("%s/config.json", folder);
	struct json json = JSON_INIT;
	int result;

	if (fs_mkdirs(folder, 0700, err) < 0)
		return -1;
	json_open_object(&json, NULL);
	json_string(&json, "ociVersion", "1.0.2");
	json_open_object(&json, "root");
	json_string(&json, "path", root);
	json_bool(&json, "readonly", false);
	json_close_object(&json);
	add_process(&json, payload);
	add_mounts(&json);
	add_linux(&json, row_memory(row), row_cpus(row));
	json_close_object(&json);
	result = fs_write_file(AT_FDCWD, config, json.out.text, json.out.length, 0600, false, err);
	strbuf_free(&json.out);
	return result;
}

static int wrap_oci(const struct bench *bench, const struct subject *subject, const struct row *row,
                    const struct strv *payload, struct command *command, struct stor_err *err)
{
	cleanup_free char *folder = xasprintf("%s/%s", bench->folder, subject->name);
	cleanup_free char *root = bench_root(bench, row->image);

	strv_add(&command->argv, subject->does->program);
	strv_add(&command->argv, "--root");
	strv_take(&command->argv, xasprintf("%s/state", folder));
	strv_add(&command->argv, "run");
	strv_add(&command->argv, "--bundle");
	strv_add(&command->argv, folder);
	strv_take(&command->argv, xasprintf("stor-bench-%ld", (long)getpid()));
	return write_bundle(folder, root, row, payload, err);
}

static char *cannot_crun(const struct subject *subject, const struct row *row)
{
	(void)subject;
	(void)row;
	return access("/sys/fs/cgroup/unified", F_OK)
	               ? NULL
	               : xstrdup("crun refuses machines that mix versions 1 and 2 of cgroups");
}

const struct subject_kind subject_crun = {
	.name = "crun",
	.kind = DATA_PEER,
	.program = "crun",
	.no_network = "crun makes no networks",
	.cannot = cannot_crun,
	.wrap = wrap_oci,
};

const struct subject_kind subject_runc = {
	.name = "runc",
	.kind = DATA_PEER,
	.program = "runc",
	.no_network = "runc makes no networks",
	.wrap = wrap_oci,
};
