/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of net/veth share: netlink sockets and words for libnl's errors. */
#ifndef NET_VETH_SESSION_H
#define NET_VETH_SESSION_H

#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include "core/net/module.h"

/* A socket in this process's network namespace. NULL with err filled. */
struct nl_sock *session_open(struct stor_err *err);
/* A socket in the namespace of ns_fd, and the index of its interface `name`. This process is there
 * for a moment. */
struct nl_sock *session_open_in(int ns_fd, const char *name, int *index, struct stor_err *err);
void session_close(struct nl_sock **sock);
#define cleanup_session __attribute__((cleanup(session_close)))

/* Report a libnl error code (negative). Returns -1. */
int session_fail(struct stor_err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* For cleanup attributes. */
void session_put_link(struct rtnl_link **link);
void session_put_address(struct nl_addr **address);
#define cleanup_link __attribute__((cleanup(session_put_link)))
#define cleanup_address __attribute__((cleanup(session_put_address)))

/* The address as libnl has it, with its prefix. To be put. */
struct nl_addr *session_address(const struct net_address *address);

/* address.c: give an interface its addresses (two, absent ones have family 0), and default routes.
 * `what` names the interface in messages. */
int address_add(struct nl_sock *sock, int index, const struct net_address *addresses,
                const char *what, struct stor_err *err);
/* Let the address that the kernel gives an interface of this namespace be used at once, as those of
 * address_add() are: packets for its neighbours wait until it is. Before it has a carrier. */
void address_trust(const char *name);
int address_add_routes(struct nl_sock *sock, int index, const struct net_address *gateways,
                       const char *what, struct stor_err *err);

/* address.c: as struct net_veth_module has it. */
int address_find_route(const struct net_address *network, struct stor_err *err);
/* The first address of each family that the interface has. */
int address_find(struct nl_sock *sock, int index, struct net_address *addresses,
                 struct stor_err *err);

/* rate.c: let no more than this leave the interface. */
int rate_limit(struct nl_sock *sock, int index, uint64_t rate_bytes, const char *what,
               struct stor_err *err);

/* bridge.c: as struct net_veth_module has them. */
int bridge_make(const char *name, const uint8_t *mac, const struct net_address *addresses,
                struct stor_err *err);
int bridge_find(const char *name, struct net_address *addresses, struct stor_err *err);
int bridge_remove_link(const char *name, struct stor_err *err);

/* pair.c: as struct net_veth_module has it. */
int pair_make(const struct net_pair *pair, int ns_fd, struct stor_err *err);

#endif
