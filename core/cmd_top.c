/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stor top: the processes of a container, as the host counts them. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/fs.h"
#include "core/base/json.h"
#include "core/base/table.h"
#include "core/cmd_life.h"
#include "core/cmd_listing.h"
#include "core/cmd_options.h"
#include "core/container_life.h"
#include "core/container_store.h"

#define COLUMNS 7

struct process_info {
	long pid, inner_pid, parent;
	uint64_t uid, rss_bytes, cpu_ms;
	char state;
	char *command;
};

/* The number behind "KEY:" in /proc/PID/status, the last one of its line or the first. */
static bool status_number(const char *status, const char *key, bool last, uint64_t *number)
{
	const char *line = strstr(status, key), *at;

	if (!line)
		return false;
	at = line + strlen(key);
	at += strspn(at, " \t");
	if (last) {
		const char *end = at + strcspn(at, "\n");

		while (end > at && isdigit((unsigned char)end[-1]))
			end--;
		at = end;
	}
	*number = strtoull(at, NULL, 10);
	return true;
}

static char *read_proc(long pid, const char *leaf, size_t *size)
{
	cleanup_free char *path = xasprintf("/proc/%ld/%s", pid, leaf);
	struct stor_err ignored = STOR_ERR_INIT;

	return fs_read_file(AT_FDCWD, path, 1u << 20, size, &ignored);
}

/* Its words, or "[name]" for one that has none. */
static char *command_of(long pid, const char *status)
{
	const char *name = status + strlen("Name:\t");
	size_t size = 0;
	cleanup_free char *words = read_proc(pid, "cmdline", &size);

	while (size && !words[size - 1])
		size--;
	if (!size)
		return xasprintf("[%.*s]", (int)strcspn(name, "\n"), name);
	for (size_t i = 0; i < size; i++)
		if (!words[i])
			words[i] = ' ';
	return xstrndup(words, size);
}

/* Fields 14 and 15 of /proc/PID/stat: ticks in user and kernel mode. */
static uint64_t cpu_ms_of(long pid)
{
	cleanup_free char *text = read_proc(pid, "stat", NULL);
	const char *at = text ? strrchr(text, ')') : NULL;
	unsigned long long user, kernel;

	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
	                  &kernel) != 2)
		return 0;
	return (user + kernel) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

/* False: it has ended meanwhile. */
static bool read_process(long pid, struct process_info *info)
{
	cleanup_free char *status = read_proc(pid, "status", NULL);
	uint64_t inner = 0, parent = 0, kib = 0;
	const char *state;

	if (!status || !(state = strstr(status, "State:")))
		return false;
	memset(info, 0, sizeof(*info));
	info->pid = pid;
	info->state = state[strlen("State:") + 1];
	status_number(status, "NSpid:", true, &inner);
	status_number(status, "PPid:", false, &parent);
	status_number(status, "Uid:", false, &info->uid);
	status_number(status, "VmRSS:", false, &kib);
	info->inner_pid = (long)inner;
	info->parent = (long)parent;
	info->rss_bytes = kib << 10;
	info->cpu_ms = cpu_ms_of(pid);
	info->command = command_of(pid, status);
	return true;
}

static void show(struct table *table, struct json *json, const struct process_info *info)
{
	char text[32];

	json_open_object(json, NULL);
	json_i64(json, "pid", info->pid);
	json_i64(json, "inner_pid", info->inner_pid);
	json_i64(json, "parent_pid", info->parent);
	json_u64(json, "uid", info->uid);
	snprintf(text, sizeof(text), "%c", info->state);
	json_string(json, "state", text);
	json_u64(json, "cpu_ms", info->cpu_ms);
	json_u64(json, "rss_bytes", info->rss_bytes);
	json_string(json, "command", info->command);
	json_close_object(json);

	snprintf(text, sizeof(text), "%ld", info->pid);
	table_cell(table, text);
	snprintf(text, sizeof(text), "%ld", info->inner_pid);
	table_cell(table, text);
	snprintf(text, sizeof(text), "%" PRIu64, info->uid);
	table_cell(table, text);
	snprintf(text, sizeof(text), "%c", info->state);
	table_cell(table, text);
	snprintf(text, sizeof(text), "%" PRIu64 ":%02" PRIu64, info->cpu_ms / 60000,
	         info->cpu_ms / 1000 % 60);
	table_cell(table, text);
	table_cell(table, str_from_size(info->rss_bytes, text, sizeof(text)));
	table_cell(table, info->command);
}

/* The number of the namespace that the process's own are numbered in; 0: it has ended. */
static ino_t namespace_of(long pid)
{
	cleanup_free char *path = xasprintf("/proc/%ld/ns/pid", pid);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Every process of the container's namespace, in the order of their numbers. */
static int list(ino_t wanted, struct table *table, struct json *json, struct stor_err *err)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return err_fail(err, STOR_FAILED, errno, "open /proc");
	while ((entry = readdir(proc))) {
		long pid = strtol(entry->d_name, NULL, 10);
		struct process_info info;

		if (pid <= 0 || namespace_of(pid) != wanted || !read_process(pid, &info))
			continue;
		show(table, json, &info);
		free(info.command);
	}
	closedir(proc);
	return 0;
}

static int set_format(void *target, const char *value, struct stor_err *err)
{
	return option_format(target, value, err);
}

int cmd_top(struct store *store, int argc, char **argv, struct stor_err *err)
{
	static const struct opt options[] = {
		{ 0, "format", "FORMAT", "Print a table or json", set_format },
		{ 0 },
	};
	static const struct opt_command command = {
		.name = "top",
		.synopsis = "[OPTIONS] NAME|ID",
		.summary = "List the processes of a container",
		.options = options,
		.min_operands = 1,
		.max_operands = 1,
	};
	static const char *const header[COLUMNS] = { "PID",  "INSIDE", "UID",    "STATE",
		                                     "TIME", "MEMORY", "COMMAND" };
	cleanup_record struct record record = RECORD_INIT;
	struct table table = TABLE_INIT(COLUMNS);
	struct json json = JSON_INIT;
	cleanup_close int pidfd = -1;
	cleanup_free char *id = NULL;
	bool is_json = false;
	char **operands;
	int count, result = opts_parse(&command, &is_json, argc, argv, &operands, &count, err);

	if (result)
		return result < 0 ? -1 : 0;
	if (container_find(store, operands[0], &id, &record, err) < 0)
		return -1;
	pidfd = container_open_process(store, id, &record, err);
	if (pidfd < 0)
		return -1;
	for (size_t i = 0; i < COLUMNS; i++)
		table_cell(&table, header[i]);
	json_open_array(&json, NULL);
	result = list(namespace_of((long)record_get_u64(&record, "pid", 0)), &table, &json, err);
	json_close_array(&json);
	return result < 0 ? -1 : listing_print(is_json, false, &table, &json);
}
