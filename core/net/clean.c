/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Taking back what containers had of networks: see clean.h. */
#include "core/net/clean.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stor/kill_point.h>
#include <stor/util.h>

#include "core/base/log.h"
#include "core/base/proc.h"
#include "core/base/sys.h"
#include "core/net/bridge.h"
#include "core/net/files.h"
#include "core/net/rules.h"

#define ID_LENGTH 12
#define WAIT_TRIES 40

/* Closes every descriptor but the two. */
static void keep_only(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);

	if (low > 0)
		syscall(SYS_close_range, 0, low - 1, 0);
	if (high > low + 1)
		syscall(SYS_close_range, low + 1, high - 1, 0);
	syscall(SYS_close_range, high + 1, ~0u, 0);
}

/* In a process of its own, which is nobody's child, so that nobody has to wait for it. Does not
 * return. */
static void remove_detached(struct net_state *state, int lock_fd)
{
	struct stor_err err = STOR_ERR_INIT;
	pid_t pid;

	/* Before stor goes on: it may be about to remove what a copy of its descriptors keeps. */
	keep_only(state->fd, lock_fd);
	pid = fork();
	if (pid)
		_exit(pid < 0 ? 1 : 0);
	/* What fails is left to the next command. */
	net_bridge_remove_going(state, &err);
	_exit(0);
}

void net_bridge_remove_later(struct net_state *state, int *lock_fd)
{
	struct stor_err err = STOR_ERR_INIT;
	pid_t pid = fork();

	if (!pid)
		remove_detached(state, *lock_fd);
	if ((pid < 0 || proc_wait(pid) != 0) && net_bridge_remove_going(state, &err) < 0)
		log_warn("%s", err.text);
	close_fd(lock_fd);
}

/* Rules are made anew only when something of them has changed. */
static int update_rules(struct net_state *state, struct stor_err *err)
{
	if (net_rules_close_forward(state, err) < 0)
		return -1;
	return net_rules_apply(state, err);
}

/* Bridges without an address in use: their last user is gone, or failed or was killed before it
 * took one. Under the lock, as they are made. */
static bool has_unused_bridge(struct net_state *state, bool leave)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	bool found = false;

	net_bridge_list(state, &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		if (net_lease_is_any(state, names.items[i]))
			continue;
		found = true;
		if (leave)
			net_bridge_leave(state, names.items[i]);
	}
	return found;
}

/* Gives a user's addresses back. Whether rules are to be made anew. */
static bool give_back(struct net_state *state, const char *user, const char *id)
{
	bool changed = net_unpublish(state, id);

	net_hosts_remove_all(state, id);
	net_lease_drop_all(state, user);
	kill_point("net-leases-dropped");
	changed = has_unused_bridge(state, true) || changed;
	net_files_remove(state, id);
	return changed;
}

/* One user, under the lock. */
static int release_locked(struct net_state *state, const char *user, const char *id, bool is_dead,
                          struct stor_err *err)
{
	bool changed = give_back(state, user, id);

	/* One that was killed may have given back everything but the rules. What fails stays due,
	 * for the sweep that finds the user's name again. */
	if ((changed || (is_dead && net_rules_may_exist(state))) && update_rules(state, err) < 0)
		return -1;
	kill_point("net-released");
	net_user_remove(state, user);
	return 0;
}

/* Removes the bridges that are going, and gives the lock up. */
static void finish(struct net_state *state, int *lock_fd, bool wait)
{
	struct stor_err err = STOR_ERR_INIT;

	if (!net_bridge_is_going(state))
		close_fd(lock_fd);
	else if (!wait)
		net_bridge_remove_later(state, lock_fd);
	else if (net_bridge_remove_going(state, &err) < 0)
		log_warn("%s", err.text);
}

/* The id within a user's name; false: it is none. */
static bool id_of(const char *user, char *id)
{
	struct store_mark mark;

	if (!store_mark_parse(user, &mark) || strlen(mark.rest) < ID_LENGTH)
		return false;
	memcpy(id, mark.rest, ID_LENGTH);
	id[ID_LENGTH] = '\0';
	return store_is_id(id);
}

/* One that shares nothing with others has nobody to wait for. */
static void release_alone(struct net_state *state, const char *user, const char *id)
{
	net_lease_drop_all(state, user);
	kill_point("net-alone-dropped");
	net_files_remove(state, id);
	net_user_remove(state, user);
}

int net_release(struct net_state *state, const char *user, bool shares, struct stor_err *err)
{
	cleanup_close int lock_fd = -1;
	char id[ID_LENGTH + 1];
	int result;

	if (!id_of(user, id) || net_user_is_shared(state, id))
		return 0;
	kill_point("net-release");
	if (!shares) {
		release_alone(state, user, id);
		return 0;
	}
	lock_fd = net_state_lock(state, err);
	if (lock_fd < 0)
		return -1;
	result = release_locked(state, user, id, false, err);
	if (result == 0)
		finish(state, &lock_fd, false);
	return result;
}

/* --- the dead ----------------------------------------------------------------------------- */

/* A container that outlives its stor, or whose namespace others share, keeps what it has. */
static bool has_interfaces(const char *id)
{
	char name[NET_LINK_MAX];

	net_link_name(id, 0, name);
	return if_nametoindex(name) != 0;
}

static int sweep_user(struct net_state *state, const char *user, const struct sweep_opts *opts,
                      struct stor_err *err)
{
	char id[ID_LENGTH + 1];

	if (!id_of(user, id) || has_interfaces(id))
		return 0;
	log_debug("sweep: network of container %s", id);
	if (opts->report)
		opts->report(opts->ctx, "network of container", id, "its stor process is dead");
	return opts->dry_run ? 0 : release_locked(state, user, id, true, err);
}

int net_sweep(struct store *store, const struct sweep_opts *opts, struct stor_err *err)
{
	cleanup_net_state struct net_state state = NET_STATE_INIT;
	cleanup_strv struct strv users = STRV_INIT;
	struct stor_err none = STOR_ERR_INIT;
	cleanup_close int lock_fd = -1;
	int result = 0;

	if (net_state_open(&state, store, false, &none) < 0)
		return 0;
	if (store_list_dead(store, state.fd, "users", opts->is_thorough, &users, err) < 0)
		return -1;
	if (!users.count && !net_bridge_is_going(&state) && !has_unused_bridge(&state, false))
		return 0;
	lock_fd = net_state_lock(&state, err);
	if (lock_fd < 0)
		return -1;
	for (size_t i = 0; i < users.count; i++)
		if (sweep_user(&state, users.items[i], opts, err) < 0)
			result = -1;
	if (!opts->dry_run && has_unused_bridge(&state, true) && update_rules(&state, err) < 0)
		result = -1;
	if (!opts->dry_run)
		finish(&state, &lock_fd, opts->is_thorough);
	return result;
}

void net_wait_for_dead(struct net_state *state, const char *net, const struct net_address *address)
{
	static const struct sweep_opts quick = { .is_thorough = false };
	const struct timespec pause = { .tv_nsec = 1000000000 / WAIT_TRIES };
	struct stor_err ignored = STOR_ERR_INIT;

	for (int i = 0; i < WAIT_TRIES && net_lease_is_dead(state, net, address); i++) {
		if (i)
			nanosleep(&pause, NULL);
		net_sweep(state->store, &quick, &ignored);
	}
}
