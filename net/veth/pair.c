/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pair of interfaces between this network namespace and a container's. */
#include <linux/if_ether.h>
#include <net/if.h>
#include <string.h>

#include <netlink/errno.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>
#include <stor/kill_point.h>

#include "net/veth/session.h"

/* What the guest's end is told at its making. */
static int describe_guest(struct rtnl_link *guest, const struct net_pair *pair, int ns_fd)
{
	cleanup_address struct nl_addr *mac = nl_addr_build(AF_LLC, pair->mac, NET_MAC_BYTES);

	if (!mac)
		return -NLE_NOMEM;
	rtnl_link_set_name(guest, pair->guest_name);
	rtnl_link_set_ns_fd(guest, ns_fd);
	rtnl_link_set_addr(guest, mac);
	if (pair->mtu)
		rtnl_link_set_mtu(guest, pair->mtu);
	return 0;
}

/*
 * One request makes both ends, puts the guest's into its namespace, and takes the host's up as a
 * port of the bridge. The guest's cannot go up there: its peer does not exist yet.
 */
static int request_pair(struct nl_sock *sock, const struct net_pair *pair, int ns_fd, int bridge)
{
	cleanup_link struct rtnl_link *host = rtnl_link_veth_alloc();
	cleanup_link struct rtnl_link *guest = host ? rtnl_link_veth_get_peer(host) : NULL;
	int code = guest ? describe_guest(guest, pair, ns_fd) : -NLE_NOMEM;

	if (code)
		return code;
	rtnl_link_set_name(host, pair->host_name);
	rtnl_link_set_flags(host, IFF_UP);
	if (bridge)
		rtnl_link_set_master(host, bridge);
	if (pair->mtu)
		rtnl_link_set_mtu(host, pair->mtu);
	return rtnl_link_add(sock, host, NLM_F_CREATE | NLM_F_EXCL);
}

/* A bridge does not send packets back to where they came from, unless the port says so. */
static int let_reflect(struct nl_sock *sock, int index, const char *what, struct stor_err *err)
{
	cleanup_link struct rtnl_link *port = rtnl_link_bridge_alloc();
	int code = -NLE_NOMEM;

	if (port) {
		rtnl_link_set_ifindex(port, index);
		rtnl_link_set_family(port, AF_BRIDGE);
		code = rtnl_link_bridge_set_flags(port, RTNL_BRIDGE_HAIRPIN_MODE);
	}
	if (!code)
		code = rtnl_link_change(sock, port, port, 0);
	return code ? session_fail(err, code, "set up the bridge port %s", what) : 0;
}

static int fail_pair(const struct net_pair *pair, int code, struct stor_err *err)
{
	session_fail(err, code, "make the interfaces %s and %s", pair->host_name, pair->guest_name);
	if (code == -NLE_OPNOTSUPP)
		err_hint(err, "the kernel has no virtual interfaces: modprobe veth");
	else if (code == -NLE_RANGE || code == -NLE_INVAL)
		err_hint(err, "an MTU between 68 (with IPv6: 1280) and 65535, and a MAC address "
		              "of a single machine are accepted");
	return -1;
}

static int raise_link(struct nl_sock *sock, int index, const char *what, struct stor_err *err)
{
	cleanup_link struct rtnl_link *link = rtnl_link_alloc(), *change = rtnl_link_alloc();
	int code = -NLE_NOMEM;

	if (link && change) {
		rtnl_link_set_ifindex(link, index);
		rtnl_link_set_flags(change, IFF_UP);
		code = rtnl_link_change(sock, link, change, 0);
	}
	return code ? session_fail(err, code, "take %s up", what) : 0;
}

static int set_up_guest(const struct net_pair *pair, int ns_fd, struct stor_err *err)
{
	const char *name = pair->guest_name;
	int index;
	cleanup_session struct nl_sock *sock = session_open_in(ns_fd, name, &index, err);

	if (!sock || raise_link(sock, index, name, err) < 0 ||
	    address_add(sock, index, pair->guest, name, err) < 0 ||
	    address_add_routes(sock, index, pair->gateway, name, err) < 0)
		return -1;
	return pair->rate_bytes ? rate_limit(sock, index, pair->rate_bytes, name, err) : 0;
}

int pair_make(const struct net_pair *pair, int ns_fd, struct stor_err *err)
{
	cleanup_session struct nl_sock *sock = session_open(err);
	int bridge = pair->bridge ? (int)if_nametoindex(pair->bridge) : 0, index, code;

	if (!sock)
		return -1;
	if (pair->bridge && !bridge)
		return err_fail(err, STOR_FAILED, 0, "the bridge %s is gone", pair->bridge);
	code = request_pair(sock, pair, ns_fd, bridge);
	if (code)
		return fail_pair(pair, code, err);
	kill_point("net-pair");
	if (pair->host[NET_IP6].family)
		address_trust(pair->host_name);
	index = (int)if_nametoindex(pair->host_name);
	if (pair->reflects && let_reflect(sock, index, pair->host_name, err) < 0)
		return -1;
	if (address_add(sock, index, pair->host, pair->host_name, err) < 0)
		return -1;
	if (pair->rate_bytes && rate_limit(sock, index, pair->rate_bytes, pair->host_name, err) < 0)
		return -1;
	return set_up_guest(pair, ns_fd, err);
}
