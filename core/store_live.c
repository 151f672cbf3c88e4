/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is alive: STATE/live, and names that begin with the pid and start time of their maker. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/util.h>

#include "core/base/proc.h"
#include "core/store.h"

#define LIVE_NAME_MAX 80
/* So many processes are looked at closely by a quick look at all of them. */
#define CLOSE_LOOKS 32

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

static bool is_self(const struct store *store, const struct store_mark *mark)
{
	return mark->pid == store->self_pid && mark->start_time == store->self_start;
}

bool store_mark_is_alive(struct store *store, const struct store_mark *mark)
{
	return is_self(store, mark) || proc_is_alive(mark->pid, mark->start_time);
}

/* Of hundreds, a pid that is taken is looked at more closely only sometimes: a process that has
 * ended and that nobody has waited for yet is seen by one of the next sweeps then. */
static bool seems_alive(struct store *store, const struct store_mark *mark, bool closely)
{
	if (is_self(store, mark))
		return true;
	if (mark->pid <= 0 || (kill(mark->pid, 0) < 0 && errno == ESRCH))
		return false;
	return !closely || !proc_has_ended(mark->pid);
}

int store_list_dead(struct store *store, int parent_fd, const char *folder, bool exact,
                    struct strv *names, struct stor_err *err)
{
	cleanup_strv struct strv all = STRV_INIT;
	struct store_mark mark;
	size_t every, chosen;

	if (store_list(parent_fd, folder, &all, err) < 0)
		return -1;
	every = all.count / CLOSE_LOOKS + 1;
	chosen = (size_t)getpid() % every;
	for (size_t i = 0; i < all.count; i++) {
		if (!store_mark_parse(all.items[i], &mark) ||
		    !(exact ? store_mark_is_alive(store, &mark)
		            : seems_alive(store, &mark, i % every == chosen)))
			strv_add(names, all.items[i]);
	}
	return 0;
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
		if (!store_mark_is_alive(store, &mark))
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
		    store_mark_is_alive(store, &mark))
			strv_add(ids, mark.rest);
	return 0;
}
