/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bridges, and removing links. */
#include <linux/if_ether.h>
#include <net/if.h>
#include <string.h>

#include <netlink/errno.h>
#include <netlink/route/link/bridge.h>
#include <stor/kill_point.h>

#include "net/veth/session.h"

/* With an address of its own, so that it does not change with the ports. */
static int request_bridge(struct nl_sock *sock, const char *name, const uint8_t *mac)
{
	cleanup_link struct rtnl_link *bridge = rtnl_link_bridge_alloc();
	cleanup_address struct nl_addr *own = nl_addr_build(AF_LLC, mac, NET_MAC_BYTES);

	if (!bridge || !own)
		return -NLE_NOMEM;
	rtnl_link_set_name(bridge, name);
	rtnl_link_set_addr(bridge, own);
	rtnl_link_set_flags(bridge, IFF_UP);
	return rtnl_link_add(sock, bridge, NLM_F_CREATE | NLM_F_EXCL);
}

int bridge_make(const char *name, const uint8_t *mac, const struct net_address *addresses,
                struct stor_err *err)
{
	cleanup_session struct nl_sock *sock = session_open(err);
	int code;

	if (!sock)
		return -1;
	code = request_bridge(sock, name, mac);
	if (code) {
		session_fail(err, code, "make the bridge %s", name);
		if (code == -NLE_OPNOTSUPP)
			err_hint(err, "the kernel has no bridges: modprobe bridge");
		return -1;
	}
	kill_point("net-bridge-link");
	if (addresses[NET_IP6].family)
		address_trust(name);
	return address_add(sock, (int)if_nametoindex(name), addresses, name, err);
}

int bridge_find(const char *name, struct net_address *addresses, struct stor_err *err)
{
	cleanup_session struct nl_sock *sock = session_open(err);
	cleanup_link struct rtnl_link *link = NULL;
	const char *type;
	int code;

	if (!sock)
		return -1;
	code = rtnl_link_get_kernel(sock, 0, name, &link);
	if (code == -NLE_OBJ_NOTFOUND || code == -NLE_NODEV)
		return 0;
	if (code)
		return session_fail(err, code, "look at the bridge %s", name);
	type = rtnl_link_get_type(link);
	if (!type || strcmp(type, "bridge") != 0) {
		err_fail(err, STOR_USAGE, 0, "the interface %s is no bridge", name);
		err_hint(err,
		         "--net bridge=NAME makes a bridge when there is nothing of that name");
		return -1;
	}
	return address_find(sock, rtnl_link_get_ifindex(link), addresses, err) < 0 ? -1 : 1;
}

int bridge_remove_link(const char *name, struct stor_err *err)
{
	cleanup_session struct nl_sock *sock = session_open(err);
	cleanup_link struct rtnl_link *link = rtnl_link_alloc();
	int code;

	if (!sock)
		return -1;
	rtnl_link_set_name(link, name);
	code = rtnl_link_delete(sock, link);
	if (code && code != -NLE_OBJ_NOTFOUND && code != -NLE_NODEV)
		return session_fail(err, code, "remove the interface %s", name);
	return 0;
}
