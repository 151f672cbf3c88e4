/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the network modules give to core: tables of functions, loaded by module_load("net", …) when
 * a run asks for them. They know links, addresses and rules, and nothing of containers; all work in
 * the network namespace of the caller.
 */
#ifndef NET_MODULE_H
#define NET_MODULE_H

#include "core/base/err.h"
#include "core/net/address.h"

#define NET_MAC_BYTES 6

/* A pair of interfaces, one in the caller's namespace and one in another. Absent addresses have
 * family 0. */
struct net_pair {
	const char *host_name, *guest_name;
	const char *bridge; /* the host end becomes a port of it; NULL: of none */
	bool reflects; /* the bridge may send back what came from it, for a container that asks the
	                * host for a port of its own */
	unsigned mtu;  /* of both ends; 0: the kernel's */
	uint8_t mac[NET_MAC_BYTES]; /* of the guest's end */
	uint64_t rate_bytes;        /* a second, in each direction; 0: no limit */
	struct net_address host[NET_FAMILIES], guest[NET_FAMILIES];
	struct net_address gateway[NET_FAMILIES]; /* the guest's default routes */
};

/* net/veth: links. */
struct net_veth_module {
	const char *version; /* of stor: core/module.h compares it */

	/*
	 * Make the pair with one request, its guest end in the namespace of ns_fd, then give both
	 * ends their addresses and take the guest's up, with lo. STOR_BUSY: a name is taken.
	 */
	int (*make_pair)(const struct net_pair *pair, int ns_fd, struct stor_err *err);

	/* Make a bridge, with its addresses, and take it up. STOR_BUSY: there is such a link. */
	int (*make_bridge)(const char *name, const uint8_t *mac,
	                   const struct net_address *addresses, struct stor_err *err);
	/* 1: there is a bridge of that name, its first address of each family in `addresses`
	 * (family 0: it has none). 0: there is no such link. -1: failed, or the link is no bridge.
	 */
	int (*find_bridge)(const char *name, struct net_address *addresses, struct stor_err *err);

	/* Take a link away; waits for the kernel, which takes tens of milliseconds. No such link is
	 * success. */
	int (*remove_link)(const char *name, struct stor_err *err);

	/* The length of the prefix by which the most specific route to the network's first address
	 * goes; 0: a default route or none does. -1 with err filled. */
	int (*find_route)(const struct net_address *network, struct stor_err *err);
};

/* net/nft: rules. */
struct net_nft_module {
	const char *version;

	/* Run nft(8) commands in one transaction: all of them, or none. */
	int (*apply)(const char *commands, struct stor_err *err);
	/* What a command prints; with_handles: each rule with its handle. malloc'ed; NULL with err
	 * filled. */
	char *(*list)(const char *command, bool with_handles, struct stor_err *err);
};

#endif
