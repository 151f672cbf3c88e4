/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who uses which address: see lease.h. */
#include "core/base/fs.h"
#include "core/net/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/str.h"

#define LEASE_PATH_MAX 160

static int make_folders(struct store *store, const char *path, struct stor_err *err)
{
	static const char *const folders[] = { "leases", "bridges", "going", "publish",
		                               "hosts",  "files",   "users" };

	if (store_make_dir(store->state_fd, "net", err) < 0 ||
	    store_make_dir(store->state_fd, path, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		cleanup_free char *folder = xasprintf("%s/%s", path, folders[i]);

		if (store_make_dir(store->state_fd, folder, err) < 0)
			return -1;
	}
	return 0;
}

int net_state_open(struct net_state *state, struct store *store, bool make, struct stor_err *err)
{
	cleanup_free char *path = NULL, *last = NULL;
	struct stat st;

	if (state->fd >= 0)
		return 0;
	/* Most machines never had a network of a container. */
	if (!make && faccessat(store->state_fd, "net", F_OK, 0) < 0)
		return err_fail(err, STOR_NOT_FOUND, errno, "no networks");
	if (stat("/proc/thread-self/ns/net", &st) < 0)
		return err_fail(err, STOR_FAILED, errno, "look at the network namespace");
	path = xasprintf("net/%llu", (unsigned long long)st.st_ino);
	last = xasprintf("%s/users", path);
	if (make && faccessat(store->state_fd, last, F_OK, 0) < 0 &&
	    make_folders(store, path, err) < 0)
		return -1;
	state->fd = openat(store->state_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->fd < 0)
		return err_fail(err, errno == ENOENT ? STOR_NOT_FOUND : STOR_FAILED, errno,
		                "open %s/%s", store->state_path, path);
	state->store = store;
	state->inode = st.st_ino;
	return 0;
}

void net_state_close(struct net_state *state)
{
	close_fd(&state->fd);
	strv_free(&state->taken);
}

int net_state_lock(struct net_state *state, struct stor_err *err)
{
	return store_lock(state->store, "net", true, STORE_WAIT_FOREVER, err);
}

/* --- users -------------------------------------------------------------------------------- */

int net_user_add(struct net_state *state, const char *id, const char *of, char *user,
                 struct stor_err *err)
{
	char self[48], path[LEASE_PATH_MAX];

	snprintf(user, NET_USER_MAX, "%s.%s%s%s", store_self(state->store, self, sizeof(self)), id,
	         of ? ".of." : "", of ? of : "");
	snprintf(path, sizeof(path), "users/%s", user);
	if (mknodat(state->fd, path, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "create %s/net/…/%s",
		                state->store->state_path, path);
	kill_point("net-user");
	return 0;
}

void net_user_remove(struct net_state *state, const char *user)
{
	char path[LEASE_PATH_MAX];

	snprintf(path, sizeof(path), "users/%s", user);
	unlinkat(state->fd, path, 0);
}

bool net_user_is_shared(struct net_state *state, const char *id)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	cleanup_free char *suffix = xasprintf(".of.%s", id);
	struct store_mark mark;

	store_list(state->fd, "users", &names, &ignored);
	for (size_t i = 0; i < names.count; i++)
		if (str_ends(names.items[i], suffix) && store_mark_parse(names.items[i], &mark) &&
		    store_mark_is_alive(state->store, &mark))
			return true;
	return false;
}

/* --- leases ------------------------------------------------------------------------------- */

static void lease_path(const char *net, const struct net_address *address, char *path)
{
	char text[NET_ADDRESS_TEXT];

	snprintf(path, LEASE_PATH_MAX, "leases/%s@%s", net,
	         net_address_format(address, false, text));
}

int net_lease_take(struct net_state *state, const char *net, const struct net_address *address,
                   const char *user, struct stor_err *err)
{
	char path[LEASE_PATH_MAX], text[NET_ADDRESS_TEXT], holder[NET_USER_MAX];
	struct store_mark mark;

	lease_path(net, address, path);
	if (symlinkat(user, state->fd, path) == 0) {
		strv_add(&state->taken, path);
		kill_point("net-lease");
		return 0;
	}
	if (errno != EEXIST)
		return err_fail(err, STOR_FAILED, errno, "create %s/net/…/%s",
		                state->store->state_path, path);
	fs_read_link(state->fd, path, holder, sizeof(holder));
	return err_fail(err, STOR_BUSY, 0, "the address %s is in use by container %s",
	                net_address_format(address, false, text),
	                store_mark_parse(holder, &mark) ? mark.rest : "of another command");
}

bool net_lease_is_dead(struct net_state *state, const char *net, const struct net_address *address)
{
	char path[LEASE_PATH_MAX], holder[NET_USER_MAX];
	struct store_mark mark;

	lease_path(net, address, path);
	fs_read_link(state->fd, path, holder, sizeof(holder));
	return store_mark_parse(holder, &mark) && !store_mark_is_alive(state->store, &mark);
}

/* The lease that was just taken. */
static void drop_last(struct net_state *state)
{
	char *path = state->taken.items[--state->taken.count];

	unlinkat(state->fd, path, 0);
	state->taken.items[state->taken.count] = NULL;
	free(path);
}

int net_lease_take_free(struct net_state *state, const char *net, const struct net_range *range,
                        const char *user, struct net_address *taken, struct stor_err *err)
{
	uint32_t count = (range->end - range->first + range->step - 1) / range->step;
	uint32_t start = (uint32_t)(store_hash(user) % count);
	char text[NET_ADDRESS_TEXT];

	for (uint32_t i = 0; i < count; i++) {
		struct stor_err why = STOR_ERR_INIT;
		int unused = 1;

		*taken = net_address_nth(&range->network,
		                         range->first + (start + i) % count * range->step);
		if (net_lease_take(state, net, taken, user, &why) < 0) {
			if (why.status == STOR_BUSY)
				continue;
			*err = why;
			return -1;
		}
		if (range->is_unused)
			unused = range->is_unused(range->ctx, taken, err);
		if (unused > 0)
			return 0;
		drop_last(state);
		if (unused < 0)
			return -1;
	}
	return err_fail(err, STOR_BUSY, 0, "no address of %s is free",
	                net_address_format(&range->network, true, text));
}

bool net_lease_is_any(struct net_state *state, const char *net)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	size_t length = strlen(net);

	store_list(state->fd, "leases", &names, &ignored);
	for (size_t i = 0; i < names.count; i++)
		if (str_starts(names.items[i], net) && names.items[i][length] == '@')
			return true;
	return false;
}

bool net_lease_is_of(const struct net_state *state, const char *path, const char *user)
{
	char holder[NET_USER_MAX];

	return fs_read_link(state->fd, path, holder, sizeof(holder)) && !strcmp(holder, user);
}

void net_lease_drop_all(struct net_state *state, const char *user)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	if (!state->taken.count)
		store_list(state->fd, "leases", &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = xasprintf("leases/%s", names.items[i]);

		if (net_lease_is_of(state, path, user))
			strv_add(&state->taken, path);
	}
	for (size_t i = 0; i < state->taken.count; i++)
		unlinkat(state->fd, state->taken.items[i], 0);
	strv_free(&state->taken);
}

void net_link_name(const char *id, unsigned n, char *name)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	snprintf(name, NET_LINK_MAX, "st%.12s%c", id, digits[n % 36]);
}
