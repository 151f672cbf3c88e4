/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's hierarchies of cgroups: see machine.h. */
#include "core/cgroup/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define USUAL_MOUNT "/sys/fs/cgroup"
#define TEXT_LIMIT_BYTES (16u << 20)

static const struct {
	uint32_t controller;
	const char *name;
} names[] = {
	{ CGROUP_CPU, "cpu" },
	{ CGROUP_CPUACCT, "cpuacct" },
	{ CGROUP_CPUSET, "cpuset" },
	{ CGROUP_MEMORY, "memory" },
	{ CGROUP_PIDS, "pids" },
	{ CGROUP_IO, "io" },
	{ CGROUP_IO, "blkio" },
	{ CGROUP_HUGETLB, "hugetlb" },
	{ CGROUP_DEVICES, "devices" },
	{ CGROUP_FREEZER, "freezer" },
	{ CGROUP_SYSTEMD, "name=systemd" },
};

uint32_t cgroup_controllers_of(const char *words)
{
	uint32_t set = 0;

	while (*words) {
		size_t length = strcspn(words, " ,\n");

		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (strlen(names[i].name) == length &&
			    !strncmp(names[i].name, words, length))
				set |= names[i].controller;
		words += length + strspn(words + length, " ,\n");
	}
	return set;
}

const char *cgroup_controller_name(uint32_t controller)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].controller == controller)
			return names[i].name;
	return "?";
}

static void add_hierarchy(struct cgroup_machine *machine, const char *mount, bool is_v2,
                          uint32_t controllers)
{
	if (machine->count == CGROUP_HIERARCHIES_MAX)
		return;
	machine->items[machine->count++] =
		(struct cgroup_hierarchy){ xstrdup(mount), is_v2, controllers };
}

static uint32_t read_v2_controllers(const char *mount)
{
	cleanup_free char *path = xasprintf("%s/cgroup.controllers", mount);
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, 4096, NULL, &ignored);

	return text ? cgroup_controllers_of(text) : 0;
}

/* "36 35 98:0 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory". A hierarchy that is
 * mounted twice counts once. */
static void parse_line(struct cgroup_machine *machine, const char *line)
{
	char place[512], type[32], options[512];
	const char *end = strstr(line, " - ");
	bool is_v2;
	uint32_t controllers;

	if (!end || sscanf(line, "%*s %*s %*s %*s %511s", place) != 1 ||
	    sscanf(end + 3, "%31s %*s %511s", type, options) != 2)
		return;
	is_v2 = !strcmp(type, "cgroup2");
	if (!is_v2 && strcmp(type, "cgroup") != 0)
		return;
	controllers = is_v2 ? read_v2_controllers(place) : cgroup_controllers_of(options);
	if (!is_v2 && !controllers)
		return;
	for (size_t i = 0; i < machine->count; i++)
		if (machine->items[i].is_v2 == is_v2 &&
		    (is_v2 || machine->items[i].controllers & controllers))
			return;
	add_hierarchy(machine, place, is_v2, controllers);
}

/* In version 2 every cgroup has a freezer, and takes a filter of devices; where it is alone it is a
 * service manager's, too. */
static void add_nameless(struct cgroup_machine *machine)
{
	uint32_t elsewhere = machine->count > 1 ? CGROUP_SYSTEMD : 0;

	for (size_t i = 0; i < machine->count; i++)
		elsewhere |= machine->items[i].controllers;
	for (size_t i = 0; i < machine->count; i++)
		if (machine->items[i].is_v2)
			machine->items[i].controllers |=
				(CGROUP_DEVICES | CGROUP_FREEZER | CGROUP_SYSTEMD) & ~elsewhere;
}

void cgroup_machine_parse(struct cgroup_machine *machine, const char *mountinfo)
{
	memset(machine, 0, sizeof(*machine));
	while (*mountinfo) {
		size_t length = strcspn(mountinfo, "\n");
		cleanup_free char *line = xstrndup(mountinfo, length);

		parse_line(machine, line);
		mountinfo += length + (mountinfo[length] == '\n');
	}
	add_nameless(machine);
}

/* Is a hierarchy of version 1 mounted there, by no other name? */
static bool is_mount_v1(const char *path)
{
	struct statfs fs;
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && statfs(path, &fs) == 0 &&
	       fs.f_type == CGROUP_SUPER_MAGIC;
}

int cgroup_machine_find(struct cgroup_machine *machine, bool for_devices, struct stor_err *err)
{
	cleanup_free char *text = NULL;
	struct statfs st;

	memset(machine, 0, sizeof(*machine));
	/* The table of mounts can be long; where version 2 alone is mounted, it need not be read.
	 */
	if (statfs(USUAL_MOUNT, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC) {
		add_hierarchy(machine, USUAL_MOUNT, true, read_v2_controllers(USUAL_MOUNT));
		add_nameless(machine);
		return 0;
	}
	if (for_devices && is_mount_v1(USUAL_MOUNT "/devices")) {
		add_hierarchy(machine, USUAL_MOUNT "/devices", false, CGROUP_DEVICES);
		return 0;
	}
	text = fs_read_file(AT_FDCWD, "/proc/self/mountinfo", TEXT_LIMIT_BYTES, NULL, err);
	if (!text)
		return -1;
	cgroup_machine_parse(machine, text);
	return 0;
}

void cgroup_machine_free(struct cgroup_machine *machine)
{
	for (size_t i = 0; i < machine->count; i++)
		free(machine->items[i].mount);
	machine->count = 0;
}

const struct cgroup_hierarchy *cgroup_machine_home(const struct cgroup_machine *machine,
                                                   uint32_t controller)
{
	for (size_t i = 0; i < machine->count; i++)
		if (machine->items[i].controllers & controller)
			return &machine->items[i];
	return NULL;
}

/* --- weights ------------------------------------------------------------------------------ */

static bool has_text(const char *path, const char *wanted)
{
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *text = fs_read_file(AT_FDCWD, path, TEXT_LIMIT_BYTES, NULL, &ignored);

	err_clear(&ignored);
	return text && strstr(text, wanted);
}

static bool has_bfq(void)
{
	DIR *dir = opendir("/sys/block");
	bool found = false;
	struct dirent *entry;

	while (dir && !found && (entry = readdir(dir))) {
		cleanup_free char *path = xasprintf("/sys/block/%s/queue/scheduler", entry->d_name);

		found = *entry->d_name != '.' && has_text(path, "[bfq]");
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Of version 2, for which its root has the switches. */
static bool has_iocost(void)
{
	struct stor_err ignored = STOR_ERR_INIT;
	struct cgroup_machine machine;
	const struct cgroup_hierarchy *home;
	bool found = false;

	if (cgroup_machine_find(&machine, false, &ignored) < 0)
		return false;
	home = cgroup_machine_home(&machine, CGROUP_IO);
	if (home && home->is_v2) {
		cleanup_free char *path = xasprintf("%s/io.cost.qos", home->mount);

		found = has_text(path, "enable=1");
	}
	cgroup_machine_free(&machine);
	return found;
}

bool cgroup_machine_weighs_io(void)
{
	return has_bfq() || has_iocost();
}
