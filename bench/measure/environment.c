/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See environment.h. */
#include "bench/measure/environment.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <stor/util.h>

#include "bench/measure/cells.h"
#include "core/base/fs.h"

#define FILE_MAX (1u << 20)

/* Whole text of a file in /proc or /sys; NULL where there is none. */
static char *read_text(const char *path)
{
	struct stor_err ignored = STOR_ERR_INIT;

	return fs_read_file(AT_FDCWD, path, FILE_MAX, NULL, &ignored);
}

static void add_text(struct json_object *facts, const char *key, const char *text)
{
	if (text && *text)
		json_object_object_add(facts, key, json_object_new_string(text));
}

static void add_processor(struct json_object *facts)
{
	cleanup_free char *info = read_text("/proc/cpuinfo");
	cleanup_free char *governor =
		read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	char *model = info ? strstr(info, "model name\t: ") : NULL;

	if (model) {
		model += strlen("model name\t: ");
		model[strcspn(model, "\n")] = '\0';
		add_text(facts, "cpu", model);
	}
	if (governor) {
		governor[strcspn(governor, "\n")] = '\0';
		add_text(facts, "governor", governor);
	}
	json_object_object_add(facts, "cores",
	                       json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_object_add(
		facts, "memory_bytes",
		json_object_new_int64(sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
}

/* The filesystem's type and device: the line of the mount that lies nearest above the folder. */
static void add_filesystem(struct json_object *facts, const char *folder)
{
	cleanup_free char *mounts = read_text("/proc/self/mountinfo");
	struct stat st;
	char wanted[32], *save = NULL;

	if (!mounts || stat(folder, &st) < 0)
		return;
	snprintf(wanted, sizeof(wanted), " %u:%u ", major(st.st_dev), minor(st.st_dev));
	for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char type[64], device[128];
		const char *rest = strstr(line, " - ");

		if (!strstr(line, wanted) || !rest ||
		    sscanf(rest, " - %63s %127s", type, device) != 2)
			continue;
		add_text(facts, "filesystem", type);
		add_text(facts, "disk", device);
		return;
	}
}

static void add_load(struct json_object *facts)
{
	struct json_object *loads = json_object_new_array();
	double load[3];

	if (getloadavg(load, 3) == 3)
		for (size_t i = 0; i < 3; i++)
			json_object_array_add(loads, json_object_new_double(load[i]));
	json_object_object_add(facts, "load", loads);
}

/* The first line that a program says of its version. */
static void add_version(struct json_object *versions, const char *program)
{
	cleanup_command struct command command = COMMAND_INIT;
	cleanup_outcome struct outcome outcome = { .status = 0 };
	struct stor_err ignored = STOR_ERR_INIT;

	strv_add(&command.argv, program);
	strv_add(&command.argv, "--version");
	if (command_run(&command, &outcome, &ignored) < 0 || outcome.status)
		return;
	outcome.output[strcspn(outcome.output, "\n")] = '\0';
	add_text(versions, program, outcome.output);
}

struct json_object *environment_describe(const struct bench *bench, const struct cells *cells)
{
	const struct subjects *subjects = &cells->subjects;
	struct json_object *facts = json_object_new_object(), *versions = json_object_new_object();
	struct utsname name;

	if (!uname(&name)) {
		add_text(facts, "kernel", name.release);
		add_text(facts, "machine", name.machine);
	}
	add_processor(facts);
	add_filesystem(facts, bench->folder);
	add_load(facts);
	add_text(versions, "stor", STOR_VERSION);
	for (size_t i = 0; i < subjects->count; i++)
		if (subjects->items[i].does->program)
			add_version(versions, subjects->items[i].does->program);
	for (size_t i = 0; i + 1 < cells->programs.count; i += 2)
		add_text(versions, cells->programs.items[i], cells->programs.items[i + 1]);
	json_object_object_add(facts, "versions", versions);
	return facts;
}
