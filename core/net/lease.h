/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who uses which address. All of it lies in a folder of STATE for each network namespace that stor
 * commands work in, since links and rules are there, too:
 *
 *	STATE/net/INODE/
 *	  users/PID.START.ID        empty: the stor process that runs container ID, and has a
 *network users/PID.START.ID.of.ID2 the same; container ID shares the network of container ID2
 *	  leases/NET@ADDRESS        symbolic link whose text is the user's name: "PID.START.ID"
 *	  bridges/NAME              record of a bridge that stor made (core/net/bridge.h)
 *	  going/NAME                the same, being removed
 *	  rules                     empty: there may be a table of rules
 *	  publish/ID                the ports that a container publishes (core/net/rules.h)
 *	  hosts/NAME, files/        core/net/files.h
 *
 * A lease is made by one system call, so two processes never get one address, and a killed stor
 * leaves it behind with its name on it: net_sweep() takes it back, once the interface is gone.
 */
#ifndef NET_LEASE_H
#define NET_LEASE_H

#include "core/net/address.h"
#include "core/store.h"

struct net_state {
	struct store *store;
	int fd;            /* STATE/net/INODE; -1: not open */
	uint64_t inode;    /* of the network namespace */
	struct strv taken; /* paths of the leases that net_lease_take() has made */
};

#define NET_STATE_INIT                                                                             \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* "PID.START.ID", and ".of.ID" behind it. */
#define NET_USER_MAX 96

/* Open the folder for this process's network namespace; make: it and all in it are made when
 * missing, else STOR_NOT_FOUND says that there is none. */
int net_state_open(struct net_state *state, struct store *store, bool make, struct stor_err *err);
void net_state_close(struct net_state *state);
#define cleanup_net_state __attribute__((cleanup(net_state_close)))

/* Lock everything here that several containers share, till the descriptor is closed. */
int net_state_lock(struct net_state *state, struct stor_err *err);

/* Say that this process runs container `id` with a network (of: that of another container; NULL:
 * its own). `user` (NET_USER_MAX bytes) receives the name under which it takes leases. */
int net_user_add(struct net_state *state, const char *id, const char *of, char *user,
                 struct stor_err *err);
void net_user_remove(struct net_state *state, const char *user);
/* Does a living container share the network of container `id`? */
bool net_user_is_shared(struct net_state *state, const char *id);

/* Take one address in network `net`. STOR_BUSY: somebody has it. */
int net_lease_take(struct net_state *state, const char *net, const struct net_address *address,
                   const char *user, struct stor_err *err);

/* Does the lease (leases/…) bear the user's name? */
bool net_lease_is_of(const struct net_state *state, const char *path, const char *user);
/* Does a process have it that has died? */
bool net_lease_is_dead(struct net_state *state, const char *net, const struct net_address *address);

/*
 * Take a free one of the addresses number first, first + step, … below `end` of the network,
 * looking from a place that depends on the user, so that an address just given back is not soon
 * taken again. STOR_BUSY: there is none.
 */
struct net_range {
	struct net_address network;
	uint32_t first, step, end;
	/* Says no to one that others use; may be NULL. 1, 0 or -1 with err filled. */
	int (*is_unused)(void *ctx, const struct net_address *address, struct stor_err *err);
	void *ctx;
};
int net_lease_take_free(struct net_state *state, const char *net, const struct net_range *range,
                        const char *user, struct net_address *taken, struct stor_err *err);

/* Does anybody have an address of the network? */
bool net_lease_is_any(struct net_state *state, const char *net);
/* Give back every address that `user` has, those that were taken by this `state`, or without any,
 * all that bear the user's name. */
void net_lease_drop_all(struct net_state *state, const char *user);

/* Name of the host's end of a container's interface number n: unique, for ids are, and within
 * IFNAMSIZ. */
#define NET_LINK_MAX 16
void net_link_name(const char *id, unsigned n, char *name);

#endif
