/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is alive: STATE/live, and names that begin with the pid and start time of their maker. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/store.h"

#define LIVE_NAME_MAX 80

const char *store_self(struct store *store, char *buf, size_t size)
{
	pid_t pid = getpid();

	if (store->self_pid != pid) {
		store->self_pid = pid;
		store->self_start = proc_start_time(pid);
	}
	snprintf(buf, size, "%ld.%" PRIu64, (long)pid, store->self_start);
	return buf;
}

bool store_mark_parse(const char *name, struct store_mark *mark)
{
	char *end;
	long pid;

	if (*name < '0' || *name > '9')
		return false;
	errno = 0;
	pid = strtol(name, &end, 10);
	if (*end != '.' || end[1] < '0' || end[1] > '9' || errno || pid > INT32_MAX)
		return false;
	mark->pid = (pid_t)pid;
	mark->start_time = strtoull(end + 1, &end, 10);
	if (*end != '.' || errno)
		return false;
	mark->rest = end + 1;
	return true;
}

bool store_mark_is_alive(struct store *store, const struct store_mark *mark, bool exact)
{
	if (mark->pid == store->self_pid && mark->start_time == store->self_start)
		return true;
	if (exact)
		return proc_is_alive(mark->pid, mark->start_time);
	return mark->pid > 0 && !proc_has_ended(mark->pid);
}

static void live_path(struct store *store, const char *id, char *buf, size_t size)
{
	char self[48];

	snprintf(buf, size, "live/%s.%s", store_self(store, self, sizeof(self)), id);
}

int store_mark_live(struct store *store, const char *id, struct stor_err *err)
{
	char path[LIVE_NAME_MAX];

	live_path(store, id, path, sizeof(path));
	/* Makes an empty file with one system call. */
	if (mknodat(store->state_fd, path, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "create %s/%s", store->state_path, path);
	return 0;
}

void store_unmark_live(struct store *store, const char *id)
{
	char path[LIVE_NAME_MAX];

	live_path(store, id, path, sizeof(path));
	unlinkat(store->state_fd, path, 0);
}

enum store_life store_life(struct store *store, const char *id, pid_t *pid)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	enum store_life life = STORE_NOT_RUN;
	struct store_mark mark;

	store_list(store->state_fd, "live", &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		if (!store_mark_parse(names.items[i], &mark) || strcmp(mark.rest, id) != 0)
			continue;
		life = STORE_DIED;
		if (!store_mark_is_alive(store, &mark, true))
			continue;
		if (pid)
			*pid = mark.pid;
		return STORE_ALIVE;
	}
	return life;
}

bool store_is_live(struct store *store, const char *id, pid_t *pid)
{
	return store_life(store, id, pid) == STORE_ALIVE;
}

int store_list_live(struct store *store, struct strv *ids, struct stor_err *err)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct store_mark mark;

	if (store_list(store->state_fd, "live", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++)
		if (store_mark_parse(names.items[i], &mark) && store_is_id(mark.rest) &&
		    store_mark_is_alive(store, &mark, true))
			strv_add(ids, mark.rest);
	return 0;
}
