/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A container's network goes over from a dead stor process to one that took the container over. */
#include "core/net/take_over.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stor/util.h>

#define PATH_ROOM 512

/* A lease that bears the old name gets the new one. */
static void rename_leases(struct net_state *state, const char *from, const char *to)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;
	char path[PATH_ROOM], fresh[PATH_ROOM];

	store_list(state->fd, "leases", &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		snprintf(path, sizeof(path), "leases/%s", names.items[i]);
		if (!net_lease_is_of(state, path, from))
			continue;
		snprintf(fresh, sizeof(fresh), "users/.%s", to);
		unlinkat(state->fd, fresh, 0);
		if (symlinkat(to, state->fd, fresh) == 0)
			renameat(state->fd, fresh, state->fd, path);
	}
}

void net_user_take_over(struct net_state *state, const char *dead, const char *own)
{
	cleanup_strv struct strv names = STRV_INIT;
	struct stor_err ignored = STOR_ERR_INIT;

	store_list(state->fd, "users", &names, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *from = NULL, *to = NULL, *user = NULL;

		if (!str_starts(names.items[i], dead) || names.items[i][strlen(dead)] != '.')
			continue;
		user = xasprintf("%s%s", own, names.items[i] + strlen(dead));
		from = xasprintf("users/%s", names.items[i]);
		to = xasprintf("users/%s", user);
		if (linkat(state->fd, from, state->fd, to, 0) < 0)
			continue;
		rename_leases(state, names.items[i], user);
		unlinkat(state->fd, from, 0);
	}
}
